"""From what a graph says per class and cell to the class of every pixel of the source picture.

Scores are brought back to the picture one class at a time: all at once, 150 classes of a photograph
would take gigabytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray

from inference_vision.letterbox import Placement
from inference_vision.upsampling import nearest_to_source, to_source

ClassMap = NDArray[np.uint8] | NDArray[np.int64]


def of_scores(
    raw: NDArray[Any], placement: Placement, canvas: tuple[int, int]
) -> tuple[ClassMap, NDArray[np.float32]]:
    """The class with the highest score for every pixel, the first of equal ones, and that score.

    Args:
        raw: (classes, rows, columns), finite.
        placement: of the picture in the input.
        canvas: (width, height) of the input.
    """
    best = to_source(raw[0], placement, canvas).copy()
    class_map = np.zeros(best.shape, np.uint8 if len(raw) <= 256 else np.int64)
    for class_id in range(1, len(raw)):
        scores = to_source(raw[class_id], placement, canvas)
        np.putmask(class_map, scores > best, class_id)
        np.maximum(best, scores, out=best)
    return class_map, best


def confidences(
    raw: NDArray[Any],
    best: NDArray[np.float32],
    placement: Placement,
    canvas: tuple[int, int],
    activation: str,
) -> NDArray[np.float32]:
    """How sure the best class of every pixel is, 0 to 1 where the activation makes it so.

    Args:
        raw: (classes, rows, columns).
        best: the highest score of every pixel, as `of_scores` gives it.
        placement: of the picture in the input.
        canvas: (width, height) of the input.
        activation: "softmax" over the classes, "sigmoid" or "none".
    """
    if activation != "softmax":
        return _sigmoid(best) if activation == "sigmoid" else best
    total = np.zeros_like(best)
    for scores in raw:
        total += np.exp(to_source(scores, placement, canvas) - best)
    return np.asarray(1 / total, np.float32)


def of_one(
    raw: NDArray[Any],
    placement: Placement,
    canvas: tuple[int, int],
    activation: str,
    threshold: float,
) -> tuple[ClassMap, NDArray[np.float32]]:
    """Class 1 where the one score reaches the threshold, else class 0, and how sure that is.

    Raises:
        InvalidModel: the activation is the softmax, which is 1 everywhere for a single class.
    """
    if activation == "softmax":
        raise InvalidModel("the graph scores one class, for which a softmax says nothing")
    scores = to_source(raw, placement, canvas)
    sure = _sigmoid(scores) if activation == "sigmoid" else scores
    found = sure >= threshold
    return found.astype(np.uint8), np.where(found, sure, 1 - sure).astype(np.float32)


def of_ids(
    raw: NDArray[Any],
    placement: Placement,
    canvas: tuple[int, int],
    labels: int,
    output: str,
) -> ClassMap:
    """Class ids of cells as those of pixels: that of the cell a pixel's centre lies in.

    Args:
        raw: (rows, columns) of integers.
        placement: of the picture in the input.
        canvas: (width, height) of the input.
        labels: how many the model has; 0 if that isn't known.
        output: name of the output, for the message.

    Raises:
        InvalidModel: a class id is negative, or has no label.
    """
    least, most = int(raw.min()), int(raw.max())
    if least < 0 or (labels and most >= labels):
        raise InvalidModel(
            f"the output {output!r} holds class id {least if least < 0 else most}; the model has "
            f"{labels or 'no'} labels"
        )
    ids = nearest_to_source(raw, placement, canvas)
    return ids.astype(np.uint8) if most < 256 else ids.astype(np.int64)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    # The form that takes the exponential of negative numbers only, which can't overflow.
    powers = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1, powers) / (1 + powers), np.float32)
