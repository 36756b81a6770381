"""The conformance kit of inference-core, run on this backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from inference_core import Classification
from inference_core.testing import BackendConformance, Sample

from .models import mean_colour, picture


class TestConformance(BackendConformance):
    backend = "mediapipe"
    rounds = 10  # MediaPipe starts and ends some ten threads for each

    def make_sample(self, folder: Path) -> Sample:
        """Classes by mean colour."""
        path = folder / "colour.tflite"
        path.write_bytes(mean_colour())
        return Sample(path, inputs=picture((102, 51, 255)), outputs=_blue_first)


def _blue_first(result: Classification) -> None:
    # The array is given without a `color_format`, so it is in the order blue, green, red.
    assert result.labels == ("red", "blue", "green")
    assert result.class_id.tolist() == [0, 2, 1]
    np.testing.assert_allclose(result.confidence, [1, 0.4, 0.2], atol=1e-4)
