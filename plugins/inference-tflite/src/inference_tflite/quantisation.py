"""Between the real numbers that callers deal in and the integers that a quantised tensor stores.

real = scale * (stored - zero point), with one scale and zero point for the tensor or one for each slice
along an axis; see the LiteRT documentation, "8-bit quantization specification". Ties are rounded away
from zero, as in LiteRT's reference kernel of QUANTIZE (`AffineQuantize` in
tflite/kernels/internal/reference/quantize.h); XNNPACK rounds them to even.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from inference_core.errors import InferenceError
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Quantisation:
    """How a tensor stores real numbers.

    Attributes:
        name: of the tensor, for messages.
        dtype: what it stores.
        scale: above zero, of a shape that broadcasts with the tensor.
        zero_point: the stored number that means 0, likewise.
    """

    name: str
    dtype: np.dtype[Any]
    scale: NDArray[Any]
    zero_point: NDArray[Any]

    @classmethod
    def of(cls, name: str, details: Mapping[str, Any]) -> Quantisation | None:
        """From what the interpreter tells of a tensor; None if it isn't quantised (to up to 32 bits).

        Raises:
            InferenceError: the parameters don't fit the tensor.
        """
        parameters, dtype = details["quantization_parameters"], np.dtype(details["dtype"])
        scales = np.asarray(parameters["scales"])
        if not scales.size or dtype.kind not in "iu" or dtype.itemsize > 4:
            return None
        axis, rank = int(parameters["quantized_dimension"]), len(details["shape"])
        zero_points = np.asarray(parameters["zero_points"])
        if not (np.isfinite(scales) & (scales > 0)).all():
            raise InferenceError(f"tensor {name!r} is quantised with a scale that isn't above 0")
        per_axis = scales.size > 1
        if zero_points.size not in (1, scales.size) or (
            per_axis and not (0 <= axis < rank and details["shape"][axis] == scales.size)
        ):
            raise InferenceError(
                f"tensor {name!r} of shape {tuple(details['shape'])} is quantised with "
                f"{scales.size} scales and {zero_points.size} zero points along axis {axis}"
            )
        # float32 holds all integers of 16 bits, and not all of 32.
        real = np.float32 if dtype.itemsize <= 2 else np.float64
        shape = [1] * rank
        if per_axis:
            shape[axis] = scales.size
        zeros = zero_points if per_axis and zero_points.size > 1 else zero_points[:1]
        return cls(
            name,
            dtype,
            scales.astype(real).reshape(shape if per_axis else ()),
            zeros.astype(real).reshape(shape if zeros.size > 1 else ()),
        )

    def stored(self, real: NDArray[np.float32]) -> NDArray[Any]:
        """Real numbers as the integers that are nearest, of two as near the one away from the zero
        point, those out of range as the last in range.

        Raises:
            InferenceError: there is NaN among them.
        """
        limits = np.iinfo(self.dtype)
        with np.errstate(over="ignore"):
            values = np.asarray(real / self.scale)
        np.clip(values, limits.min - self.zero_point, limits.max - self.zero_point, out=values)
        whole: NDArray[Any] = np.trunc(values)
        values -= whole
        # What is behind the point, doubled, is ±1 or more from a half on. All of this is exact.
        values += values
        whole += np.trunc(values, out=values)
        whole += self.zero_point
        with np.errstate(invalid="raise"):
            try:
                return whole.astype(self.dtype)
            except FloatingPointError as error:
                raise InferenceError(
                    f"input {self.name!r} holds NaN, which the {self.dtype} that the graph stores it "
                    "in can't be"
                ) from error

    def real(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """The real numbers that integers stand for."""
        values = stored.astype(self.scale.dtype)
        values -= self.zero_point
        values *= self.scale
        return values.astype(np.float32, copy=False)
