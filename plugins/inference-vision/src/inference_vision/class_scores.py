"""From a classifier's raw output to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SUM_TOLERANCE = 0.01
"""How far from 1 the sum of a distribution may be: fp16 graphs are off by a few thousandths."""


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
