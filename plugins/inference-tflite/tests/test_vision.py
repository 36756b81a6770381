"""Processors of inference-vision on .tflite graphs: a detector that finds red and blue squares, float
and quantised, as Ultralytics exports one."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from inference_core import AutoModel

from .models import Graph, Operator, Tensor, constant, dense, reshape, tflite

HEIGHT, WIDTH, CELL = 32, 64, 8
ROWS, COLUMNS = HEIGHT // CELL, WIDTH // CELL
BOXES = ROWS * COLUMNS
METADATA = {
    "description": "Ultralytics made of squares",
    "task": "detect",
    "stride": 32,
    "imgsz": [HEIGHT, WIDTH],
    "names": {0: "red", 1: "blue"},
    "args": {"nms": False},
}


def weights() -> tuple[np.ndarray, np.ndarray]:
    """Of pixels in the order of TensorFlow to (6, cells): each cell's box as fractions of the picture,
    and as scores how much redder or bluer than the other it is."""
    matrix = np.zeros((6, ROWS, COLUMNS, HEIGHT, WIDTH, 3), np.float32)
    bias = np.zeros((6, ROWS, COLUMNS), np.float32)
    for row in range(ROWS):
        for column in range(COLUMNS):
            bias[:4, row, column] = [
                (column + 0.5) / COLUMNS, (row + 0.5) / ROWS, 1 / COLUMNS, 1 / ROWS
            ]  # fmt: skip
            area = np.s_[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
            for score, (more, less) in ((4, (0, 2)), (5, (2, 0))):
                matrix[(score, row, column, *area, more)] = 1 / CELL**2
                matrix[(score, row, column, *area, less)] = -1 / CELL**2
    return matrix.reshape(6 * BOXES, -1), bias.ravel()


def detector(quantised: bool) -> bytes:
    matrix, bias = weights()
    stored = {"dtype": "int8", "scales": [1 / 255], "zeros": [-128]} if quantised else {}
    answered = {"dtype": "int8", "scales": [2 / 255], "zeros": [0]} if quantised else {}
    tensors = [
        Tensor("images", (1, HEIGHT, WIDTH, 3), **stored),
        Tensor("pixels", (1, HEIGHT, WIDTH, 3)),
        Tensor("flat", (1, HEIGHT * WIDTH * 3)),
        constant("w", matrix),
        constant("b", bias),
        Tensor("answers", (1, 6 * BOXES)),
        Tensor("shaped", (1, 6, BOXES)),
        Tensor("Identity", (1, 6, BOXES), **answered),
    ]
    first, last = ("pixels", "shaped") if quantised else ("images", "Identity")
    operators = [
        *([Operator("DEQUANTIZE", ["images"], ["pixels"])] if quantised else []),
        reshape(first, "flat", (1, HEIGHT * WIDTH * 3)),
        dense(["flat", "w", "b"], "answers"),
        reshape("answers", last, (1, 6, BOXES)),
        *([Operator("QUANTIZE", ["shaped"], ["Identity"])] if quantised else []),
    ]
    signatures = {"serving_default": ({"images": "images"}, {"output_0": "Identity"})}
    return tflite(Graph(tensors, ["images"], ["Identity"], operators, signatures))


def packed(name: str) -> bytes:
    text = json.dumps(METADATA) if name.endswith(".json") else str(METADATA)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("name", ["metadata.json", "temp_meta.txt"])
def test_an_ultralytics_export_needs_no_manifest(tmp_path, quantised, name):
    path = tmp_path / "squares.tflite"
    path.write_bytes(detector(quantised) + packed(name))
    # Twice the size of the input: squares of 16 pixels on cells of 8.
    picture = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
    picture[16:32, 32:48] = (255, 0, 0)  # blue first
    picture[32:48, 96:112] = (0, 0, 255)
    with AutoModel.from_pretrained(path, backend="tflite") as model:
        assert (model.task, model.labels) == ("object-detection", ("red", "blue"))
        assert [str(spec) for spec in model.inputs] == ["images: float32(1, 32, 64, 3)"]
        assert model.outputs[0].name == "output_0"
        found, other = model([picture, picture[..., ::-1]])
    places = {"blue": [32, 16, 48, 32], "red": [96, 32, 112, 48]}
    assert sorted(found.labels) == ["blue", "red"]
    near = 2 * 2 * WIDTH / 255 if quantised else 1e-3
    for each, swapped in zip(found, other, strict=True):
        np.testing.assert_allclose(each.xyxy, places[each.label], atol=near)
        assert each.confidence == pytest.approx(1, abs=0.01)
        assert swapped.label != each.label


def test_the_same_graph_without_metadata_says_what_to_write(tmp_path):
    path = tmp_path / "squares.tflite"
    path.write_bytes(detector(False))
    with AutoModel.from_pretrained(path, backend="tflite") as model:
        result = model({"images": np.zeros((1, HEIGHT, WIDTH, 3), np.float32)})
    assert result["output_0"].shape == (1, 6, BOXES)


def test_a_manifest_may_say_that_coordinates_are_relative(tmp_path):
    (tmp_path / "squares.tflite").write_bytes(detector(False))
    settings = {"layout": "boxes-scores", "coordinates": "relative"}
    manifest = {
        "schema_version": 1,
        "name": "squares",
        "task": "object-detection",
        "labels": ["red", "blue"],
        "processor": {"name": "yolo", "settings": settings},
        "artifacts": [{"format": "tflite", "parts": {"model": "squares.tflite"}}],
    }
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[8:16, 16:24, 2] = 255
    with AutoModel.from_pretrained(tmp_path, backend="tflite") as model:
        (found,) = model(picture)
    np.testing.assert_allclose(found.xyxy, [16, 8, 24, 16], atol=1e-3)
    assert found.label == "red"
