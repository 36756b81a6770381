"""The conformance kit of inference-core, run on this backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from inference_core.testing import BackendConformance, Sample

from .conftest import expected, write_mlp


class TestConformance(BackendConformance):
    backend = "example"

    def make_sample(self, folder: Path) -> Sample:
        """Two layers with relu between them."""
        x = np.array([[1, 2], [-3, 0.5], [0, 0]], np.float32)
        path = write_mlp(folder / "mlp.safetensors")
        return Sample(path, inputs={"x": x}, outputs={"y": expected(x)})
