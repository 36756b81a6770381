"""Which processor a model needs, and what it takes from the files where the manifest says nothing."""

from __future__ import annotations

import json

import pytest
from inference_core import AutoModel, InvalidModel, PluginWarning

ROWS = {"family": "rows"}


@pytest.fixture
def several(linear):
    """A package whose artifacts have these metadata, without a processor unless one is given."""

    def write(*metadata, **changes):
        for index, each in enumerate(metadata):
            linear.file(f"package/{index}.linear", metadata=each)
        artifacts = [
            {"format": "linear", "parts": {"model": f"{index}.linear"}}
            for index in range(len(metadata))
        ]
        manifest = {"schema_version": 1, "name": "m", "artifacts": artifacts, **changes}
        (linear.folder / "package" / "model.json").write_text(json.dumps(manifest))
        return linear.folder / "package"

    return write


def answer(path):
    with AutoModel.from_pretrained(path) as model:
        return model([[0, 0]])[0]


def test_two_processors_that_claim_a_file_name_the_line_to_write(linear, fake):
    source = "from linear_processors import RowProcessor as Other"
    fake.add("inference-o", {"processors": {"other": "o_module:Other"}}, {"o_module": source})
    with pytest.raises(Exception, match=r'other and rows; .*"processor": \{"name": "other"\}'):
        AutoModel.resolve(linear.file(metadata={"family": "rows"}))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise SystemExit", "raised SystemExit"),
        ("return True", "returned bool instead of a Recog"),
        (
            "return __import__('inference_core').Recognition('t', ['a'])",
            "raised TypeError: a Recog",
        ),
    ],
)
def test_a_processor_that_fails_to_recognise_is_named_and_passed_over(linear, fake, body, message):
    source = f"class P:\n    @classmethod\n    def recognise(cls, facts):\n        {body}"
    fake.add("inference-p", {"processors": {"p": "p_module:P"}}, {"p_module": source})
    with pytest.warns(PluginWarning, match=f"'p' .inference-p 1.0. {message}"):
        assert AutoModel.resolve(linear.file()).chosen


def test_a_processor_that_is_only_named_takes_what_it_recognises_in_the_file(several):
    folder = several({**ROWS, "offset": 5}, processor={"name": "rows"})
    package = AutoModel.resolve(folder).package
    assert (package.task, package.labels) == ("rows", ("low", "high"))
    assert answer(folder) == [15, 25]


def test_a_processor_with_settings_takes_only_those_and_its_labels_from_the_file(several):
    folder = several({**ROWS, "offset": 5}, processor={"name": "rows", "settings": {"a": 1}})
    assert AutoModel.resolve(folder).package.labels == ("low", "high")
    assert answer(folder) == [10, 20]


def test_a_task_beside_a_stated_processor_is_taken_as_it_is(several):
    folder = several(ROWS, processor={"name": "rows"}, task="dishes")
    assert AutoModel.resolve(folder).package.task == "dishes"


def test_what_the_manifest_states_counts_more_than_what_is_recognised(several):
    folder = several(ROWS, processor={"name": "rows"}, task="rows", labels=["a", "b"])
    assert AutoModel.resolve(folder).package.labels == ("a", "b")


def test_damaged_metadata_are_an_error_unless_the_processor_is_stated(several):
    with pytest.raises(InvalidModel, match="metadata are damaged"):
        AutoModel.resolve(several({"family": "damaged"}))
    assert answer(several({"family": "damaged"}, processor={"name": "rows"})) == [10, 20]


@pytest.mark.parametrize("stated", [{}, {"processor": {"name": "rows"}}])
def test_each_artifact_is_run_with_the_settings_recognised_in_it(several, stated):
    folder = several({**ROWS, "offset": 5}, {**ROWS, "offset": 7}, **stated)
    resolution = AutoModel.resolve(folder)
    found = {str(each.artifact): each.artifact.settings["offset"] for each in resolution.accepted}
    assert found == {"0.linear": 5, "1.linear": 7}
    assert answer(folder) == [15, 25]
    (folder / "0.linear").unlink()
    manifest = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(
        json.dumps({**manifest, "artifacts": manifest["artifacts"][1:]})
    )
    assert answer(folder) == [17, 27]


def test_an_artifact_that_says_nothing_gets_what_all_others_have(several):
    folder = several({**ROWS, "offset": 5}, {}, {**ROWS, "offset": 7})
    settings = [each.settings for each in AutoModel.resolve(folder).package.artifacts]
    assert settings[1] == {"from": "metadata"}
    folder = several({**ROWS, "offset": 5}, {}, ROWS)
    settings = [each.settings for each in AutoModel.resolve(folder).package.artifacts]
    assert settings[1] == {"from": "metadata", "offset": 5}


def test_artifacts_that_differ_in_their_labels_say_so(several):
    contradicting = {**ROWS, "labels": "x y"}
    with pytest.raises(InvalidModel, match="differ in the labels that 'rows' recognises"):
        AutoModel.resolve(several(ROWS, contradicting))
    assert AutoModel.resolve(several(ROWS, contradicting, labels=["p", "q"])).chosen


def test_a_task_that_contradicts_the_recognised_one_is_refused(several):
    with pytest.raises(InvalidModel, match="states the task dishes, and 'rows' recognises rows"):
        AutoModel.resolve(several(ROWS, task="dishes"))


SPEAKER = """
    from inference_core.verdict import Reason

    KIND = "task"

    class Speaker:
        inputs = outputs = ()
        metadata = {{}}
        device, device_arrays, thread_safe = "cpu", None, True
        task = {task!r}

        def close(self):
            pass

    @hookimpl
    def can_load(artifact):
        return Verdict.accept("cpu")

    @hookimpl
    def load(artifact):
        return Speaker()
"""


@pytest.mark.parametrize(("task", "labels"), [("rows", ("low", "high")), ("columns", ())])
def test_a_task_backend_says_itself_what_it_does_with_a_recognised_file(linear, fake, task, labels):
    fake.backend("speaker", can_load=SPEAKER.format(task=task))
    with AutoModel.from_pretrained(linear.file(metadata=ROWS), backend="speaker") as model:
        assert (model.task, model.labels) == (task, labels)
