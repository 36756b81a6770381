"""Fitting pictures into a detector's input, and its boxes back into the pictures.

Letterboxing keeps the aspect ratio and centres the picture on grey, with the rounding that
Ultralytics models are trained and exported with: scale r = min(W/w, H/h), inner size (round(w r),
round(h r)), left and top padding round(half - 0.1). "stretch" fills the input instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inference_vision.image import Image
from inference_vision.planes import Normalisation, resize, tensor_dtype, write_planes

Fit = Literal["letterbox", "stretch"]

GREY = 114
"""Value of the padding, of 255."""

NORMALISE_TO_1 = Normalisation()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in the input; all in pixels, x before y.

    Attributes:
        source: size of the picture.
        inner: size it was resized to, at least 1 x 1.
        offset: left and top padding.
    """

    source: tuple[int, int]
    inner: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def of(cls, source: tuple[int, int], canvas: tuple[int, int], fit: Fit) -> Placement:
        """The placement of a picture of size `source` in an input of size `canvas`."""
        if fit == "stretch":
            return cls(source, canvas, (0, 0))
        ratio = min(canvas[0] / source[0], canvas[1] / source[1])
        width, height = (max(1, round(side * ratio)) for side in source)
        left, top = (
            round((whole - inner) / 2 - 0.1)
            for whole, inner in zip(canvas, (width, height), strict=True)
        )
        return cls(source, (width, height), (left, top))

    def to_source(self, xyxy: NDArray[Any]) -> NDArray[np.float32]:
        """Boxes (N, 4) of the input as boxes of the picture, clipped to it.

        Each axis has the scale that it was really resized by, which for thin pictures differs from
        r through the rounding of the inner size.
        """
        scale = np.divide(self.source, self.inner)
        # float64: a finite float32 coordinate can't overflow it.
        corners = (xyxy.reshape(-1, 2, 2).astype(np.float64) - self.offset) * scale
        return np.clip(corners, 0, self.source).reshape(-1, 4).astype(np.float32)


class Letterbox:
    """Makes one tensor (N, 3, height, width), RGB, of N pictures. Safe for threads.

    Args:
        height: of the input.
        width: of the input.
        dtype: of the input: "float32", "float16" or "uint8", which isn't normalised.
        fit: "letterbox" or "stretch".
        normalisation: of the pixels, padding included; 0..1 by default.
        interpolation: as `planes.resize` takes it.

    Raises:
        InvalidModel: another dtype.
    """

    def __init__(
        self,
        height: int,
        width: int,
        dtype: str,
        fit: Fit,
        normalisation: Normalisation = NORMALISE_TO_1,
        interpolation: int | None = cv2.INTER_LINEAR,
    ) -> None:
        self._canvas = (width, height)
        self._dtype = tensor_dtype(dtype)
        self._fit = fit
        self._normalisation = normalisation
        self._interpolation = interpolation
        padding = np.multiply(GREY, normalisation.scale) + normalisation.shift
        self._padding = np.array([GREY] * 3 if dtype == "uint8" else padding, self._dtype)

    def __call__(self, images: Sequence[Image]) -> tuple[NDArray[Any], tuple[Placement, ...]]:
        """The tensor, new and C-contiguous, and where each picture lies in it."""
        width, height = self._canvas
        tensor = np.empty((len(images), 3, height, width), self._dtype)
        placements = tuple(Placement.of(image.size, self._canvas, self._fit) for image in images)
        for image, placement, out in zip(images, placements, tensor, strict=True):
            self._write(image, placement, out)
        return tensor, placements

    def _write(self, image: Image, placement: Placement, out: NDArray[Any]) -> None:
        (width, height), (left, top) = placement.inner, placement.offset
        right, bottom = left + width, top + height
        padding = self._padding[:, None, None]
        for part in (
            out[:, :top],
            out[:, bottom:],
            out[:, top:bottom, :left],
            out[:, top:bottom, right:],
        ):
            part[...] = padding
        pixels = resize(image.pixels, width, height, self._interpolation)
        write_planes(image, pixels, out[:, top:bottom, left:right], self._normalisation)
