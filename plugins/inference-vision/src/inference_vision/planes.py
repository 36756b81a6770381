"""Writing 8-bit pictures into the planes of a float tensor, as fast as numpy and OpenCV can.

Each pass below was chosen by measuring: splitting all channels at once takes a sixth of the time of
extracting them one by one, and normalising a plane while it is in the cache beats numpy's mixed
multiplication, OpenCV's lookup table and its own way to such tensors.

The scratch memory of the steps in between is one per thread and dead when the function that asked
for it returns.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray

from inference_vision.image import Pixels

_local = threading.local()

_LEVELS = np.arange(256, dtype=np.float32)

Channels = Sequence[float]

STRIP = 409_600
"""Pixels that are split into planes at once: all of usual inputs, few enough for a core's cache."""

DTYPES = ("float32", "float16", "uint8")


def scratch(name: str, shape: tuple[int, ...]) -> Pixels:
    """This thread's uint8 memory of that name and shape, with whatever it held before.

    It grows to the largest request and is given away again by the next call with the same name.
    """
    size = math.prod(shape)
    memory: Pixels | None = getattr(_local, name, None)
    if memory is None or memory.size < size:
        memory = np.empty(size, np.uint8)
        setattr(_local, name, memory)
    return memory[:size].reshape(shape)


def resize(pixels: Pixels, width: int, height: int, interpolation: int | None) -> Pixels:
    """`pixels` resized, in this thread's scratch memory; itself where it has that size already.

    Args:
        pixels: uint8 (height, width, 3) or (height, width).
        width: of the result.
        height: of the result.
        interpolation: an OpenCV constant; None takes the average of the area for shrinking and
            bilinear for enlarging, which is closest to the antialiased bilinear of Pillow.
    """
    if interpolation is None:
        # In two steps: where one axis shrinks and the other grows, OpenCV's area is no average but
        # an interpolation that moves the picture by up to half a pixel of the result.
        least = min(width, pixels.shape[1]), min(height, pixels.shape[0])
        pixels = _resized("shrunk", pixels, *least, cv2.INTER_AREA)
        interpolation = cv2.INTER_LINEAR
    return _resized("resized", pixels, width, height, interpolation)


def _resized(name: str, pixels: Pixels, width: int, height: int, interpolation: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    memory = scratch(name, (height, width, *pixels.shape[2:]))
    resized = cv2.resize(pixels, (width, height), memory, interpolation=interpolation)
    return np.asarray(resized, np.uint8)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What turns a pixel of 0..255 into an element of a float tensor: `pixel * scale + shift`.

    Both per channel, red first. uint8 tensors take pixels as they are.
    """

    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def of(
        cls, mean: tuple[float, ...], std: tuple[float, ...], divisor: float = 255
    ) -> Normalisation:
        """The usual form: (pixel / divisor - mean) / std."""
        red, green, blue = (1 / (divisor * s) for s in std)
        shift_red, shift_green, shift_blue = (-m / s for m, s in zip(mean, std, strict=True))
        return cls((red, green, blue), (shift_red, shift_green, shift_blue))


def write_planes(pixels: Pixels, out: NDArray[Any], scale: Channels, shift: Channels) -> None:
    """Write `pixel * scale + shift` into the planes of `out`; into uint8 the pixels as they are.

    Args:
        pixels: uint8 (height, width, 3), or (height, width) of a grey picture, for all planes.
        out: (planes, height, width), a view into the tensor with any strides; where they are
            negative the order of the planes is reversed.
        scale: factor per plane.
        shift: addend per plane.
    """
    height, width = pixels.shape[:2]
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = pixels[top : top + rows]
        if strip.ndim == 2:
            planes = [strip] * len(out)
        else:
            planes = list(scratch("planes", (3, *strip.shape[:2])))
            cv2.split(strip, planes)
        for plane, target, factor, addend in zip(
            planes, out[:, top : top + rows], scale, shift, strict=True
        ):
            _write_plane(plane, target, factor, addend)


def _write_plane(plane: Pixels, target: NDArray[Any], factor: float, addend: float) -> None:
    if plane.shape != target.shape:  # OpenCV wouldn't tell: it writes elsewhere then
        raise ValueError(f"pixels {plane.shape} don't fit into a plane {target.shape}")
    if target.dtype == np.uint8:
        target[...] = plane
    elif target.dtype == np.float16:
        # Too coarse to compute in, and slow to convert to: OpenCV looks it up, as 16 bits.
        table = (_LEVELS * np.float32(factor) + np.float32(addend)).astype(np.float16)
        target.view(np.int16)[...] = cv2.LUT(plane, table.view(np.int16))
    elif factor > 0 and target.strides[1] == target.itemsize:
        # The one function of OpenCV's that converts, multiplies and adds in one pass wants to know
        # what the least and the greatest pixel become.
        low, high, _, _ = cv2.minMaxLoc(plane)
        ends = low * factor + addend, high * factor + addend
        cv2.normalize(plane, target, *ends, cv2.NORM_MINMAX, cv2.CV_32F)
    else:
        target[...] = plane
        target *= np.float32(factor)
        target += np.float32(addend)


def tensor_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of an image input; float32 where the file doesn't say.

    Raises:
        InvalidModel: not one that pixels can be written to.
    """
    if name not in (*DTYPES, "any"):
        raise InvalidModel(f"the graph's image input is {name}; it must be {', '.join(DTYPES)}")
    return np.dtype("float32" if name == "any" else name)
