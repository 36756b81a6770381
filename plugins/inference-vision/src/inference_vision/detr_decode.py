"""From one picture's raw output of a detection transformer to candidate boxes; no pixels here."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray

from inference_vision.centred_boxes import corners
from inference_vision.finite import check_finite


class Candidates(NamedTuple):
    """Objects of one picture, in no order.

    Attributes:
        queries: int64 (N,), the query of each; sigmoid models may give one query two classes.
        scores: float32 (N,), 0 to 1.
        class_ids: int64 (N,).
    """

    queries: NDArray[np.int64]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]


def scored(
    raw: NDArray[Any],
    columns: NDArray[np.int64],
    activation: str,
    thresholds: NDArray[np.float32],
    output: str,
) -> Candidates:
    """What reaches its threshold.

    Args:
        raw: (queries, columns): logits, or scores where the activation is "none".
        columns: (classes,): the column of each class id.
        activation: "sigmoid": every class for itself, so that a query may be several, as RT-DETR and
            RF-DETR count; "softmax": over all columns, the best of `columns` wins; "none": scores
            as they are, the best wins.
        thresholds: (classes,) least score of each; above 1 for those that aren't wanted.
        output: name of the output, for messages.

    Raises:
        InvalidModel: a number is NaN or infinite.
    """
    check_finite(raw, output, "scores")
    if activation == "sigmoid":
        # Compared as logits, so that the exponential is taken of the few that remain; with a little
        # room, for the exact comparison comes after.
        room = 1e-3
        with np.errstate(divide="ignore"):
            limits = np.log(thresholds) - np.log1p(-np.minimum(thresholds, 1)) - room
        limits[thresholds > 1] = np.inf
        logits = raw[:, columns]
        queries, class_ids = np.nonzero(logits >= limits)
        found = logits[queries, class_ids].astype(np.float64)
        powers = np.exp(-np.abs(found))
        scores = (np.where(found >= 0, 1, powers) / (1 + powers)).astype(np.float32)
    else:
        values = raw.astype(np.float32)
        if activation == "softmax":
            with np.errstate(over="ignore"):  # what is infinitely less has a share of 0
                values = np.exp(values - values.max(axis=1, keepdims=True))
            values /= values.sum(axis=1, keepdims=True)
        values = values[:, columns]
        class_ids = values.argmax(axis=1)
        queries = np.arange(len(values))
        scores = values[queries, class_ids]
    keep = scores >= thresholds[class_ids]
    return Candidates(queries[keep], scores[keep], class_ids[keep])


def postprocessed(
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    thresholds: NDArray[np.float32],
    output: str,
) -> Candidates:
    """What reaches its threshold, of (queries,) scores and class ids from inside the graph.

    Raises:
        InvalidModel: a score is NaN or infinite, or a class id that counts has no threshold.
    """
    check_finite(scores, output, "scores")
    values = scores.astype(np.float32)
    queries = np.flatnonzero(values >= thresholds.min(initial=2))
    ids = class_ids[queries].astype(np.int64)
    wrong = ids[(ids < 0) | (ids >= len(thresholds))]
    if len(wrong):
        raise InvalidModel(
            f"the graph gives class id {wrong[0]}, but the model has {len(thresholds)} labels"
        )
    keep = values[queries] >= thresholds[ids]
    queries = queries[keep]
    return Candidates(queries, values[queries], ids[keep])


def boxes_in_pixels(
    cxcywh: NDArray[Any], width: int, height: int, output: str
) -> NDArray[np.float32]:
    """Boxes (N, 4) as fractions of an input, in its pixels: x1, y1, x2, y2.

    Raises:
        InvalidModel: one is NaN or infinite, or so large that its corners are.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # the check tells in better words
        xyxy = np.asarray(corners(cxcywh) * ((width, height) * 2), np.float32)
    check_finite(xyxy, output, "boxes")
    return xyxy
