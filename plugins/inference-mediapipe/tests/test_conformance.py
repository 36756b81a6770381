"""The conformance kit of inference-core, run on this backend."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from inference_core import Classification, Detections
from inference_core.testing import BackendConformance, Sample

from .conftest import MODELS
from .models import mean_colour, picture
from .tflite_writer import bundled


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


class TestBundle(BackendConformance):
    """The same with a bundle, where there are trained models to make one of."""

    backend = "mediapipe"
    rounds = 5

    def make_sample(self, folder: Path) -> Sample:
        """A hand that isn't there: the answer to a grey picture is nothing."""
        found = os.environ.get(MODELS)
        if not found:
            pytest.skip(f"{MODELS} isn't set: run nox -s trained_models")
        names = {
            "hand_detector.tflite": "palm_detection_full.tflite",
            "hand_landmarks_detector.tflite": "hand_landmark_full.tflite",
        }
        members = {
            member: next(Path(found).glob(f"**/{name}")).read_bytes()
            for member, name in names.items()
        }
        path = folder / "hands.task"
        path.write_bytes(bundled(members))
        return Sample(path, inputs=picture((128, 128, 128)), outputs=_no_hand)


def _no_hand(result: Detections) -> None:
    assert len(result) == 0
    assert result.keypoints is not None
    assert result.keypoints.shape == (0, 21, 3)
