"""Non-maximum suppression: of boxes that overlap too much, only the most confident stays.

It gives exactly what the greedy algorithm gives that takes the boxes one by one, best first, but
works on blocks of boxes, so that numpy does the work.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 128


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
    x1, y1, x2, y2 = boxes.T.astype(
        np.float64
    )  # the area of a finite float32 box can't overflow it
    area = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)

    def overlapping(left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which boxes of `left` (rows) and `right` (columns) compete and overlap too much."""
        column = left[:, None]
        width = np.minimum(x2[column], x2[right]) - np.maximum(x1[column], x1[right])
        height = np.minimum(y2[column], y2[right]) - np.maximum(y1[column], y1[right])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        # Multiplied instead of divided: two boxes without area have no union to divide by.
        above = shared > iou * (area[column] + area[right] - shared)
        if not class_agnostic:
            above &= class_ids[column] == class_ids[right]
        return np.asarray(above)

    kept = np.empty(0, np.intp)
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        if len(kept):
            block = block[~overlapping(kept, block).any(axis=0)]
        suppresses = np.triu(overlapping(block, block), k=1)
        kept = np.concatenate([kept, block[_survivors(suppresses)]])
        if len(kept) >= max_detections:
            break
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
