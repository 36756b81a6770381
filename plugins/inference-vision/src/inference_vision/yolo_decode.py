"""From one picture's raw YOLO output to candidate boxes. No suppression, no source pixels here."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference_vision.finite import check_finite
from inference_vision.layouts import Layout


class Candidates(NamedTuple):
    """Boxes of one picture, in no order.

    Attributes:
        boxes: float32 (N, 4): x1, y1, x2, y2 in pixels of the input, all finite.
        scores: float32 (N,), all finite and at least the confidence asked for.
        class_ids: int64 (N,).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]


# Garbage may overflow on its way to the check for finite numbers, which tells in better words.
@np.errstate(over="ignore", invalid="ignore")
def decode(
    layout: Layout,
    raw: NDArray[Any],
    confidence: float,
    wanted: NDArray[np.int64] | None,
    output: str,
) -> Candidates:
    """The boxes whose best class scores at least `confidence`.

    The large array is read once, to find them; everything after works on the few that are left.

    Args:
        layout: of `raw`.
        raw: one picture's output, two axes.
        confidence: 0 to 1.
        wanted: class ids to keep; None keeps all.
        output: name of the output, for messages.

    Raises:
        InvalidModel: the best score of any box is NaN or infinite, or an edge or class id of one
            that reaches the confidence.
    """
    if layout == "boxes-scores":
        best = raw[4:].max(axis=0)  # NaN where any score is NaN
        check_finite(best, output, "scores")
        found = raw[:, np.flatnonzero(best >= confidence)].T
        boxes, per_class = _corners(found[:, :4]), found[:, 4:]
        class_ids = per_class.argmax(axis=1)
        scores = per_class.max(axis=1)
    elif layout == "objectness":
        check_finite(raw[:, 4], output, "scores")
        # A class score is at most 1, so an objectness below the threshold can't reach it.
        found = raw[raw[:, 4] >= confidence].astype(np.float32)
        boxes, per_class = _corners(found[:, :4]), found[:, 5:]
        class_ids = per_class.argmax(axis=1)
        scores = found[:, 4] * per_class.max(axis=1)
        check_finite(scores, output, "scores")
    else:
        check_finite(raw[:, 4], output, "scores")
        found = raw[raw[:, 4] >= confidence]
        check_finite(found[:, 5], output, "class ids")
        # Clipped to what int64 can hold; no model has such labels, so they are refused later.
        boxes, scores, class_ids = found[:, :4], found[:, 4], found[:, 5].clip(-1, 2**31)
    boxes, scores = boxes.astype(np.float32), scores.astype(np.float32)
    class_ids = class_ids.astype(np.int64)
    check_finite(boxes, output, "boxes")
    keep = scores >= confidence
    if wanted is not None:
        keep &= np.isin(class_ids, wanted)
    return Candidates(boxes[keep], scores[keep], class_ids[keep])


def _corners(cxcywh: NDArray[Any]) -> NDArray[np.float32]:
    centre, half = cxcywh[:, :2].astype(np.float32), cxcywh[:, 2:].astype(np.float32) / 2
    return np.concatenate([centre - half, centre + half], axis=1)
