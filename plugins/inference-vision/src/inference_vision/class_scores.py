"""From a classifier's raw output to probabilities, and to the result that holds the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from inference_core.results import Classification
from numpy.typing import NDArray

SUM_TOLERANCE = 0.01
"""How far from 1 the sum of a distribution may be: fp16 graphs are off by a few thousandths."""


TOP_K = 5
"""How many classes a result holds where nothing else is asked for."""


def probabilities(raw: NDArray[Any], activation: str | None) -> NDArray[np.float32]:
    """Scores between 0 and 1.

    Args:
        raw: (batch, classes), finite.
        activation: "softmax", "sigmoid" or "none"; None applies softmax unless every row of `raw`
            is a distribution already.
    """
    # float64, so that no finite float32 logit overflows on the way.
    values = raw.astype(np.float64)
    if activation is None:
        activation = "none" if _is_distribution(values) else "softmax"
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        values = powers / powers.sum(axis=1, keepdims=True)
    elif activation == "sigmoid":
        # The form that takes the exponential of negative numbers only, which can't overflow.
        powers = np.exp(-np.abs(values))
        values = np.where(values >= 0, 1, powers) / (1 + powers)
    return values.astype(np.float32)


def _is_distribution(values: NDArray[np.float64]) -> bool:
    return bool((values >= 0).all() and (abs(values.sum(axis=1) - 1) <= SUM_TOLERANCE).all())


def best_classes(
    scores: NDArray[np.float32],
    labels: tuple[str, ...],
    top_k: int | None,
    threshold: float | None,
    image_size: tuple[int, int] | None,
) -> Classification:
    """The most likely classes, best first; of equally likely ones the first.

    Args:
        scores: (classes,), 0 to 1.
        labels: name of each.
        top_k: at most so many; None is 5, or any number where there is a threshold.
        threshold: least score; None takes all.
        image_size: (width, height) of the picture.
    """
    if top_k is None and threshold is None:
        top_k = TOP_K
    ids = np.argsort(-scores, kind="stable")[:top_k].astype(np.int64)
    if threshold is not None:
        ids = ids[scores[ids] >= np.float32(threshold)]
    names = tuple(labels[i] for i in ids.tolist())
    return Classification(ids, scores[ids], names, image_size)
