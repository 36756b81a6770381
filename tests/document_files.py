"""The files that the documents' samples name, by name: each is made only where a document names it.

What a sample needs of a plugin or of a trained model that isn't here skips the document's test, with
what would bring it; the session `tests` has all of them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import inference_vision
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

ROOT = Path(__file__).parents[1]
# Read when this is imported: tests see no variable of the user's.
TRAINED_VARIABLE = "INFERENCE_TEST_MEDIAPIPE_MODELS"
TRAINED = os.environ.get(TRAINED_VARIABLE)


def write(folder: Path, text: str) -> None:
    """Make the files that a document's text names."""
    for name, make in _MADE.items():
        if name in text:
            make(folder / name)


def _photo(path: Path) -> None:
    shutil.copy(
        next(each for each in inference_vision.sample_paths() if each.suffix == ".jpg"), path
    )


def _photos(path: Path) -> None:
    path.mkdir()
    for picture in inference_vision.sample_paths():
        shutil.copy(picture, path)


def _clip(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    picture = cv2.imread(str(inference_vision.sample_paths()[0]))
    with inference_vision.VideoWriter(path, fps=10) as clip:
        for _ in range(3):
            clip.write(picture)


def _clips(path: Path) -> None:
    for number in range(2):
        _clip(path / f"{number}.mp4")


def _onnx(path: Path) -> None:
    """y = x, float32 (batch, 3)."""
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("x", "y")
    )
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def _torch(path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Halve(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, images):
            return images / 2

    example = (torch.zeros(1, 3, 640, 640),)
    torch.export.save(torch.export.export(Halve(), example), path)


def _tflite(path: Path) -> None:
    path.write_bytes(pytest.importorskip("inference_tflite.deep_probe").tiny_model())


def _face_detector(path: Path) -> None:
    pytest.importorskip("inference_mediapipe")
    if TRAINED is None:
        pytest.skip(f"no {path.name}: run nox -s trained_models, set {TRAINED_VARIABLE} as it says")
    shutil.copy(Path(TRAINED, path.name), path)


def _portrait(path: Path) -> None:
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.astronaut()).save(path)


def _drawn() -> ModuleType:
    """The graphs that read words drawn in colours, from the tests of inference-doctr."""
    path = ROOT / "plugins" / "inference-doctr" / "tests" / "drawn.py"
    spec = importlib.util.spec_from_file_location("doctr_drawn", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _ocr(path: Path) -> None:
    pytest.importorskip("inference_doctr")
    path.mkdir()
    drawn = _drawn()
    drawn.save_detector(path / "detection.onnx")
    drawn.save_recogniser(path / "recognition.onnx")
    parts = {each: f"{each}.onnx" for each in ("detection", "recognition")}
    manifest = {
        "schema_version": 1,
        "name": path.name,
        "task": "ocr",
        "parameters": {"vocabulary": drawn.VOCABULARY, "recognition": "crnn"},
        "artifacts": [{"format": "onnx", "parts": parts}],
    }
    (path / "model.json").write_text(json.dumps(manifest), "utf-8")


def _page() -> np.ndarray:
    drawn = _drawn()
    page: np.ndarray = drawn.blank()
    drawn.write(page, "bead", 60, 80)
    drawn.write(page, "cafe", 220, 80)
    return page


def _letter(path: Path) -> None:
    pages = [Image.fromarray(_page()) for _ in range(2)]
    pages[0].save(path, save_all=True, append_images=pages[1:], resolution=144)


def _scan(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(_drawn().turned(_page(), 5)).save(path)


def _scans(path: Path) -> None:
    for number in range(2):
        _scan(path / f"{number}.png")


_MADE: dict[str, Callable[[Path], None]] = {
    "photo.jpg": _photo,
    "photos": _photos,
    "clip.mp4": _clip,
    "clips": _clips,
    "model.onnx": _onnx,
    "model.pt2": _torch,
    "model.tflite": _tflite,
    "face_detection_short_range.tflite": _face_detector,
    "portrait.png": _portrait,
    "my-ocr": _ocr,
    "letter.pdf": _letter,
    "scan.png": _scan,
    "scans": _scans,
}
