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

FEW = 65_536
"""So many pairs of boxes are compared at once; where there are more, in blocks."""
BLOCK = 128
CHUNK = 1024
"""Columns of a block that are compared at once: the intermediate arrays stay in the cache."""

Indices = NDArray[np.intp]
Overlapping = Callable[[Indices, Indices], NDArray[np.bool_]]
"""Whether boxes overlap too much: arrays of indices of one shape, or (N, 1) and (1, M)."""


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
        width = np.minimum(x2.take(left), x2.take(right))
        width -= np.maximum(x1.take(left), x1.take(right))
        height = np.minimum(y2.take(left), y2.take(right))
        height -= np.maximum(y1.take(left), y1.take(right))
        shared = np.maximum(width, 0, out=width)
        shared *= np.maximum(height, 0, out=height)
        # Multiplied instead of divided: two boxes without area have no union to divide by.
        union = np.add(area.take(left), area.take(right), out=height)
        union -= shared
        union *= iou
        return np.asarray(shared > union)

    compared = np.zeros_like(class_ids) if class_agnostic else class_ids
    return suppress(scores, compared, overlapping, max_detections)


def suppress(
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    overlapping: Overlapping,
    max_detections: int,
) -> Indices:
    """Indices of the boxes that stay, best first, whatever their shape.

    Args:
        scores: (N,), not NaN.
        class_ids: (N,); only boxes of the same class compete.
        overlapping: see there.
        max_detections: at most so many stay.
    """
    worse = -scores
    grouped: Indices = np.lexsort((worse, class_ids))
    classes = class_ids[grouped]
    ends = np.searchsorted(classes, classes, side="right")
    later = ends - np.arange(1, len(grouped) + 1)  # boxes of the same class that are less good
    if later.sum() > FEW:
        order = np.argsort(worse, kind="stable")
        return _in_blocks(order, class_ids, overlapping, max_detections)
    kept = grouped[_pairwise(grouped, later, overlapping)]
    return kept[np.lexsort((kept, worse[kept]))][:max_detections]


def _pairwise(
    grouped: Indices, later: NDArray[np.intp], overlapping: Overlapping
) -> NDArray[np.bool_]:
    """Which boxes stay: each competes with as many that follow it as `later` says."""
    numbers = np.arange(len(grouped))
    left = np.repeat(numbers, later)
    # The first rival of a box is the next one: counted on from there, within each box's pairs.
    right = np.arange(1, len(left) + 1) + np.repeat(numbers - np.cumsum(later) + later, later)
    above = np.flatnonzero(overlapping(grouped[left], grouped[right]))
    alive = [True] * len(grouped)
    # In the order of the better box, so that it is known by then whether that stays.
    for better, worse in zip(left[above].tolist(), right[above].tolist(), strict=True):
        if alive[better]:
            alive[worse] = False
    return np.array(alive, bool)


def _in_blocks(
    order: Indices,
    class_ids: NDArray[Any],
    overlapping: Overlapping,
    max_detections: int,
) -> Indices:
    """The boxes that stay, of `order`."""

    def competing(left: Indices, right: Indices) -> NDArray[np.bool_]:
        """Which of `left` (rows) and `right` (columns) are of one class and overlap too much."""
        above = overlapping(left[:, None], right[None])
        above &= class_ids[left, None] == class_ids[right]
        return above

    waiting, kept = order, order[:0]
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
