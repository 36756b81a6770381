"""Imports MediaPipe and runs a tiny model; only in a deep probe, which has a process of its own."""

from __future__ import annotations

import ctypes
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from inference_core.errors import InferenceError
from inference_core.verdict import Reason

from inference_mediapipe.install_state import LIBRARIES, library_reason


def run_tiny_model() -> Iterator[Reason]:
    """What is wrong with MediaPipe here; nothing if it loads and answers right."""
    missing = [name for name in LIBRARIES if not _loads(name)] if sys.platform == "linux" else []
    if missing:
        yield from map(library_reason, missing)
        return
    try:
        answer = _answer()
    except InferenceError as error:
        yield Reason("broken-install", f"MediaPipe can't run: {error}")
        return
    if answer != ("green", 1.0):
        yield Reason("broken-install", f"MediaPipe takes a green picture for {answer}")


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _answer() -> tuple[str, float]:
    """What the tiny model makes of a green picture."""
    import numpy as np
    from inference_core.machine import current
    from inference_core.package import Artifact, Request
    from inference_vision.image import Image

    from inference_mediapipe.loading import load_session
    from inference_mediapipe.tiny_model import MODEL

    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 255
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tiny.tflite")
        path.write_bytes(MODEL)
        session = load_session(Artifact("tflite", {"model": path}), current(), Request())
        try:
            options = asdict(session.call_options(top_k=1))
            best = session.run(Image(green, "rgb", "<probe>"), options).top
        finally:
            session.close()
    return best.label, round(best.confidence, 3)
