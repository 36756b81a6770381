"""MediaPipe, LiteRT and OnnxTR through this library and by hand: `python other_runtimes.py`.

The same file and the same picture in memory; answers must agree, or nothing is reported.
Blocks of calls alternate between the two, and the figures are the medians of a call's wall time and
their ratio. Ends with 1 if a ratio is over its budget.
The face model is in the folder that the variable INFERENCE_TEST_MEDIAPIPE_MODELS names (nox -s
trained_models); the OCR graphs are those that the tests of inference-doctr make, whose own time is
small, so that what is around them shows.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from inference_core import AutoModel

ROOT = Path(__file__).parents[1]
MODELS_VARIABLE = "INFERENCE_TEST_MEDIAPIPE_MODELS"
ONE_THREAD = {"threads": 1}
# Most that a call may take, as a multiple of the same by hand.
BUDGETS = {"mediapipe: a face": 1.15, "tflite: a graph": 1.15, "doctr: a page": 1.1}

Call = Callable[[], Any]


@contextmanager
def mediapipe_face() -> Iterator[tuple[Call, Call]]:
    """Face detection on a portrait; the answers are the boxes."""
    import mediapipe
    import skimage.data
    from inference_mediapipe.loading import without_metrics

    portrait = skimage.data.astronaut()
    vision = mediapipe.tasks.vision
    base = without_metrics(mediapipe)(model_asset_path=_face_model())

    def by_hand() -> Any:
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, portrait)
        boxes = [each.bounding_box for each in detector.detect(image).detections]
        return [
            [b.origin_x, b.origin_y, b.origin_x + b.width, b.origin_y + b.height] for b in boxes
        ]

    with (
        AutoModel.from_pretrained(_face_model(), backend="mediapipe") as model,
        vision.FaceDetector.create_from_options(vision.FaceDetectorOptions(base)) as detector,
    ):
        yield lambda: model(portrait, color_format="rgb").xyxy, by_hand


@contextmanager
def tflite_graph() -> Iterator[tuple[Call, Call]]:
    """The face model's tensors; the answers are its outputs."""
    from ai_edge_litert.interpreter import Interpreter

    picture = np.random.default_rng(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)
    interpreter = Interpreter(_face_model(), num_threads=1)
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    places = [each["index"] for each in interpreter.get_output_details()]

    def by_hand() -> Any:
        interpreter.set_tensor(place, picture)
        interpreter.invoke()
        return [interpreter.get_tensor(each) for each in places]

    with AutoModel.from_pretrained(_face_model(), backend="tflite", options=ONE_THREAD) as model:
        name = model.inputs[0].name
        yield lambda: list(model.predict_tensors({name: picture}).values()), by_hand


@contextmanager
def doctr_page() -> Iterator[tuple[Call, Call]]:
    """OCR of a page with 24 words; the answer is its text."""
    from onnxruntime import SessionOptions
    from onnxtr import models
    from onnxtr.models import EngineConfig

    drawn = _drawn()
    page = drawn.blank()
    for row in range(12):
        drawn.write(page, "bead", 40, 20 + 40 * row)
        drawn.write(page, "cafe", 220, 20 + 40 * row)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        drawn.save_detector(folder / "detection.onnx")
        drawn.save_recogniser(folder / "recognition.onnx")
        _write_manifest(folder, drawn.VOCABULARY)
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        engine = EngineConfig(["CPUExecutionProvider"], options)
        detector = models.db_resnet50(str(folder / "detection.onnx"), engine_cfg=engine)
        size = drawn.DETECTOR_SIZE
        detector.cfg = {**detector.cfg, "input_shape": (3, size, size)}
        recogniser = models.crnn_vgg16_bn(
            str(folder / "recognition.onnx"), vocab=drawn.VOCABULARY, engine_cfg=engine
        )
        predictor = models.ocr_predictor(
            det_arch=detector, reco_arch=recogniser, resolve_blocks=True, resolve_lines=True
        )
        with AutoModel.from_pretrained(folder, backend="doctr", options=ONE_THREAD) as model:
            yield (
                lambda: model(page, color_format="rgb").text.split(),  # noqa: PLW0108 - calls the model
                lambda: predictor([page]).render().split(),
            )


COMPARISONS = {
    "mediapipe: a face": mediapipe_face,
    "tflite: a graph": tflite_graph,
    "doctr: a page": doctr_page,
}


def measure(blocks: int = 40, seconds: float = 0.05) -> dict[str, dict[str, float]]:
    """Median milliseconds of a call by hand and through this library, and their ratio, by comparison.

    Raises:
        SystemExit: the two disagree.
    """
    figures = {}
    for name, comparison in COMPARISONS.items():
        with comparison() as (ours, by_hand):
            _check_same(name, ours(), by_hand())
            calls = max(1, round(seconds / _time(by_hand, 3)))
            pairs = [(_time(ours, calls), _time(by_hand, calls)) for _ in range(blocks)]
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        figures[name] = {
            "ours_ms": round(a * 1e3, 3),
            "by_hand_ms": round(b * 1e3, 3),
            "ratio": round(ratio, 3),
        }
    return figures


def _check_same(name: str, ours: Any, theirs: Any) -> None:
    same = len(ours) == len(theirs) > 0 and (
        ours == theirs
        if isinstance(ours[0], str)
        else all(np.allclose(a, b, atol=1e-4) for a, b in zip(ours, theirs, strict=True))
    )
    if not same:
        raise SystemExit(f"{name}: the two disagree:\n{ours}\n{theirs}")


def _time(call: Call, calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls


def _face_model() -> str:
    folder = os.environ.get(MODELS_VARIABLE)
    if not folder:
        raise SystemExit(f"set {MODELS_VARIABLE} to what nox -s trained_models prints")
    return os.path.join(folder, "face_detection_short_range.tflite")  # noqa: PTH118


def _drawn() -> ModuleType:
    path = ROOT / "plugins" / "inference-doctr" / "tests" / "drawn.py"
    spec = importlib.util.spec_from_file_location("drawn", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write_manifest(folder: Path, vocabulary: str) -> None:
    parts = {role: f"{role}.onnx" for role in ("detection", "recognition")}
    manifest = {
        "schema_version": 1,
        "name": "drawn",
        "task": "ocr",
        "parameters": {"vocabulary": vocabulary, "recognition": "crnn"},
        "artifacts": [{"format": "onnx", "parts": parts}],
    }
    (folder / "model.json").write_text(json.dumps(manifest), "utf-8")


def main() -> int:
    """Measure and print; 1 if a ratio is over its budget."""
    figures = measure()
    over = False
    print("A call through this library and by hand, in ms")
    for name, row in figures.items():
        over |= row["ratio"] > BUDGETS[name]
        print(
            f"  {name:18} ours {row['ours_ms']:8.3f}  by hand {row['by_hand_ms']:8.3f}  "
            f"ratio {row['ratio']:.3f}  (budget {BUDGETS[name]})"
        )
    if over:
        print("over budget", file=sys.stderr)
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
