"""Candidates that nothing suppresses any more, as a result in pixels of their picture."""

from __future__ import annotations

import numpy as np
from inference_core.results import Detections

from inference_vision.letterbox import Placement
from inference_vision.yolo_decode import Candidates


def detections(
    found: Candidates, placement: Placement, labels: tuple[str, ...], most: int
) -> Detections:
    """The most confident, best first, without those that lie in the padding.

    Args:
        found: their boxes are x1, y1, x2, y2 in pixels of the input.
        placement: of the picture in the input.
        labels: of the model; () where class ids stand for them.
        most: at most so many.
    """
    xyxy = placement.to_source(found.boxes)
    inside = np.all(xyxy[:, 2:] > xyxy[:, :2], axis=1)
    found, xyxy = found.rows(inside), xyxy[inside]
    best = np.argsort(-found.scores, kind="stable")[:most]
    found, xyxy = found.rows(best), xyxy[best]
    ids = found.class_ids
    names = tuple(labels[i] if labels else str(i) for i in ids.tolist())
    return Detections(xyxy, found.scores, ids, names, placement.source)
