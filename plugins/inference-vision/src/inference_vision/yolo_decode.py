"""From one picture's raw YOLO output to candidate boxes. No suppression, no source pixels here."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray

from inference_vision.finite import check_finite, check_scores
from inference_vision.layouts import Layout

FRACTION = 1.5
"""What no coordinate of a picture's boxes exceeds if they are fractions of its width and height."""


class Candidates(NamedTuple):
    """Boxes of one picture, in no order.

    Attributes:
        boxes: float32 (N, 4), finite, in pixels of the input: cx, cy, w, h, or in the layout
            end-to-end what the graph gives. Their `corners` are float64.
        scores: float32 (N,), all finite and at least the confidence asked for.
        class_ids: int64 (N,), each less than the number of classes.
        extras: float32 (N, E), all finite: what the task adds to a box.
    """

    boxes: NDArray[np.floating[Any]]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    extras: NDArray[np.float32]

    def rows(self, which: NDArray[Any]) -> Candidates:
        """Some of the boxes: those of an index array or of a mask of booleans."""
        return Candidates(*(array[which] for array in self))


def decode(
    layout: Layout, raw: NDArray[Any], least: NDArray[np.float32], extras: int, output: str
) -> Candidates:
    """The boxes whose best class scores as much as that class must.

    The large array is read once, to find them; everything after works on the few that are left.

    Args:
        layout: of `raw`.
        raw: one picture's output, two axes.
        least: the least score of each class; above 1 for those that aren't wanted. For the layout
            end-to-end it may be longer than the number of classes.
        extras: how many numbers of a box are its task's.
        output: name of the output, for messages.

    Raises:
        InvalidModel: the best score of any box is NaN or infinite, or a number of one that reaches
            the confidence; or such a box has a score above 1, or a class id beyond `least`.
    """
    lowest = float(least.min(initial=np.inf))
    if layout == "boxes-scores":
        end = len(raw) - extras
        best = raw[4:end].max(axis=0)  # NaN where any score is NaN
        check_finite(best, output, "scores")
        (columns,) = (best >= lowest).nonzero()
        found = raw[:, columns].astype(np.float32, copy=False)
        class_ids = found[4:end].argmax(axis=0)
        scores = best[columns].astype(np.float32, copy=False)
        # Their transposes keep a coordinate together, which is how they are computed with.
        boxes, more = found[:4].T, found[end:].T
    elif layout == "objectness":
        check_finite(raw[:, 4], output, "scores")
        # A class score is at most 1, so an objectness below the threshold can't reach it.
        found = raw[raw[:, 4] >= lowest].astype(np.float32)
        per_class = found[:, 5 : found.shape[1] - extras]
        class_ids = per_class.argmax(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):  # the check tells in better words
            scores = found[:, 4] * per_class.max(axis=1)
        check_finite(scores, output, "scores")
        boxes, more = found[:, :4], found[:, found.shape[1] - extras :]
    else:
        check_finite(raw[:, 4], output, "scores")
        found = raw[raw[:, 4] >= lowest].astype(np.float32)
        if lowest <= 0:  # then what fills the list up has come along
            found = found[(found[:, 4] != 0) | (found[:, 5] != -1)]
        scores, class_ids = found[:, 4], _class_ids(found[:, 5], len(least), output)
        boxes, more = found[:, :4], found[:, 6:]
    check_finite(boxes, output, "boxes")
    check_scores(scores, output)
    candidates = Candidates(boxes, scores, class_ids, more)
    keep = scores >= least[class_ids]
    if not keep.all():
        candidates = candidates.rows(keep)
    if extras:
        check_finite(candidates.extras, output, "numbers of boxes")
    return candidates


def check_pixels(boxes: NDArray[Any], size: tuple[int, int], output: str) -> None:
    """Raise if boxes that should be pixels are fractions of the input, which nobody had said: all of
    them would lie within the input's first pixels.

    Args:
        boxes: (N, 4) of one picture, in pixels of the input; zeros fill up a list and tell nothing.
        size: (height, width) of the input; in a small one boxes may be as small.
        output: name of the output, for the message.

    Raises:
        InvalidModel: see there.
    """
    if len(boxes) and min(size) >= 32 and 0 < np.abs(boxes).max() <= FRACTION:
        height, width = size
        raise InvalidModel(
            f"the output {output!r} has no box beyond the first pixels of the input of {width} x "
            f"{height}: its boxes are fractions of it, it seems. Write into the processor's settings "
            'in model.json: "coordinates": "relative" (or "pixels", if they are)'
        )


def check_fractions(boxes: NDArray[Any], output: str) -> None:
    """Raise if boxes that should be fractions of the input are pixels of it: one of another format's
    export may have got the settings of this.

    Args:
        boxes: (N, 4) of one picture, as the graph gives them.
        output: name of the output, for the message.

    Raises:
        InvalidModel: see there.
    """
    if len(boxes) and np.median(np.abs(boxes).max(axis=1)) > 2 * FRACTION:
        raise InvalidModel(
            f"the output {output!r} has boxes far outside of the input, as fractions of it: they are "
            "its pixels, it seems. Write into the processor's settings in model.json: "
            '"coordinates": "pixels"'
        )


def _class_ids(column: NDArray[np.float32], count: int, output: str) -> NDArray[np.int64]:
    check_finite(column, output, "class ids")
    unknown = (column < 0) | (column >= count)
    if unknown.any():
        raise InvalidModel(
            f"the output {output!r} holds class id {column[unknown][0]:g}, but the model has "
            f"{count} labels"
        )
    class_ids = column.astype(np.int64)
    fractional = class_ids != column
    if fractional.any():
        raise InvalidModel(
            f"the output {output!r} holds {column[fractional][0]:g} as a class id, which is no whole "
            "number"
        )
    return class_ids
