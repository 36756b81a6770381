"""Each family of recognisers: logits that are known, whatever the picture, become the right text."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from inference_core import AutoModel
from onnx import TensorProto, helper, numpy_helper

from . import drawn

VOCABULARY = "adeh"
END = len(VOCABULARY)  # the blank of CTC, the end of the text for others
ENDING = [("h", 0.9), ("e", 0.6), ("a", 0.8), ("d", 0.7), (END, 0.99), (END, 0.5)]
CTC = [(END, 0.95), ("h", 0.9), ("h", 0.85), (END, 0.9), ("e", 0.6), ("a", 0.8), ("d", 0.7)]


def save_known(path: Path, steps: list[tuple[str | int, float]], classes: int) -> None:
    """Logits (batch, steps, classes) that give each step's class its probability."""
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
        helper.make_node("Add", ["batch", "logits"], ["y"]),
    ]
    for name, value in (("first", 0), ("second", 1), ("axis", 1)):
        constants.append(numpy_helper.from_array(np.array([value]), name))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 128])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", len(steps), classes])
    graph = helper.make_graph(nodes, "known", [x], [y], constants)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


@pytest.mark.parametrize(
    ("family", "steps", "more", "confidence"),
    [
        # The least sure of all steps.
        ("crnn", CTC, 1, 0.6),
        ("viptr", CTC, 1, 0.6),
        ("sar", ENDING, 1, 0.5),
        ("master", ENDING, 1, 0.5),
        ("master", ENDING, 3, 0.5),
        # The mean of the letters.
        ("parseq", ENDING, 1, 0.75),
        ("parseq", ENDING, 3, 0.75),
        ("vitstr", ENDING, 1, 0.75),
        ("vitstr", ENDING, 2, 0.75),
    ],
)
def test_the_output_of_a_family_is_decoded(tmp_path, family, steps, more, confidence):
    drawn.save_detector(tmp_path / "d.onnx")
    save_known(tmp_path / "r.onnx", steps, len(VOCABULARY) + more)
    manifest = {
        "schema_version": 1,
        "name": family,
        "parameters": {"vocabulary": VOCABULARY, "recognition": family},
        "artifacts": [
            {"format": "onnx", "parts": {"detection": "d.onnx", "recognition": "r.onnx"}}
        ],
    }
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    page = drawn.blank()
    drawn.write(page, "ab", 100, 100)
    drawn.write(page, "ab", 100, 300)
    with AutoModel.from_pretrained(tmp_path) as model:
        words = model(page, color_format="rgb").words
    assert [word.text for word in words] == ["head", "head"]
    for word in words:
        assert word.confidence == pytest.approx(confidence, abs=1e-5)
