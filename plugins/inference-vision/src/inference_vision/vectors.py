"""The vectors that an encoder gives: which output holds them, checks, and scaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.session import TensorSpec
from numpy.typing import NDArray

from inference_vision.finite import check_finite


def vector_output(
    package: ModelPackage, role: str, outputs: Sequence[TensorSpec], names: Sequence[str]
) -> str:
    """Name of the output with one vector per input: one of `names`, else the only (batch, D).

    Raises:
        InvalidModel: there is none, or it isn't clear which.
    """
    fitting = [spec.name for spec in outputs if spec.shape is None or len(spec.shape) == 2]
    for name in names:
        if name in fitting:
            return name
    if len(fitting) == 1:
        return fitting[0]
    shapes = ", ".join(map(str, outputs)) or "no outputs"
    raise InvalidModel(
        f"{package.name}: the part {role!r} must have exactly one output (batch, D), or one named "
        f"{' or '.join(names)}; it gives {shapes}"
    )


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
