"""Non-maximum suppression: of boxes that overlap too much, only the most confident stays.

It gives exactly what the greedy algorithm gives that takes the boxes one by one, best first, but
works on blocks of boxes, so that numpy does the work. How much two boxes overlap is somebody else's
question where they are oriented: `inference_vision.oriented` answers it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 128
CHUNK = 1024
"""Columns that are compared at once: the intermediate arrays stay in the cache."""

Indices = NDArray[np.intp]
Overlapping = Callable[[Indices, Indices], NDArray[np.bool_]]
"""Which boxes of the first (rows) and the second (columns) overlap too much."""


def non_maximum_suppression(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    *,
    iou: float,
    max_detections: int,
    class_agnostic: bool = False,
) -> Indices:
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
    # float64: the area of a finite float32 box can't overflow it.
    x1, y1, x2, y2 = boxes.T.astype(np.float64)
    area = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)

    def overlapping(left: Indices, right: Indices) -> NDArray[np.bool_]:
        column = left[:, None]
        width = np.minimum(x2[column], x2[right])
        width -= np.maximum(x1[column], x1[right])
        height = np.minimum(y2[column], y2[right])
        height -= np.maximum(y1[column], y1[right])
        shared = np.maximum(width, 0, out=width)
        shared *= np.maximum(height, 0, out=height)
        # Multiplied instead of divided: two boxes without area have no union to divide by.
        union = np.subtract(area[column] + area[right], shared, out=height)
        union *= iou
        return np.asarray(shared > union)

    return suppress(scores, None if class_agnostic else class_ids, overlapping, max_detections)


def suppress(
    scores: NDArray[Any],
    class_ids: NDArray[Any] | None,
    overlapping: Overlapping,
    max_detections: int,
) -> Indices:
    """Indices of the boxes that stay, best first, whatever their shape.

    Args:
        scores: (N,), not NaN.
        class_ids: (N,); only boxes of the same class compete. None: all do.
        overlapping: see there.
        max_detections: at most so many stay.
    """

    def competing(left: Indices, right: Indices) -> NDArray[np.bool_]:
        above = overlapping(left, right)
        if class_ids is not None:
            above &= class_ids[left[:, None]] == class_ids[right]
        return above

    waiting: Indices = np.argsort(-scores, kind="stable")
    kept = np.empty(0, np.intp)
    while len(waiting) and len(kept) < max_detections:
        block, waiting = waiting[:BLOCK], waiting[BLOCK:]
        stay = block[_survivors(np.triu(competing(block, block), k=1))]
        kept = np.concatenate([kept, stay])
        # What the block removes goes at once, so that the next one is full of boxes that count.
        chunks = [waiting[start : start + CHUNK] for start in range(0, len(waiting), CHUNK)]
        if chunks:
            waiting = np.concatenate(
                [chunk[~competing(stay, chunk).any(axis=0)] for chunk in chunks]
            )
    return kept[:max_detections]


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
