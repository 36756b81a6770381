"""Each family of recognisers: logits that are known, whatever the picture, become the right text."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from inference_core import AutoModel, InvalidArgument, InvalidModel
from onnx import TensorProto, helper, numpy_helper

from . import drawn

VOCABULARY = "adeh"
END = len(VOCABULARY)  # the blank of CTC, the end of the text for others
ENDING = [("h", 0.9), ("e", 0.6), ("a", 0.8), ("d", 0.7), (END, 0.99), (END, 0.5)]
CTC = [(END, 0.95), ("h", 0.9), ("h", 0.85), (END, 0.9), ("e", 0.6), ("a", 0.8), ("d", 0.7)]


def save_known(
    path: Path, steps: list[tuple[str | int, float]], classes: int, told: bool = True
) -> None:
    """Logits (batch, steps, classes) that give each step's class its probability.

    Where the classes aren't `told`, they are chosen when the graph runs, and its output doesn't say
    how many they are.
    """
    logits = np.empty((1, len(steps), classes), np.float32)
    for row, (which, probability) in zip(logits[0], steps, strict=True):
        row[:] = math.log((1 - probability) / (classes - 1))
        row[which if isinstance(which, int) else VOCABULARY.index(which)] = math.log(probability)
    constants = [
        numpy_helper.from_array(logits, "logits"),
        numpy_helper.from_array(np.float32(0), "zero"),
        numpy_helper.from_array(np.array([2, 3]), "axes"),
        numpy_helper.from_array(np.array([-1, 1, 1]), "shape"),
    ]
    nodes = [
        helper.make_node("Slice", ["x", "first", "second", "axis"], ["red"]),
        helper.make_node("ReduceMean", ["red", "axes"], ["mean"]),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "shape"], ["batch"]),
        helper.make_node("Add", ["batch", "logits"], ["y" if told else "all"]),
    ]
    if not told:
        nodes += [
            helper.make_node("Slice", ["all", "zeros", "ones", "two"], ["one"]),
            helper.make_node("Squeeze", ["one", "two"], ["row"]),
            helper.make_node("Less", ["row", "much"], ["kept"]),
            helper.make_node("Compress", ["all", "kept"], ["y"], axis=2),
        ]
        for name, value in (("zeros", [0, 0]), ("ones", [1, 1]), ("two", [0, 1])):
            constants.append(numpy_helper.from_array(np.array(value), name))
        constants.append(numpy_helper.from_array(np.float32(1e9), "much"))
    for name, value in (("first", 0), ("second", 1), ("axis", 1)):
        constants.append(numpy_helper.from_array(np.array([value]), name))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 128])
    y = helper.make_tensor_value_info(
        "y", TensorProto.FLOAT, ["n", None, None if not told else classes]
    )
    graph = helper.make_graph(nodes, "known", [x], [y], constants)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def save_model(
    folder: Path, family: str, steps: list, classes: int, told: bool = True, vocabulary=VOCABULARY
) -> None:
    drawn.save_detector(folder / "d.onnx")
    save_known(folder / "r.onnx", steps, classes, told)
    manifest = {
        "schema_version": 1,
        "name": family,
        "parameters": {"vocabulary": vocabulary, "recognition": family},
        "artifacts": [
            {"format": "onnx", "parts": {"detection": "d.onnx", "recognition": "r.onnx"}}
        ],
    }
    (folder / "model.json").write_text(json.dumps(manifest))


def page_of_two() -> np.ndarray:
    page = drawn.blank()
    drawn.write(page, "ab", 100, 100)
    drawn.write(page, "ab", 100, 300)
    return page


@pytest.mark.parametrize(
    ("family", "steps", "more", "confidence"),
    [
        # The least sure of all steps.
        ("crnn", CTC, 1, 0.6),
        ("viptr", CTC, 1, 0.6),
        ("sar", ENDING, 1, 0.5),
        ("master", ENDING, 3, 0.5),
        # The mean of the letters.
        ("parseq", ENDING, 1, 0.75),
        ("vitstr", ENDING, 1, 0.75),
    ],
)
@pytest.mark.parametrize("told", [True, False])
def test_the_output_of_a_family_is_decoded(tmp_path, family, steps, more, confidence, told):
    save_model(tmp_path, family, steps, len(VOCABULARY) + more, told)
    with AutoModel.from_pretrained(tmp_path) as model:
        words = model(page_of_two(), color_format="rgb").words
    assert [word.text for word in words] == ["head", "head"]
    for word in words:
        assert word.confidence == pytest.approx(confidence, abs=1e-5)


FAMILIES = {"crnn": 1, "viptr": 1, "sar": 1, "master": 3, "parseq": 1, "vitstr": 1}


@pytest.mark.parametrize("vocabulary", ["ade", "ad", "adehi", "adehij"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_vocabulary_of_another_length_fails_when_the_model_is_loaded(
    tmp_path, family, vocabulary
):
    save_model(tmp_path, family, ENDING, 4 + FAMILIES[family], vocabulary=vocabulary)
    said = rf"model\.json.* {len(vocabulary)} characters, and r\.onnx .* wants 4 for"
    with pytest.raises(InvalidModel, match=said):
        AutoModel.from_pretrained(tmp_path, backend="doctr")


@pytest.mark.parametrize("family", FAMILIES)
def test_classes_that_are_chosen_when_it_runs_are_counted_then(tmp_path, family):
    classes = 4 + FAMILIES[family]
    save_model(tmp_path, family, ENDING, classes, told=False, vocabulary="adehi")
    with (
        AutoModel.from_pretrained(tmp_path) as model,
        pytest.raises(InvalidArgument, match=r"5 characters, and .*r\.onnx .* wants 4 for"),
    ):
        model(page_of_two(), color_format="rgb")


def test_the_family_is_checked_for_each_call(tmp_path):
    save_model(tmp_path, "parseq", ENDING, 5)
    with AutoModel.from_pretrained(tmp_path) as model:
        assert model(page_of_two(), color_format="rgb", recognition="vitstr").words
        with pytest.raises(InvalidArgument, match='wants 2 for recognition="master"'):
            model(page_of_two(), color_format="rgb", recognition="master")
