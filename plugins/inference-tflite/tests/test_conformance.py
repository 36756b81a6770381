"""The conformance kit of inference-core, run on this backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from inference_core.testing import BackendConformance, Sample

from .conftest import layer


class TestConformance(BackendConformance):
    backend = "tflite"

    def make_sample(self, folder: Path) -> Sample:
        """y = x @ weights + bias."""
        weights = np.arange(-3, 3, dtype=np.float32).reshape(3, 2)
        bias = np.array([0.5, -1], np.float32)
        path = folder / "layer.tflite"
        path.write_bytes(layer(weights, bias))
        x = np.array([[1, 2, 3], [-1, 0.5, 0], [4, -4, 1], [0, 0, 0]], np.float32)
        return Sample(path, {"x": x}, {"y": x @ weights + bias})
