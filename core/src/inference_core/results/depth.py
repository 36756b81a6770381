"""`Depth`: how far every pixel of one picture is, in the unit of the model that estimated it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_core.results._result import Result, check_array, plain


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Depth(Result):
    """What a model says of the distance of every pixel of one picture.

    Attributes:
        depth: float32 (height, width) of the source picture, as the model gives it: metres for
            models of metric depth; inverse distance without a unit, larger for nearer, for models
            of relative depth (MiDaS, Depth Anything).
        image_size: (width, height) of the source picture in pixels.

    Raises:
        TypeError: a field has the wrong type or dtype.
        ValueError: the shapes don't fit together, or a number is NaN or infinite.
    """

    depth: NDArray[np.float32]
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        width, height = self.image_size
        check_array("Depth", "depth", self.depth, np.float32, (height, width))

    def scaled(self) -> NDArray[np.float32]:
        """float32 (height, width): the depth stretched to 0..1; all 0 where it is the same."""
        low, high = float(self.depth.min()), float(self.depth.max())
        # float64: the range of finite float32 numbers can overflow them.
        span = (high - low) or 1.0
        return ((self.depth.astype(np.float64) - low) / span).astype(np.float32)

    def __repr__(self) -> str:
        width, height = self.image_size
        return f"Depth({width} x {height}: {self.depth.min():.3g} to {self.depth.max():.3g})"

    def to_dict(self) -> dict[str, Any]:
        """The picture's size, the range and the map, as JSON has them.

        A list of a million numbers would be slow to read everywhere: `data` is base64 of the float32
        values, little-endian, row by row from the top.
        """
        width, height = self.image_size
        low, high = plain(np.array([self.depth.min(), self.depth.max()], np.float32))
        data = base64.b64encode(self.depth.astype("<f4").tobytes()).decode("ascii")
        return {
            "image": {"width": width, "height": height},
            "depth": {"minimum": low, "maximum": high, "dtype": "float32", "data": data},
        }
