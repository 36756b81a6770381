"""Task backends: a call takes the task's input, a stream holds the session until its end."""

from __future__ import annotations

import sys
import threading
import types

import pytest
from inference_core import (
    AutoModel,
    InferenceError,
    InvalidArgument,
    ModelClosed,
    PluginError,
    optional,
)


@pytest.fixture(params=["story.txt", "unsafe.txt"])
def model(telling, request):
    loaded = AutoModel.from_pretrained(telling(request.param))
    yield loaded
    loaded.close()


@pytest.fixture
def unsafe(telling):
    loaded = AutoModel.from_pretrained(telling("unsafe.txt"))
    yield loaded
    loaded.close()


def session(model):
    return model._single.session


def test_a_call_passes_the_input_and_its_options(model):
    assert model("once upon") == "ONCE UPON"
    assert model(["a", "b"]) == ["A", "B"]
    assert model.task == "telling"


def test_an_exception_of_a_call_becomes_a_plugin_error(model):
    with pytest.raises(PluginError, match="LookupError: no such story"):
        model("raise")
    assert model("still") == "STILL"


def test_a_stream_gives_piece_by_piece(model):
    assert list(model("a b c", stream=True)) == ["a", "b", "c"]
    assert session(model).log == ["stream ended"]
    assert model("after") == "AFTER"


def test_closing_a_stream_ends_it_and_frees_the_session(model):
    stream = model("a b c", stream=True)
    assert next(stream) == "a"
    stream.close()
    stream.close()
    assert session(model).log == ["stream ended"]
    assert list(stream) == []
    assert model("after") == "AFTER"


def test_a_stream_is_a_context_manager(model):
    with model("a b c", stream=True) as stream:
        assert next(stream) == "a"
    assert session(model).log == ["stream ended"]


def test_leaving_the_loop_over_a_stream_frees_the_session(unsafe):
    for word in unsafe("a b c", stream=True):
        assert word == "a"
        break
    assert unsafe("after") == "AFTER"


def test_an_error_in_a_stream_becomes_a_plugin_error_and_frees_the_session(model):
    stream = model("a raise b", stream=True)
    assert next(stream) == "a"
    with pytest.raises(PluginError, match=r"streaming from story.*LookupError"):
        next(stream)
    assert list(stream) == []
    assert model("after") == "AFTER"


def test_a_stream_that_is_no_stream_is_refused_and_frees_the_session(model):
    with pytest.raises(PluginError, match=r"returned list for stream=True"):
        model("no stream", stream=True)
    assert model("after") == "AFTER"


def test_an_open_stream_keeps_other_threads_waiting(unsafe):
    stream = unsafe("a b", stream=True)
    next(stream)
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(unsafe("other")))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    stream.close()
    thread.join(10)
    assert answers == ["OTHER"]


def test_a_call_beside_an_own_open_stream_is_an_error_not_a_deadlock(unsafe):
    stream = unsafe("a b", stream=True)
    with pytest.raises(InferenceError, match="still open in this thread"):
        unsafe("other")
    assert list(stream) == ["a", "b"]


def test_closing_the_model_ends_its_open_streams(model):
    stream = model("a b c", stream=True)
    next(stream)
    closing = threading.Thread(target=model.close, daemon=True)
    closing.start()
    closing.join(10)
    assert not closing.is_alive(), "close() waits for a stream that nobody reads"
    assert session(model).log == ["stream ended", "closed"]
    assert list(stream) == []
    with pytest.raises(ModelClosed):
        model("after")


@pytest.fixture
def declared(telling):
    with AutoModel.from_pretrained(telling("declared.txt")) as loaded:
        yield loaded


def test_declared_call_options_reach_the_backend_typed_and_complete(declared):
    assert declared("options") == {"shout": False, "times": 1, "stream": False}
    assert declared("options", times="3") == {"shout": False, "times": 3, "stream": False}
    assert list(declared("a b", stream=True)) == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"tines": 2}, "no argument 'tines'; did you mean 'times'"),
     ({"times": "many"}, "times='many'")],
)  # fmt: skip
def test_a_wrong_call_option_is_named(declared, options, message):
    with pytest.raises(InvalidArgument, match=message):
        declared("once", **options)
    with pytest.raises(InvalidArgument, match=message):
        declared.stream(["once"], **options)


def test_undeclared_call_options_are_passed_on_as_they_are(model):
    assert model("options", anything=1) == {"anything": 1}


def test_a_task_that_takes_pictures_gets_them_read(telling, monkeypatch):
    reading = types.ModuleType("inference_vision.image")
    reading.read_image = lambda value, order: f"{value} in {order}"
    monkeypatch.setitem(sys.modules, "inference_vision", types.ModuleType("inference_vision"))
    monkeypatch.setitem(sys.modules, "inference_vision.image", reading)
    with AutoModel.from_pretrained(telling("declared-picture.txt")) as model:
        assert model("a.jpg") == "A.JPG IN BGR"
        assert model(["a", "b"], color_format="rgb") == ["A IN RGB", "B IN RGB"]
        assert [result for _, result in model.stream(["a"], color_format="rgb")] == ["A IN RGB"]


def test_reading_pictures_without_the_vision_plugin_names_what_to_install(telling, monkeypatch):
    def missing(module):
        raise ModuleNotFoundError(name="inference_vision")

    model = AutoModel.from_pretrained(telling("picture.txt"))
    monkeypatch.setattr(optional.importlib, "import_module", missing)
    with (
        model,
        pytest.raises(InferenceError, match="reading pictures needs inference-vision; install it"),
    ):
        model("a.jpg")
