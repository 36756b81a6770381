"""The operator that decodes and suppresses boxes itself, TFLite_Detection_PostProcess, run by LiteRT: a
detector of red and blue squares, an anchor per cell, as TensorFlow's Object Detection API exports one.
"""

from __future__ import annotations

import json

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from inference_core import AutoModel

from .models import Graph, Operator, Tensor, constant, dense, reshape, tflite

HEIGHT, WIDTH, CELL = 32, 64, 8
ROWS, COLUMNS = HEIGHT // CELL, WIDTH // CELL
BOXES = ROWS * COLUMNS
MOST = 10
OPERATOR = "TFLite_Detection_PostProcess"
OPTIONS = {
    "max_detections": MOST,
    "max_classes_per_detection": 1,
    "num_classes": 2,
    "detections_per_class": 100,
    "use_regular_nms": False,
    "nms_score_threshold": 0.3,
    "nms_iou_threshold": 0.5,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def scores() -> np.ndarray:
    """Of pixels of -1 to 1 to (cells x (background, red, blue), pixels): 1 for a cell that is all red,
    or blue."""
    matrix = np.zeros((ROWS, COLUMNS, 3, HEIGHT, WIDTH, 3), np.float32)
    for row in range(ROWS):
        for column in range(COLUMNS):
            area = np.s_[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
            for label, (more, less) in ((1, (0, 2)), (2, (2, 0))):
                matrix[(row, column, label, *area, more)] = 0.5 / CELL**2
                matrix[(row, column, label, *area, less)] = -0.5 / CELL**2
    return matrix.reshape(BOXES * 3, -1)


def anchors() -> np.ndarray:
    """cy, cx, h, w of each cell as fractions of the picture."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    sides = [np.full(y.shape, 1 / ROWS), np.full(y.shape, 1 / COLUMNS)]
    return np.stack([(y + 0.5) / ROWS, (x + 0.5) / COLUMNS, *sides], -1).reshape(BOXES, 4)


def detector(
    quantised: bool = False, turned: bool = False, names: tuple[str, ...] | None = None
) -> bytes:
    """The file. `turned` gives the outputs in the order of TensorFlow 2."""
    stored = {"dtype": "uint8", "scales": [1 / 127.5], "zeros": [128]} if quantised else {}
    boxes, classes, best, count = names or (OPERATOR, *(f"{OPERATOR}:{n}" for n in (1, 2, 3)))
    tensors = [
        Tensor("image", (1, HEIGHT, WIDTH, 3), **stored),
        Tensor("pixels", (1, HEIGHT, WIDTH, 3)),
        Tensor("flat", (1, HEIGHT * WIDTH * 3)),
        constant("w", scores()),
        constant("b", np.zeros(BOXES * 3, np.float32)),
        Tensor("answers", (1, BOXES * 3)),
        Tensor("scored", (1, BOXES, 3)),
        constant("encodings", np.zeros((1, BOXES, 4), np.float32)),
        constant("anchors", anchors().astype(np.float32)),
        Tensor(boxes, (1, MOST, 4)),
        Tensor(classes, (1, MOST)),
        Tensor(best, (1, MOST)),
        Tensor(count, (1,)),
    ]
    outputs = [boxes, classes, best, count]
    operators = [
        *([Operator("DEQUANTIZE", ["image"], ["pixels"])] if quantised else []),
        reshape("pixels" if quantised else "image", "flat", (1, HEIGHT * WIDTH * 3)),
        dense(["flat", "w", "b"], "answers"),
        reshape("answers", "scored", (1, BOXES, 3)),
        Operator("CUSTOM", ["encodings", "scored", "anchors"], outputs, custom=OPERATOR),
    ]
    content = tflite(Graph(tensors, ["image"], outputs[::-1] if turned else outputs, operators))
    return with_options(content)


def with_options(content: bytes) -> bytes:
    """The same with the options of its last operator."""
    options = flexbuffers.Builder()
    with options.Map():
        for key, value in OPTIONS.items():
            options.Key(key)
            options.Add(value)
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.subgraphs[0].operators[-1].customOptions = list(options.Finish())
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def picture() -> np.ndarray:
    """Twice the size of the input, blue first: a blue square and a red one, each a cell large."""
    pixels = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
    pixels[16:32, 32:48] = (255, 0, 0)
    pixels[32:48, 96:112] = (0, 0, 204)
    return pixels


PLACES = {"blue": [32, 16, 48, 32], "red": [96, 32, 112, 48]}
TF2 = tuple(f"StatefulPartitionedCall:{number}" for number in (3, 2, 1, 0))


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize(
    ("turned", "names"), [(False, None), (True, TF2), (True, ("k", "l", "m", "n"))]
)
def test_a_file_with_the_operator_needs_no_manifest(tmp_path, quantised, turned, names):
    path = tmp_path / "squares.tflite"
    path.write_bytes(detector(quantised, turned, names))
    with AutoModel.from_pretrained(path, backend="tflite") as model:
        assert model.task == "object-detection"
        found, nothing = model([picture(), np.zeros((9, 9, 3), np.uint8)])
    assert found.labels == ("1", "0")
    np.testing.assert_allclose(found.xyxy, [PLACES["blue"], PLACES["red"]], atol=1e-4)
    np.testing.assert_allclose(found.confidence, [1, 0.8], atol=0.01)
    assert len(nothing) == 0


def test_labels_of_a_manifest_are_those_of_the_class_ids(tmp_path):
    (tmp_path / "squares.tflite").write_bytes(detector())
    manifest = {
        "schema_version": 1,
        "name": "squares",
        "labels": ["red", "blue"],
        "processor": {"name": "ssd"},
        "artifacts": [{"format": "tflite", "parts": {"model": "squares.tflite"}}],
    }
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    with AutoModel.from_pretrained(tmp_path, backend="tflite") as model:
        found = model(picture())
        (red,) = model(picture(), classes="red")
    assert found.labels == ("blue", "red")
    np.testing.assert_allclose(red.xyxy, PLACES["red"], atol=1e-4)
