"""A loaded model end to end, on a small real backend: batches, processors, parts, closing, threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from inference_core import (
    AutoModel,
    InvalidArgument,
    InvalidInput,
    InvalidModel,
    ModelClosed,
    PluginError,
)


def feeds(*rows):
    return {"x": np.array(rows, np.float32)}


def test_a_bare_file_runs_as_a_plain_graph(linear):
    with AutoModel.from_pretrained(linear.file()) as model:
        assert model.backend == "linear"
        assert model.device == "cpu"
        assert model.task is None
        assert [str(spec) for spec in model.inputs] == ["x: float32(?, 2)"]
        np.testing.assert_array_equal(model(feeds([1, 1]))["y"], [[13, 27]])
        np.testing.assert_array_equal(model.predict_tensors(feeds([1, 1]))["y"], [[13, 27]])


def test_a_list_of_mappings_gives_a_list(linear):
    with AutoModel.from_pretrained(linear.file()) as model:
        results = model([feeds([0, 0]), feeds([1, 1])])
        assert [result["y"].tolist() for result in results] == [[[10, 20]], [[13, 27]]]
        assert model([]) == []


def test_a_plain_graph_explains_what_it_takes(linear):
    with AutoModel.from_pretrained(linear.file()) as model:
        with pytest.raises(InvalidInput, match=r"x: float32\(\?, 2\)"):
            model("photo.jpg")
        with pytest.raises(InvalidArgument, match="confidence"):
            model(feeds([1, 1]), confidence=0.5)
        with pytest.raises(InvalidArgument, match="part='encoder'"):
            model.predict_tensors(feeds([1, 1]), part="encoder")
        with pytest.raises(InvalidArgument, match="no reusable encoding"):
            model.encode([1, 1])


def test_a_processor_makes_one_result_per_input(linear):
    with AutoModel.from_pretrained(linear.package()) as model:
        assert model.task == "rows"
        assert model((1, 1)) == [13.0, 27.0]
        assert model.predict([(1, 1), (0, 0)]) == [[13.0, 27.0], [10.0, 20.0]]
        assert model([]) == []


def test_a_processor_recognises_a_bare_file(linear):
    with AutoModel.from_pretrained(linear.file(metadata={"family": "rows"})) as model:
        assert (model.task, model.labels) == ("rows", ("low", "high"))
        assert model((1, 1)) == [13.0, 27.0]


def test_parameters_of_the_manifest_are_defaults_of_the_call(linear):
    with AutoModel.from_pretrained(linear.package(parameters={"scale": 2})) as model:
        assert model((0, 0)) == [20.0, 40.0]
        assert model((0, 0), scale=0.5) == [5.0, 10.0]


def test_a_wrong_parameter_in_the_manifest_is_found_while_loading(linear):
    with pytest.raises(InvalidModel, match=r"package.model\.json: .* did you mean 'scale'"):
        AutoModel.from_pretrained(linear.package(parameters={"scael": 2}))
    assert linear.sessions[-1].closed == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scael": 2}, "no argument 'scael'; did you mean 'scale'"),
        ({"scale": "much"}, "scale='much'"),
        ({"scale": -1}, "must not be negative"),
    ],
)
def test_a_wrong_option_of_a_call_is_named(linear, options, message):
    with AutoModel.from_pretrained(linear.package()) as model:
        with pytest.raises(InvalidArgument, match=message):
            model((1, 1), **options)
        with pytest.raises(InvalidArgument, match=message):
            model.stream([(1, 1)], **options)


def test_a_long_list_is_split_and_the_rest_of_a_static_batch_padded_and_trimmed(linear):
    with AutoModel.from_pretrained(linear.package(graph={"batch": 4})) as model:
        rows = [(i, 2 * i) for i in range(10)]
        assert model(rows) == [[10.0 + 5 * i, 20.0 + 11 * i] for i in range(10)]
        assert linear.sessions[-1].batches == [4, 4, 4]


def test_what_a_graph_found_is_not_trimmed_though_it_be_as_many_as_the_batch(linear):
    with AutoModel.from_pretrained(linear.package(graph={"batch": 4, "above": 20})) as model:
        stages = model.stages()
        outputs, *_ = stages["run"](stages["preprocess"]([(1, 1), (0, 0)]))
        assert outputs["y"].tolist() == [[13, 27], [10, 20]]
        assert outputs["above"].tolist() == [27]
        outputs, *_ = stages["run"](stages["preprocess"]([(1, 1), (1, 1)]))
        assert outputs["above"].tolist() == [27] * 4


def test_the_processor_says_the_task_that_the_manifest_leaves_out(linear):
    for name, task in [("rows", "rows of numbers"), ("two-step", None)]:
        package = linear.package(name, task=None, processor={"name": name})
        resolution = AutoModel.resolve(package)
        assert resolution.package.task == task
        assert "plain graph" not in resolution.headline()
    with AutoModel.from_pretrained(linear.package(task=None)) as model:
        assert model.task == "rows of numbers"
    with AutoModel.from_pretrained(linear.package()) as model:
        assert model.task == "rows"  # what is stated


def test_batch_size_says_how_many_run_at_once(linear):
    with AutoModel.from_pretrained(linear.package(), batch_size=3) as model:
        model([(0, 0)] * 7)
        assert linear.sessions[-1].batches == [3, 3, 1]


def test_a_smallest_batch_is_filled_up(linear):
    package = linear.package(artifact={"batch": [3, None]})
    with AutoModel.from_pretrained(package) as model:
        assert model((1, 1)) == [13.0, 27.0]
        assert linear.sessions[-1].batches == [3]


def test_a_plain_graph_with_a_static_batch_takes_exactly_that(linear):
    with AutoModel.from_pretrained(linear.file(batch=2)) as model:
        assert model.predict_tensors(feeds([1, 1], [0, 0]))["y"].shape == (2, 2)
        with pytest.raises(
            InvalidInput, match=r"shape \(1, 2\), the graph takes x: float32\(2, 2\)"
        ):
            model.predict_tensors(feeds([1, 1]))


def test_a_damaged_weight_is_caught_by_its_digest(linear):
    artifact = {"sha256": {"model.linear": "0" * 64}}
    package = linear.package(artifact=artifact)
    AutoModel.resolve(package)  # digests are a matter of loading
    with pytest.raises(InvalidModel, match=r"model\.linear isn't the file its manifest describes"):
        AutoModel.from_pretrained(package)


def test_a_digest_may_be_of_a_file_that_is_no_part(linear):
    package = linear.package(artifact={"sha256": {"weights.bin": "0" * 64}})
    with pytest.raises(InvalidModel, match=r"'weights\.bin' can't be found"):
        AutoModel.resolve(package)
    (package / "weights.bin").write_bytes(b"weights")
    with pytest.raises(InvalidModel, match=r"weights\.bin isn't the file its manifest describes"):
        AutoModel.from_pretrained(package)


@pytest.fixture
def two_part(linear):
    """A package with an encoder (x @ I + 1) and a decoder (the usual weights)."""
    linear.file("two/encoder.linear", weight=[[1, 0], [0, 1]], bias=[1, 1])
    parts = {"encoder": "encoder.linear", "decoder": "model.linear"}
    return linear.package("two", processor={"name": "two-step"}, artifact={"parts": parts})


def test_a_model_of_two_parts_loads_each_and_closes_each(two_part, linear):
    with AutoModel.from_pretrained(two_part) as model:
        assert model([(0, 0), (1, 1)]) == [[13.0, 27.0], [16.0, 34.0]]
        assert model.predict_tensors(feeds([0, 0]), part="encoder")["y"].tolist() == [[1, 1]]
        with pytest.raises(InvalidArgument, match="part='encoder' or part='decoder'"):
            model.predict_tensors(feeds([0, 0]))
    encoder, decoder = linear.sessions[-2:]
    assert (encoder.closed, decoder.closed) == (1, 1)


def test_an_encoding_takes_the_place_of_the_input(two_part, linear):
    with AutoModel.from_pretrained(two_part) as model:
        handle = model.encode((0, 0))
        encoder = linear.sessions[-2]
        assert model(handle) == model(handle, scale=1) == [13.0, 27.0]
        assert encoder.batches == [1]
        assert [result for _, result in model.stream([(0, 0)])] == [[13.0, 27.0]]


def test_a_closed_model_does_not_answer_from_what_its_processor_kept(two_part):
    with AutoModel.from_pretrained(two_part) as model:
        handle = model.encode((0, 0))
        assert model(handle, decoded=True) == [1.0, 1.0]
    with pytest.raises(ModelClosed, match="was closed"):
        model(handle, decoded=True)
    with pytest.raises(ModelClosed):
        list(model.stream([handle], decoded=True))
    with pytest.raises(ModelClosed):
        model.encode("no row")


def test_a_part_that_fails_to_load_closes_the_others(two_part, linear, monkeypatch):
    AutoModel.resolve(two_part)
    import linear_session

    real, made = linear_session.LinearSession, []

    def second_fails(path):
        if made:
            raise KeyError("weight")
        made.append(real(path))
        return made[0]

    monkeypatch.setattr(linear_session, "LinearSession", second_fails)
    with pytest.raises(PluginError, match="KeyError"):
        AutoModel.from_pretrained(two_part)
    assert made[0].closed == 1


@pytest.mark.parametrize("mistake", ["refuse", "crash"])
def test_a_processor_that_refuses_or_crashes_closes_the_session(linear, mistake):
    package = linear.package(processor={"name": "rows", "settings": {mistake: True}})
    with pytest.raises((InvalidModel, PluginError), match=r"refuse|rows.*ZeroDivisionError"):
        AutoModel.from_pretrained(package)
    assert linear.sessions[-1].closed == 1


@pytest.mark.parametrize("step", ["preprocess", "postprocess"])
def test_a_mistake_of_a_processor_arrives_as_a_plugin_error(linear, step):
    with AutoModel.from_pretrained(linear.package()) as model:
        with pytest.raises(PluginError, match=f"rows.*{step}.*ZeroDivisionError") as caught:
            model((1, 1), broken=step)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        with pytest.raises(PluginError, match=step):
            list(model.stream([(1, 1)], broken=step))


def test_a_mistake_of_a_two_part_processor_arrives_as_a_plugin_error(two_part):
    with (
        AutoModel.from_pretrained(two_part) as model,
        pytest.raises(PluginError, match=r"two-step.*run.*ZeroDivisionError"),
    ):
        model((1, 1), broken="run")


def test_an_exception_of_the_backend_names_it_and_keeps_its_cause(linear):
    with AutoModel.from_pretrained(linear.file()) as model:
        with pytest.raises(
            PluginError, match=r"predict.*inference-linear 2.5.*Arithmetic"
        ) as caught:
            model(feeds([float("nan"), 1]))
        assert isinstance(caught.value.__cause__, ArithmeticError)
        assert model(feeds([0, 0]))["y"].tolist() == [[10, 20]]


def test_a_closed_model_answers_no_more_and_closing_twice_is_fine(linear):
    model = AutoModel.from_pretrained(linear.package())
    model.close()
    model.close()
    assert linear.sessions[-1].closed == 1
    with pytest.raises(ModelClosed, match="closed"):
        model((1, 1))
    with pytest.raises(ModelClosed):
        model.predict_tensors(feeds([1, 1]))
    with pytest.raises(ModelClosed):
        list(model.stream([(1, 1)]))


@pytest.mark.parametrize("thread_safe", [True, False])
def test_sixteen_threads_get_what_one_gets(linear, thread_safe):
    with AutoModel.from_pretrained(linear.package(graph={"thread_safe": thread_safe})) as model:
        rows = [(i % 7, i % 5) for i in range(200)]
        serial = [model(row) for row in rows]
        answers: dict[int, list[list[float]]] = {}

        def work(number: int) -> None:
            answers[number] = [model(row) for row in rows]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answers[number] for number in range(16)] == [serial] * 16
        session = linear.sessions[-1]
        assert session.closed == 0
        if not thread_safe:
            assert session.most == 1


def test_an_unsafe_session_is_never_entered_twice(linear):
    package = linear.package(graph={"thread_safe": False, "delay": 0.002})
    with AutoModel.from_pretrained(package) as model:
        threads = [threading.Thread(target=model, args=((1, 1),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(linear.sessions[-1].batches) == 8
        assert linear.sessions[-1].most == 1


def test_close_waits_for_the_calls_in_flight(linear):
    model = AutoModel.from_pretrained(linear.package(graph={"delay": 0.2}))
    session = linear.sessions[-1]
    results = []
    thread = threading.Thread(target=lambda: results.append(model((1, 1))))
    thread.start()
    while not session.inside:
        pass
    model.close()
    assert session.inside == 0
    assert session.closed == 1
    thread.join()
    assert results == [[13.0, 27.0]]


def test_the_repr_says_what_runs_where(linear):
    with AutoModel.from_pretrained(linear.package("mine")) as model:
        assert repr(model) == "<Model mine: rows, model.linear on linear (cpu)>"
