"""Writing 8-bit pictures into the planes of a float tensor, as fast as numpy and OpenCV can.

Tensors are always new: a runtime, or a batch that waits its turn, may still be reading the last one.
What is reused is the scratch memory of the steps in between, one per thread and dead when the
function that asked for it returns.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray

from inference_vision.image import Image, Pixels

_local = threading.local()

DTYPES = ("float32", "float16", "uint8")


def scratch(name: str, shape: tuple[int, ...]) -> Pixels:
    """This thread's uint8 memory of that name and shape, with whatever it held before.

    It grows to the largest request and is given away again by the next call with the same name.
    """
    size = int(np.prod(shape))
    memory: Pixels | None = getattr(_local, name, None)
    if memory is None or memory.size < size:
        memory = np.empty(size, np.uint8)
        setattr(_local, name, memory)
    return memory[:size].reshape(shape)


def resize(pixels: Pixels, width: int, height: int, interpolation: int | None) -> Pixels:
    """`pixels` resized, in this thread's scratch memory; itself where it has that size already.

    Args:
        pixels: uint8 (height, width, 3).
        width: of the result.
        height: of the result.
        interpolation: an OpenCV constant; None takes the average of the area for shrinking and
            bilinear for enlarging, which is closest to the antialiased bilinear of Pillow.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    if interpolation is None:
        shrinks = width * height < pixels.shape[0] * pixels.shape[1]
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    memory = scratch("resized", (height, width, 3))
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
    def of(cls, mean: tuple[float, ...], std: tuple[float, ...]) -> Normalisation:
        """The usual form: (pixel / 255 - mean) / std."""
        red, green, blue = (1 / (255 * s) for s in std)
        shift_red, shift_green, shift_blue = (-m / s for m, s in zip(mean, std, strict=True))
        return cls((red, green, blue), (shift_red, shift_green, shift_blue))


def write_planes(
    image: Image,
    pixels: Pixels,
    out: NDArray[Any],
    normalisation: Normalisation,
) -> None:
    """Write the normalised pixels into `out`, red first.

    Args:
        image: whose channel order `pixels` has.
        pixels: uint8 (height, width, 3), C-contiguous.
        out: (3, height, width), a view into the tensor; uint8 takes the pixels as they are.
        normalisation: factor and addend per channel.
    """
    plane = scratch("plane", pixels.shape[:2])
    for channel in range(3):
        cv2.extractChannel(pixels, channel if image.color_format == "rgb" else 2 - channel, plane)
        if out.dtype == np.uint8:
            out[channel] = plane
            continue
        factor, shift = normalisation.scale[channel], normalisation.shift[channel]
        np.multiply(plane, np.float32(factor), out=out[channel], casting="same_kind")
        if shift:
            out[channel] += np.asarray(shift, out.dtype)


def tensor_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of an image input; float32 where the file doesn't say.

    Raises:
        InvalidModel: not one that pixels can be written to.
    """
    if name not in (*DTYPES, "any"):
        raise InvalidModel(f"the graph's image input is {name}; it must be {', '.join(DTYPES)}")
    return np.dtype("float32" if name == "any" else name)
