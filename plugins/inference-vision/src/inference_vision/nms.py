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
CHUNK = 512
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
    measures = np.empty((5, len(boxes)))
    measures[:4] = boxes.T
    sides = measures[2:4] - measures[:2]
    np.maximum(sides, 0, out=sides)
    np.multiply(sides[0], sides[1], out=measures[4])

    def overlapping(left: Indices, right: Indices) -> NDArray[np.bool_]:
        one, other = measures.take(left, axis=1), measures.take(right, axis=1)
        sides = np.minimum(one[2:4], other[2:4])
        sides -= np.maximum(one[:2], other[:2])
        np.maximum(sides, 0, out=sides)
        shared, union = sides
        shared *= union
        # Multiplied instead of divided: two boxes without area have no union to divide by.
        np.add(one[4], other[4], out=union)
        union -= shared
        union *= iou
        return np.asarray(shared > union)

    return suppress(scores, class_ids, overlapping, max_detections, class_agnostic)


def suppress(
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    overlapping: Overlapping,
    max_detections: int,
    class_agnostic: bool,
) -> Indices:
    """Indices of the boxes that stay, best first, whatever their shape.

    Args:
        scores: (N,), not NaN.
        class_ids: (N,); only boxes of the same class compete, unless `class_agnostic`.
        overlapping: see there.
        max_detections: at most so many stay.
        class_agnostic: see above.
    """
    if class_agnostic:
        class_ids = np.zeros_like(class_ids)
    worse = -scores
    grouped: Indices = np.lexsort((worse, class_ids))
    classes = class_ids[grouped]
    later = classes.searchsorted(classes, side="right")
    later -= np.arange(1, len(grouped) + 1)  # boxes of the same class that are less good
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
    left = numbers.repeat(later)
    # The first rival of a box is the next one: counted on from there, within each box's pairs.
    right = np.arange(1, len(left) + 1)
    right += (numbers - later.cumsum() + later).repeat(later)
    above = overlapping(grouped.take(left), grouped.take(right))
    return _survivors(len(grouped), left[above], right[above])


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
        pairs = np.nonzero(np.triu(competing(block, block), k=1))
        stay = block[_survivors(len(block), *pairs)]
        kept = np.concatenate([kept, stay])
        # What the block removes goes at once, so that the next one is full of boxes that count.
        chunks = [waiting[start : start + CHUNK] for start in range(0, len(waiting), CHUNK)]
        if chunks:
            waiting = np.concatenate(
                [chunk[~competing(stay, chunk).any(axis=0)] for chunk in chunks]
            )
    return kept[:max_detections]


def _survivors(count: int, better: Indices, worse: Indices) -> NDArray[np.bool_]:
    """Which of so many boxes stay, if `better[i]`, while it stays, removes `worse[i]`.

    Each round settles at least the best box of those in pairs still: one that none removes stays.
    What it removes goes, and with it all pairs of either. A few rounds do, unless boxes form long
    chains in which each overlaps the next.
    """
    alive: NDArray[np.bool_] = np.ones(count, bool)
    while len(better):
        threatened = np.zeros(count, bool)
        threatened[worse] = True
        open_ = threatened.take(better)
        alive[worse[~open_]] = False
        open_ &= alive.take(better)
        open_ &= alive.take(worse)
        better, worse = better[open_], worse[open_]
    return alive
