"""Fixtures: machines, models made here, MediaPipe's trained models, the portrait, a drawn hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import mediapipe
import numpy as np
import pytest
import skimage.data
from inference_core import AutoModel
from inference_core.environment import Cpu, Environment, Gpu
from inference_mediapipe.loading import without_metrics

from .tflite_writer import bundled, with_metadata, with_ten_more_points

MODELS = "INFERENCE_TEST_MEDIAPIPE_MODELS"
"""The variable that names the folder of MediaPipe's models; `nox -s trained_models` fetches it."""

# Where the fingertips of the drawn hand are: thumb, index, middle, ring, little finger.
FINGERTIPS = [(120, 255), (165, 140), (215, 105), (265, 110), (315, 145)]


@pytest.fixture
def machine():
    """A machine without a GPU."""
    return Environment("linux", "6", "x86_64", "3.11", Cpu("cpu", 1, 1, ()), 2**33)


@pytest.fixture
def gpu_machine():
    """A machine that claims a GPU."""
    gpu, cpu = Gpu(0, "NVIDIA L4", 24 * 2**30, "8.9"), Cpu("cpu", 1, 1, ())
    return Environment("linux", "6", "x86_64", "3.11", cpu, 2**33, "580.1", "13.0", (gpu,))


@pytest.fixture
def saved(tmp_path):
    """Write a model, with a manifest beside it if a task is given; what a user would name."""

    def write(content: bytes, task: str | None = None, name: str = "model.tflite") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        if task is None:
            return path
        fmt = "mediapipe-task" if path.suffix == ".task" else "tflite"
        artifact = {"format": fmt, "parts": {"model": name}}
        manifest = {"schema_version": 1, "name": "made", "task": task, "artifacts": [artifact]}
        (tmp_path / "model.json").write_text(json.dumps(manifest))
        return tmp_path

    return write


@pytest.fixture
def opened():
    """Load a model on this backend; all are closed at the end."""
    models = []

    def load(path: Path, **options):
        models.append(AutoModel.from_pretrained(path, backend="mediapipe", options=options))
        return models[-1]

    yield load
    for model in models:
        model.close()


@pytest.fixture(scope="session")
def trained():
    """Read one of MediaPipe's trained models, given by its name."""
    if not os.environ.get(MODELS):
        pytest.skip(
            f"{MODELS} isn't set: run nox -s trained_models, and set it to what that prints"
        )
    folder = Path(os.environ[MODELS])

    def read(name: str) -> bytes:
        found = list(folder.glob(f"**/{name}"))
        assert found, f"{MODELS} is {folder}, which holds no {name}"
        return found[0].read_bytes()

    return read


@pytest.fixture(scope="session")
def bundles(trained, tmp_path_factory):
    """Bundles of trained models by task. The wheel has none, and what its files lack, as the range
    of the pixels, is added to them."""
    folder = tmp_path_factory.mktemp("bundles")
    face = trained("face_detection_short_range.tflite")
    pose = trained("pose_landmark_full.tflite")
    members = {
        "face-landmarks": {
            "face_detector.tflite": face,
            "face_landmarks_detector.tflite": with_ten_more_points(trained("face_landmark.tflite")),
        },
        "hand-landmarks": {
            "hand_detector.tflite": trained("palm_detection_full.tflite"),
            "hand_landmarks_detector.tflite": trained("hand_landmark_full.tflite"),
        },
        "pose-landmarks": {
            "pose_detector.tflite": with_metadata(trained("pose_detection.tflite"), (127.5, 127.5)),
            "pose_landmarks_detector.tflite": with_metadata(pose, (0.0, 255.0)),
        },
    }
    paths = {}
    for task, files in members.items():
        paths[task] = folder / f"{task}.task"
        paths[task].write_bytes(bundled(files))
    return paths


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """The astronaut Eileen Collins, red first, 512 x 512; by NASA, in the public domain."""
    return skimage.data.astronaut()


@pytest.fixture(scope="session")
def drawn_hand() -> np.ndarray:
    """The palm of a left hand, fingers up, as one can draw it; red first, 480 x 480."""
    skin, nail, fold = (215, 160, 120), (240, 200, 170), (190, 130, 90)
    canvas = np.full((480, 480, 3), (170, 190, 200), np.uint8)
    cv2.ellipse(canvas, (240, 300), (62, 75), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.line(canvas, (240, 340), (240, 480), skin, 85, cv2.LINE_AA)
    bases = [(195, 330), (190, 250), (222, 235), (256, 235), (288, 250)]
    for base, tip, width in zip(bases, FINGERTIPS, (34, 30, 32, 31, 27), strict=True):
        cv2.line(canvas, base, tip, skin, width, cv2.LINE_AA)
        if base == bases[0]:
            continue
        nail_size = (width // 4, width // 3)
        cv2.ellipse(canvas, (tip[0], tip[1] + 2), nail_size, 0, 0, 360, nail, -1, cv2.LINE_AA)
        for share in (0.35, 0.68):
            x, y = (int(b + (t - b) * share) for b, t in zip(base, tip, strict=True))
            cv2.line(canvas, (x - width // 3, y), (x + width // 3, y), fold, 2, cv2.LINE_AA)
    return cv2.GaussianBlur(canvas, (5, 5), 0)


@pytest.fixture
def by_hand():
    """Call MediaPipe itself: the task's class, its file, and options by MediaPipe's own names."""
    vision, text = mediapipe.tasks.vision, mediapipe.tasks.text

    def call(api: str, path: Path, value, **options):
        domain = text if api.startswith("Text") else vision
        base = without_metrics(mediapipe)(model_asset_path=str(path))
        settings = getattr(domain, f"{api}Options")(base_options=base, **options)
        if isinstance(value, np.ndarray):
            value = mediapipe.Image(mediapipe.ImageFormat.SRGB, value)
        with getattr(domain, api).create_from_options(settings) as task:
            method = next(
                name for name in ("detect", "classify", "embed", "segment", "recognize")
                if hasattr(task, name)
            )  # fmt: skip
            return getattr(task, method)(value)

    return call
