"""Oriented boxes: their corners, and how much two of them overlap.

A box is cx, cy, w, h and an angle in radians by which it is turned about its centre, clockwise as
seen (y points down), as the oriented models of Ultralytics give it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_vision.nms import Indices, suppress

FLAT = 1e-3
"""Pixels; the least width and height that a box is compared with, for none has a logarithm."""


def corners_of(boxes: NDArray[Any]) -> NDArray[np.float64]:
    """Corners x, y of oriented boxes, clockwise as seen, from the one that is top left at angle 0.

    Args:
        boxes: (N, 5) cx, cy, w, h, angle.

    Returns:
        (N, 4, 2).
    """
    centre, size, angle = np.split(boxes.astype(np.float64), [2, 4], axis=1)
    along = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * size[:, :1] / 2
    across = np.concatenate([-np.sin(angle), np.cos(angle)], axis=1) * size[:, 1:] / 2
    return centre[:, None] + np.stack(
        [-along - across, along - across, along + across, across - along], axis=1
    )


def oriented_suppression(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    *,
    iou: float,
    max_detections: int,
    class_agnostic: bool = False,
) -> Indices:
    """Indices of the oriented boxes that stay, best first: greedy, by the probabilistic IoU.

    Args:
        boxes: (N, 5) cx, cy, w, h, angle, finite.
        scores: (N,), not NaN.
        class_ids: (N,); boxes of different classes don't compete, unless `class_agnostic`.
        iou: 0 to 1; a box goes if its probabilistic IoU with a better one that stays is above it.
        max_detections: at most so many stay.
    """
    gaussians = _gaussians(boxes)

    def overlapping(left: Indices, right: Indices) -> NDArray[np.bool_]:
        return np.asarray(_similarity(gaussians[:, left], gaussians[:, right]) > iou)

    return suppress(scores, class_ids, overlapping, max_detections, class_agnostic)


def probabilistic_iou(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """How alike oriented boxes are: 1 for equal ones, near 0 for those apart.

    One minus the Hellinger distance of the normal distributions that have the boxes' centres and
    second moments: Llerena et al., "Gaussian Bounding Boxes and Probabilistic Intersection-over-Union
    for Object Detection", arXiv:2106.06072, section 3. Ultralytics' oriented models are trained and
    suppressed with it. It isn't the intersection over union of the areas: for boxes beside each
    other it is above 0.

    Args:
        first: (N, 5) cx, cy, w, h, angle.
        second: (M, 5).

    Returns:
        (N, M).
    """
    return _similarity(_gaussians(first)[:, :, None], _gaussians(second))


def _gaussians(boxes: NDArray[Any]) -> NDArray[np.float64]:
    """(6, N): centre x, y and the variances a, b and covariance c of boxes, and a b - c²."""
    x, y, width, height, angle = boxes.T.astype(np.float64)
    long, short = np.maximum(width, FLAT) ** 2 / 12, np.maximum(height, FLAT) ** 2 / 12
    cos, sin = np.cos(angle), np.sin(angle)
    a = long * cos**2 + short * sin**2
    b = long * sin**2 + short * cos**2
    c = (long - short) * cos * sin
    return np.stack([x, y, a, b, c, long * short])


def _similarity(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = first[0] - second[0], first[1] - second[1]
    a, b, c = (first[row] + second[row] for row in (2, 3, 4))
    # By Minkowski's inequality it can't be less, but rounding may make it so for thin boxes.
    determinant = np.maximum(a * b - c * c, (np.sqrt(first[5]) + np.sqrt(second[5])) ** 2)
    # The Bhattacharyya distance of two normal distributions, with sums for means of covariances.
    distance = (a * y * y + b * x * x - 2 * c * x * y) / (4 * determinant)
    distance += np.log(determinant / (4 * np.sqrt(first[5] * second[5]))) / 2
    return np.asarray(1 - np.sqrt(1 - np.exp(-np.maximum(distance, 0))))
