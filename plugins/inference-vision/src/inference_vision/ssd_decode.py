"""From the rows of `inference_vision.ssd_outputs` of one picture to candidates that nothing suppresses
any more."""

from __future__ import annotations

import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray

from inference_vision.finite import check_finite, check_scores
from inference_vision.ssd_outputs import Names
from inference_vision.yolo_decode import Candidates


def candidates(
    rows: NDArray[np.float32], least: NDArray[np.float32], first: int, names: Names
) -> Candidates:
    """The boxes that score as much as their class must, in fractions of the input.

    Args:
        rows: (N, 6), and zeros beyond the count.
        least: the least score of each class; above 1 for those that aren't wanted.
        first: the graph's id of the first class.
        names: of the outputs, for messages.

    Raises:
        InvalidModel: a score is NaN or infinite; or of a box that reaches the confidence the score is
            above 1, a coordinate isn't finite, or the class id is none.
    """
    check_finite(rows[:, 4], names.scores, "scores")
    # At a confidence of 0 the zeros beyond the count would come along.
    found = rows[(rows[:, 4] >= least.min(initial=np.inf)) & rows.any(axis=1)]
    boxes, scores = found[:, :4], found[:, 4]
    check_finite(boxes, names.boxes, "boxes")
    check_scores(scores, names.scores)
    ids = _class_ids(found[:, 5], len(least), first, names.classes)
    all_of_them = Candidates(boxes, scores, ids, np.empty((len(ids), 0), np.float32))
    return all_of_them.rows(scores >= least[ids])


def _class_ids(
    column: NDArray[np.float32], count: int, first: int, output: str
) -> NDArray[np.int64]:
    """From 0 on, of as many classes as there are."""
    known = (column >= first) & (column < first + count)  # NaN is neither
    known[known] = column[known] % 1 == 0
    if not known.all():
        raise InvalidModel(
            f"the output {output!r} holds class id {column[~known][0]:g}; those of the model are whole "
            f"numbers from {first} to {first + count - 1}"
        )
    return column.astype(np.int64) - first
