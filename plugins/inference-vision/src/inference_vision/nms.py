"""Non-maximum suppression: of boxes that overlap too much, only the most confident stays.

It gives exactly what the greedy algorithm gives that takes the boxes one by one, best first, but
works on blocks of boxes, so that numpy does the work.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 256


def non_maximum_suppression(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    *,
    iou: float,
    max_detections: int,
    class_agnostic: bool = False,
) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best first.

    A box goes if its intersection over union with a better one that stays is *above* `iou`. Of
    equally good boxes the earlier is the better one.

    Args:
        boxes: (N, 4) x1, y1, x2, y2, finite. One without area overlaps nothing.
        scores: (N,), not NaN.
        class_ids: (N,); boxes of different classes don't compete, unless `class_agnostic`.
        iou: 0 to 1.
        max_detections: at most so many stay.
    """
    order = np.argsort(-scores, kind="stable")
    corners = boxes.astype(np.float64)  # the area of a finite float32 box can't overflow it
    classes = np.zeros_like(class_ids) if class_agnostic else class_ids
    kept = np.empty(0, np.intp)
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        if len(kept):
            block = block[~_overlapping(corners, classes, kept, block, iou).any(axis=0)]
        suppresses = np.triu(_overlapping(corners, classes, block, block, iou), k=1)
        kept = np.concatenate([kept, block[_survivors(suppresses)]])
        if len(kept) >= max_detections:
            break
    return kept[:max_detections]


def _overlapping(
    corners: NDArray[np.float64],
    classes: NDArray[Any],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    iou: float,
) -> NDArray[np.bool_]:
    """Which boxes of `left` (rows) and `right` (columns) overlap by more than `iou`."""
    a, b = corners[left, None], corners[None, right]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.maximum(sides[..., 0], 0) * np.maximum(sides[..., 1], 0)
    # Multiplied instead of divided: two boxes without area have no union to divide by.
    above = shared > iou * (_area(a) + _area(b) - shared)
    return np.asarray(above & (classes[left, None] == classes[None, right]))


def _area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(corners[..., 2:] - corners[..., :2], 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _survivors(suppresses: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which boxes stay, where `suppresses[i, j]` says that i, if it stays, removes j > i.

    Starting from "all stay", each round is right for at least one more box from the front, so the
    rounds end, and at the one solution there is; a few suffice unless boxes form long chains.
    """
    alive: NDArray[np.bool_] = np.ones(len(suppresses), bool)
    while True:
        next_alive = np.logical_not(suppresses[alive].any(axis=0))
        if (next_alive == alive).all():
            return alive
        alive = next_alive
