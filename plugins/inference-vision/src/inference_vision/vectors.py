"""Checking and scaling the vectors that an encoder gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray

from inference_vision.finite import check_finite


def as_vectors(raw: NDArray[Any], count: int, output: str, normalize: bool) -> NDArray[np.float32]:
    """float32 (count, D), of length 1 each if `normalize`; one without length stays as it is.

    Args:
        raw: what the graph gave.
        count: how many vectors it must be.
        output: name of the output, for messages.
        normalize: whether to divide each by its Euclidean length.

    Raises:
        InvalidModel: it isn't (count, D), or holds NaN.
    """
    if raw.ndim != 2 or len(raw) != count or not raw.shape[1]:
        raise InvalidModel(
            f"the output {output!r} has the shape {raw.shape}, which isn't one vector for each of "
            f"{count} inputs"
        )
    check_finite(raw, output, "numbers")
    # float64: squares of finite float32 numbers can overflow them.
    values = raw.astype(np.float64)
    if normalize:
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        values /= np.where(lengths, lengths, 1)
    return values.astype(np.float32)
