"""Fitting pictures into a classifier's input: the shorter side to its size, the middle cut out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_vision.image import Image, Pixels
from inference_vision.planes import Normalisation, resize, tensor_dtype, write_planes


class CentreCrop:
    """Makes one tensor (N, 3, height, width), RGB, of N pictures. Safe for threads.

    Args:
        height: of the input.
        width: of the input.
        dtype: of the input: "float32", "float16" or "uint8", which isn't normalised.
        normalisation: of the pixels.
        interpolation: as `planes.resize` takes it.

    Raises:
        InvalidModel: another dtype.
    """

    def __init__(
        self,
        height: int,
        width: int,
        dtype: str,
        normalisation: Normalisation,
        interpolation: int | None,
    ) -> None:
        self._height, self._width = height, width
        self._dtype = tensor_dtype(dtype)
        self._normalisation = normalisation
        self._interpolation = interpolation

    def __call__(self, images: Sequence[Image]) -> NDArray[Any]:
        """The tensor, new and C-contiguous."""
        tensor = np.empty((len(images), 3, self._height, self._width), self._dtype)
        for image, out in zip(images, tensor, strict=True):
            write_planes(image, self._cropped(image.pixels), out, self._normalisation)
        return tensor

    def _cropped(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        ratio = max(self._width / width, self._height / height)
        # A picture of 8000 x 1 would become enormous: what is far from the middle goes first, the
        # same at both ends. Four times what is needed leaves usual pictures as they are.
        pixels = _without_ends(pixels, 0, 4 * math.ceil(self._height / ratio))
        pixels = _without_ends(pixels, 1, 4 * math.ceil(self._width / ratio))
        height, width = pixels.shape[:2]
        inner_width = max(self._width, int(width * ratio))
        inner_height = max(self._height, int(height * ratio))
        resized = resize(pixels, inner_width, inner_height, self._interpolation)
        top, left = round((inner_height - self._height) / 2), round((inner_width - self._width) / 2)
        return np.ascontiguousarray(
            resized[top : top + self._height, left : left + self._width], np.uint8
        )


def _without_ends(pixels: Pixels, axis: int, needed: int) -> Pixels:
    """`pixels` without as much at both ends of an axis as leaves at least `needed`."""
    length = pixels.shape[axis]
    cut = max(0, (length - needed) // 2)
    return pixels[cut : length - cut] if axis == 0 else pixels[:, cut : length - cut]
