"""What readers conclude from tensors in the same way, whatever the format: batch and precision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from inference_core.package import Precision
from inference_core.session import TensorSpec

# Weights of these types are shapes, indices, flags and quantised biases at any precision.
NO_WEIGHTS = ("int32", "int64", "bool", "str")

_PRECISIONS: dict[str, Precision] = {
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "int8": "int8",
    "uint8": "int8",
}


def precision_of(elements: Counter[str]) -> Precision | None:
    """The type of more than half of the elements of all weights; None where none is, or one that
    `PRECISIONS` lacks.

    Args:
        elements: how many there are of each type, without those in `NO_WEIGHTS`.
    """
    for dtype, count in elements.most_common(1):
        if 2 * count > elements.total():
            return _PRECISIONS.get(dtype)
    return None


def batch_of(inputs: Sequence[TensorSpec]) -> tuple[int, int | None] | None:
    """Smallest and largest batch, by the first axis of every input; None where they disagree."""
    if not inputs or not all(spec.shape for spec in inputs):
        return None
    first = {spec.shape[0] for spec in inputs if spec.shape}
    if len(first) > 1:
        return None
    size = first.pop()
    if size is None:
        return 1, None
    return (size, size) if size > 0 else None
