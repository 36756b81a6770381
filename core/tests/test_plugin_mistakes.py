"""What plugins get wrong and core must notice: answers of the wrong kind, count or device."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from inference_core import (
    AutoModel,
    InferenceError,
    InvalidArgument,
    InvalidModel,
    NoBackendFound,
    PluginError,
    PluginWarning,
    discovery,
)


def replaced(linear, module: str, old: str, new: str) -> None:
    """Plant a mistake in one of the modules of the linear distribution."""
    path = linear.site / f"{module}.py"
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))
    discovery.refresh()


@pytest.fixture
def linear(linear, site):
    linear.site = site
    return linear


@pytest.mark.parametrize(
    ("answer", "message"),
    [("[]", "postprocess returned 0 results for 1 inputs"),
     ("None", "postprocess returned NoneType results for 1 inputs"),
     ("[1, 2]", "postprocess returned 2 results for 1 inputs")],
)  # fmt: skip
def test_a_wrong_number_of_results_is_the_processors_mistake(linear, answer, message):
    replaced(
        linear,
        "linear_processors",
        "        return [[float(v)",
        f"        return {answer}\n        return [[float(v)",
    )
    with AutoModel.from_pretrained(linear.package()) as model:
        with pytest.raises(PluginError, match=f"'rows' .*RowProcessor.*{message}"):
            model((0, 0))
        with pytest.raises(PluginError, match=message):
            list(model.stream([(0, 0)]))


def test_a_preprocess_without_a_context_is_the_processors_mistake(linear):
    replaced(
        linear, "linear_processors", "return {self.spec.name: rows}, len(inputs)", "return rows"
    )
    with (
        AutoModel.from_pretrained(linear.package()) as model,
        pytest.raises(PluginError, match="preprocess returned no pair"),
    ):
        model((0, 0))


def test_a_device_that_was_not_asked_for_is_not_accepted(linear):
    replaced(linear, "linear_backend", 'if request.device not in (None, "cpu"):', "if False:")
    (candidate,) = AutoModel.resolve(linear.file(), device="cuda").candidates[:1]
    assert candidate.verdict.status == "broken"
    assert "accepted for cpu what was asked for cuda" in candidate.verdict.reasons[0].message


def test_a_session_on_another_device_than_accepted_is_not_taken(linear):
    replaced(linear, "linear_backend", 'Verdict.accept("cpu")', 'Verdict.accept("npu:0")')
    with pytest.raises(PluginError, match=r"accepted model.linear for npu:0 and loaded it on cpu"):
        AutoModel.from_pretrained(linear.file())
    assert linear.sessions[-1].closed == 1


@pytest.mark.parametrize("specs", ["None", "['x']", "'x'"])
def test_a_session_without_tensor_specs_is_refused_and_closed(linear, specs):
    session = f"s = LinearSession(artifact.path); s.inputs = {specs}; return s"
    replaced(linear, "linear_backend", "return LinearSession(artifact.path)", session)
    with pytest.raises(PluginError, match=r"inference-linear 2.5.*inputs are no tuple"):
        AutoModel.from_pretrained(linear.file())
    assert linear.sessions[-1].closed == 1


def test_outputs_that_are_no_mapping_are_the_backends_mistake(linear):
    replaced(linear, "linear_backend", "return session.run(inputs)", "return [1]")
    with (
        AutoModel.from_pretrained(linear.file()) as model,
        pytest.raises(PluginError, match=r"inference-linear 2.5\) returned list"),
    ):
        model.predict_tensors({"x": np.zeros((1, 2), np.float32)})


@pytest.mark.parametrize(
    "field", ["lock: threading.Lock = None", "name: 'Missing' = None", "n: int = None"]
)
def test_a_broken_options_class_rules_out_its_backend_only(linear, fake, field):
    source = f"import threading\nfrom dataclasses import dataclass\n{fake.healthy}\n"
    source += f"@dataclass\nclass OPTIONS:\n    threads: int = 1\n    {field}\n"
    source += "    def __post_init__(self):\n        if self.threads > 1: raise KeyError('x')\n"
    fake.add("inference-odd", {"backends": {"odd": "odd_backend"}}, {"odd_backend": source})
    resolution = AutoModel.resolve(linear.file(), options={"threads": 2})
    assert resolution.chosen.backend == "linear"
    (odd,) = (each for each in resolution.candidates if each.backend == "odd")
    assert odd.verdict.status == "broken"
    assert "options class OPTIONS raised" in odd.verdict.reasons[0].message


def test_one_wrapper_under_two_names_sees_each_call_once(linear, fake):
    source = """
        from inference_core import hookimpl
        calls = []

        @hookimpl(wrapper=True)
        def predict():
            calls.append(1)
            return (yield)
    """
    fake.add("inference-w", {"wrappers": {"a": "w_module", "b": "w_module"}}, {"w_module": source})
    with pytest.warns(PluginWarning, match="'b' is left out: ambiguous"):
        model = AutoModel.from_pretrained(linear.package())
    with model:
        model((0, 0))
    import w_module

    assert w_module.calls == [1]


def test_a_processor_that_closes_its_model_ends_it_after_the_call(linear):
    replaced(
        linear,
        "linear_session",
        "def run(self",
        "def run(self, *a):\n        self.hook()\n        return self.run2(*a)\n\n    def run2(self",
    )
    model = AutoModel.from_pretrained(linear.package())
    session = linear.sessions[-1]
    session.hook = model.close
    assert model((0, 0)) == [10.0, 20.0]
    assert session.closed == 1
    with pytest.raises(InferenceError, match="was closed"):
        model((0, 0))


def test_what_was_known_of_a_backend_is_forgotten_on_refresh(linear):
    AutoModel.resolve(linear.file())
    replaced(linear, "linear_backend", '"2.0", ("cpu",)', '"3.0", ("cpu",)')
    import sys

    del sys.modules["linear_backend"]
    discovery.refresh()
    assert "linear-runtime 3.0" in str(AutoModel.describe_runtime())


def test_a_typo_in_a_variable_is_said_when_a_model_is_resolved(linear, monkeypatch):
    monkeypatch.setenv("INFERENCE_DISABLE", "linaer")
    with pytest.warns(PluginWarning, match="'linaer'.*did you mean 'linear'"):
        assert AutoModel.resolve(linear.file()).chosen
    monkeypatch.setenv("INFERENCE_DISABLE", "Inference_Linear")
    assert AutoModel.resolve(linear.package()).chosen is None


def test_alternatives_that_are_recognised_alike_count_as_one_model(linear):
    folder = linear.package(graph={"metadata": {"family": "rows"}}, task=None, processor=None)
    linear.file("package/other.linear", metadata={"family": "rows"})
    path = folder / "model.json"
    manifest = json.loads(path.read_text())
    manifest["artifacts"].append({"format": "linear", "parts": {"model": "other.linear"}})
    path.write_text(json.dumps(manifest))
    package = AutoModel.resolve(folder).package
    assert (package.task, package.labels, package.processor.name) == (
        "rows",
        ("low", "high"),
        "rows",
    )
    manifest["task"] = "object-detection"
    path.write_text(json.dumps(manifest))
    with pytest.raises(InvalidModel, match="states the task object-detection"):
        AutoModel.resolve(folder)


@pytest.mark.parametrize(
    ("task", "processor"),
    [
        ("segment", "yolo-segmentation"),
        ("pose", "yolo-keypoints"),
        ("obb", "yolo-oriented"),
        ("semantics", "ultralytics-semantics"),
    ],
)
def test_a_known_layout_without_its_processor_is_no_plain_graph(linear, task, processor):
    path = linear.file(metadata={"task": task, "names": "{0: 'a'}", "stride": "32"})
    resolution = AutoModel.resolve(path)
    assert resolution.chosen is None
    (reason,) = resolution.candidates[0].verdict.reasons
    assert (reason.code, processor in reason.message) == ("processor", True)


def test_parameters_of_a_plain_graph_are_refused(linear):
    folder = linear.package(processor=None, parameters={"confidence": 0.5})
    with pytest.raises(NoBackendFound, match="states parameters but no processor"):
        AutoModel.from_pretrained(folder)


@pytest.mark.parametrize("inputs", [np.zeros((4, 3, 3), np.uint8), bytearray(3), memoryview(b"a")])
def test_one_input_is_not_taken_for_a_stream_of_its_rows(linear, inputs):
    with (
        AutoModel.from_pretrained(linear.package()) as model,
        pytest.raises(InvalidArgument, match="call the model itself"),
    ):
        model.stream(inputs)


def test_no_backend_found_survives_a_worker_process(linear):
    with pytest.raises(NoBackendFound) as caught:
        AutoModel.from_pretrained(linear.file(), device="cuda")
    copied = pickle.loads(pickle.dumps(caught.value))
    assert str(copied) == str(caught.value)
    assert copied.resolution.candidates


def test_an_option_given_in_the_wrong_place_is_told_where_it_belongs(linear):
    with pytest.raises(InvalidArgument, match=r'options=\{"threads": …\}.*model\(input, threads=…'):
        AutoModel.from_pretrained(linear.file(), threads=1)
    with pytest.raises(InvalidModel, match="name its folder"):
        AutoModel.resolve(linear.package() / "model.json")
