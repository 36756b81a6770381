"""What `predict` returns: frozen dataclasses of numpy arrays, one file per kind of result.

These types need numpy, which is why `inference_core` imports this package only when one of them is
asked for.
"""

from __future__ import annotations

from inference_core.results.classification import Classification, ClassScore
from inference_core.results.detections import Detection, Detections

__all__ = ["ClassScore", "Classification", "Detection", "Detections"]
