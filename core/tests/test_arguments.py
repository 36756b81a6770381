"""Strict arguments: a typo is an error with a suggestion."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_core import AutoModel, InferenceError, InvalidArgument
from inference_core.arguments import build_options, did_you_mean


@dataclass(frozen=True)
class Options:
    threads: int = 1
    graph_level: str = "all"
    fast: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError("threads must be at least 1")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("thraeds", "threads"), ("Threads", "threads"), ("thread", "threads"),
     ("graph_leval", "graph_level"), ("graph_level_name", "graph_level")],
)  # fmt: skip
def test_a_typo_is_answered_with_what_was_meant(typo, meant):
    assert did_you_mean(typo, ["threads", "graph_level", "fast"]) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize("word", ["", "x", "zebra", "a"])
def test_a_word_that_is_close_to_nothing_gets_no_suggestion(word):
    assert did_you_mean(word, ["threads", "graph_level", "fast"]) == ""


@given(st.text(), st.lists(st.text()))
def test_any_text_can_be_looked_up(name, known):
    did_you_mean(name, known)


def test_no_options_are_the_defaults():
    assert build_options(Options, {}, "the model") == Options()


def test_numbers_and_booleans_may_come_as_text():
    assert build_options(Options, {"threads": "4", "fast": "true"}, "m") == Options(4, fast=True)


@dataclass(frozen=True)
class EveryType:
    """What the reference for authors says that options may be annotated with."""

    scale: float = 1.0
    level: Literal["low", "high"] = "low"
    cores: Literal[1, 2] = 1
    cache: Path | None = None
    names: tuple[str, ...] = ()
    pair: tuple[int, int] = (1, 2)
    sizes: list[int] = field(default_factory=list)
    settings: dict[str, int] = field(default_factory=dict)
    maybe: int | None = None
    either: str | int = ""


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("scale", "0.5", 0.5), ("scale", 2, 2.0), ("level", "high", "high"), ("cores", 2, 2),
        ("cache", "a/b", Path("a/b")), ("cache", None, None), ("names", ["a"], ("a",)),
        ("pair", ["1", 2], (1, 2)), ("sizes", ["1"], [1]), ("settings", {"a": "3"}, {"a": 3}),
        ("maybe", "3", 3), ("maybe", None, None), ("either", 3, 3), ("either", "3", "3"),
    ],
)  # fmt: skip
def test_options_may_be_of_these_types(name, value, taken):
    assert getattr(build_options(EveryType, {name: value}, "m"), name) == taken


@pytest.mark.parametrize(
    ("name", "value"),
    [("level", "mid"), ("cores", "1"), ("names", "a,b"), ("pair", [1]), ("settings", {"a": "b"})],
)
def test_what_a_type_does_not_say_is_refused(name, value):
    with pytest.raises(InvalidArgument, match=name):
        build_options(EveryType, {name: value}, "m")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"thraeds": 2}, "the model has no argument 'thraeds'; did you mean 'threads'"),
        ({"zebra": 2}, "the model has no argument 'zebra'; it takes fast, graph_level, threads"),
        ({"threads": "many"}, "the model: threads='many': "),
        ({"threads": 1.5}, "threads=1.5"),
        ({"threads": None}, "threads=None"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"graph_level": 3, "fast": "perhaps"}, "graph_level=3.*fast='perhaps'"),
    ],
)
def test_a_wrong_option_is_named(values, message):
    with pytest.raises(InvalidArgument, match=message) as caught:
        build_options(Options, values, "the model")
    assert isinstance(caught.value, TypeError)


@dataclass(frozen=True)
class Choosy:
    least: float | dict[str, float] = 0.5
    points: tuple[tuple[float, float], ...] = ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"least": "much"},
            r"least='much': Input should be a valid number, .*, or a valid dictionary$",
        ),
        ({"points": [(1, "x"), ("y", 2)]}, r"points\.0\.1='x': .*; points\.1\.0='y': "),
    ],
)
def test_an_option_of_several_types_says_what_it_may_be(values, message):
    with pytest.raises(InvalidArgument, match=message) as caught:
        build_options(Choosy, values, "the model")
    assert "dict[" not in str(caught.value)


@pytest.mark.parametrize("call", [AutoModel.from_pretrained, AutoModel.resolve])
def test_a_misspelt_argument_is_found_before_anything_else(call):
    with pytest.raises(InvalidArgument, match="no argument 'backend_type'; did you mean 'backend'"):
        call("no such model", backend_type="onnx")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"device": "gpu"},
            "'gpu' isn't known: no installed backend reports a device gpu; did you mean 'cuda'",
        ),
        (
            {"device": "npu:1", "backend": "linear"},
            "the backend linear reports no device npu; known",
        ),
        ({"device": "tpu"}, "no installed backend reports a device tpu; did you mean 'cpu'"),
        (
            {"device": "vulkan"},
            "no installed backend reports a device vulkan; known: cpu, cuda, mps",
        ),
        ({"device": "cud"}, "did you mean 'cuda'"),
        ({"device": "CPU"}, "did you mean 'cpu'"),
        ({"device": "cuda:x"}, "device='cuda:x'"),
        ({"device": 0}, "device=0 must be a str"),
        ({"precision": "half"}, "precision='half' isn't known; did you mean 'fp16'"),
        ({"precision": "fp61"}, "did you mean 'fp16'"),
        ({"precision": ["fp16"]}, "precision="),
        ({"batch_size": 0}, "batch_size=0 must be a whole number of at least 1"),
        ({"batch_size": True}, "batch_size=True"),
        ({"batch_size": "4"}, "batch_size='4'"),
        ({"backend": 5}, "backend=5 must be a str"),
        ({"backend": "linaer"}, "neither installed nor known; did you mean 'linear'"),
        ({"backend": "TensorRT"}, "neither installed nor known; did you mean 'trt'"),
        ({"preference": "linear"}, r'preference is a list of names, such as \["linear"\]'),
        ({"preference": ["linaer"]}, "preference names the backend 'linaer'.*'linear'"),
        ({"preference": 5}, "preference"),
        ({"preference": [["linear"]]}, "preference"),
        ({"options": "threads=2"}, "options='threads=2' must be a mapping"),
        ({"options": {"thraeds": 2}}, "no argument 'thraeds'; did you mean 'threads'"),
        ({"options": {5: 2}}, "options"),
        ({"allow_code": "no"}, "allow_code='no' must be True or False"),
    ],
)
def test_a_wrong_value_is_named(linear, arguments, message):
    path = linear.file()
    for call in (AutoModel.resolve, AutoModel.from_pretrained):
        with pytest.raises(InvalidArgument, match=message):
            call(path, **arguments)


def test_strict_is_true_or_false(linear):
    with pytest.raises(InvalidArgument, match="strict=1 must be True or False"):
        AutoModel.from_pretrained(linear.file(), strict=1)


def test_auto_model_is_no_class_to_instantiate():
    with pytest.raises(InferenceError, match=r"AutoModel.from_pretrained"):
        AutoModel()
