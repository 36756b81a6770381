"""Reading images: whatever a caller has becomes one `Image`, or an `InvalidInput` that says why not.

JPEG and PNG, nearly everything in practice, are decoded by OpenCV, which also applies their EXIF
orientation; other formats by Pillow, imported only then. An alpha channel is dropped, as the
pipelines do that these models were trained with. Nothing here resizes or normalises.
"""

from __future__ import annotations

import io
import os
import re
import struct
import sys
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from inference_core.errors import InvalidArgument, InvalidInput
from numpy.typing import NDArray

from inference_vision import image_header

if TYPE_CHECKING:
    import PIL.Image

ColorFormat = Literal["bgr", "rgb"]

MAX_PIXELS = 200_000_000
"""Images that declare more pixels than this are refused before they are decoded."""
MAX_SIDE = 1_000_000
"""Longest side in pixels; the PNG decoder's own limit."""
MAX_BYTES = 1 << 30
"""Larger files are refused before they are read."""

# Those that Pillow decodes by itself: without EPS, for one, which would start another program.
_PILLOW_FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG2000", "MPO", "PCX", "PPM", "QOI", "SGI", "TGA",
    "TIFF", "WEBP",
)  # fmt: skip

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A decoded image.

    Attributes:
        pixels: uint8 (height, width, 3), C-contiguous. It may be the caller's own array: read only.
        color_format: order of the channels.
        source: where it came from, for messages: a path, or "<array>" and the like.
    """

    pixels: Pixels
    color_format: ColorFormat
    source: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


def read_image(value: Any, color_format: str = "bgr") -> Image:
    """Read an image from whatever the caller has.

    Args:
        value: a path (str or PathLike), the bytes of an image file, a `PIL.Image.Image`, an
            `Image` (returned as it is), or an array: uint8 or uint16 (scaled from 0..65535) of
            shape (height, width), (height, width, 1), (…, 3) or (…, 4).
        color_format: "bgr" or "rgb": the channel order of `value` if it is an array; everything
            else knows its own.

    Raises:
        InvalidInput: it can't be read, with the reason.
        InvalidArgument: `color_format` is neither "bgr" nor "rgb".
    """
    if color_format not in ("bgr", "rgb"):
        raise InvalidArgument(f'color_format must be "bgr" or "rgb", not {color_format!r}')
    if isinstance(value, Image):
        return value
    if isinstance(value, np.ndarray):
        return Image(_from_array(value), "rgb" if color_format == "rgb" else "bgr", "<array>")
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        return _from_bytes(_read_file(path), os.fsdecode(path))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(value), f"<{memoryview(value).nbytes} bytes>")
    pillow = sys.modules.get("PIL.Image")  # no such object exists unless someone imported it
    if pillow is not None and isinstance(value, pillow.Image):
        source = getattr(value, "filename", "") or "<PIL image>"
        try:
            return Image(_from_pillow(value, str(source)), "rgb", str(source))
        except _pillow_errors() as error:
            raise InvalidInput(f"{source}: Pillow can't decode it: {error}") from error
    raise InvalidInput(
        f"can't read an image from {type(value).__module__}.{type(value).__qualname__}; "
        f"{_type_hint(value)}"
    )


def _read_file(path: str | bytes) -> bytes:
    name = os.fsdecode(path)
    if re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE):
        raise InvalidInput(f"{name}: this library downloads nothing; fetch it and pass the file")
    try:
        file = Path(name)
        if file.is_dir():
            raise InvalidInput(f"{name}: a folder, not an image file")
        if not file.exists():
            raise InvalidInput(f"{name}: no such file (looked in {Path.cwd()})")
        if not file.is_file():
            raise InvalidInput(f"{name}: not a regular file; read it and pass its bytes")
        if (size := file.stat().st_size) > MAX_BYTES:
            raise InvalidInput(f"{name}: {size:,} bytes is too large; the limit is {MAX_BYTES:,}")
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{name}: {error.strerror or error}") from error
    except ValueError as error:  # a null character; InvalidInput is a ValueError too
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{name!r} can't be a path: {error}") from error


def _from_bytes(data: bytes, source: str) -> Image:
    if not data:
        raise InvalidInput(f"{source}: it is empty")
    kind = image_header.kind_of(data)
    if kind is None:
        return Image(_decode_with_pillow(data, source), "rgb", source)
    try:
        _check_size(*image_header.declared_size(data, kind))
        image_header.check_complete(data, kind)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (ValueError, cv2.error) as error:
        raise InvalidInput(f"{source}: {error}") from error
    if pixels is None:
        raise InvalidInput(f"{source}: the {kind.upper()} data is damaged and can't be decoded")
    return Image(np.asarray(pixels, np.uint8), "bgr", source)


def _decode_with_pillow(data: bytes, source: str) -> Pixels:
    import PIL.Image as pillow
    from PIL import UnidentifiedImageError

    pillow.init()  # all formats: the list below may name one that this build of Pillow lacks
    formats = [name for name in _PILLOW_FORMATS if name in pillow.OPEN]
    try:
        with pillow.open(io.BytesIO(data), formats=formats) as picture:
            return _from_pillow(picture, source)
    except UnidentifiedImageError as error:
        # Of MP4's family, and none of the pictures that are.
        video = data[4:8] == b"ftyp" and data[8:11] not in (b"hei", b"hev", b"mif", b"msf", b"avi")
        hint = "; the name of a video needs its suffix, such as .mp4" if video else ""
        raise InvalidInput(
            f"{source}: not an image (it starts with {data[:12]!r}){hint}"
        ) from error
    except _pillow_errors() as error:
        raise InvalidInput(f"{source}: can't be decoded: {error}") from error


def _pillow_errors() -> tuple[type[Exception], ...]:
    """What Pillow raises for damaged, truncated or hostile files, depending on their format."""
    import PIL.Image as pillow

    return (OSError, SyntaxError, ValueError, EOFError, struct.error, pillow.DecompressionBombError)


def _from_pillow(picture: PIL.Image.Image, source: str) -> Pixels:
    """Pixels in RGB order."""
    from PIL import ImageOps

    _check_size(*picture.size)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "F"):
        kind = "integer" if picture.mode == "I" else "float"
        raise ValueError(f"it has 32-bit {kind} pixels of unknown range; scale them to 8 bits")
    if picture.mode.startswith("I;16"):
        return _from_array(np.asarray(picture).astype(np.uint16))
    if picture.mode == "La":  # Pillow converts it to nothing else
        picture = picture.convert("LA")
    return np.ascontiguousarray(picture.convert("RGB"), np.uint8)


def _from_array(array: NDArray[Any]) -> Pixels:
    """The array as uint8 (height, width, 3); the caller's own memory where it is that already."""
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # in either order of bytes
        array = (array >> 8).astype(np.uint8)
    if array.dtype != np.uint8:
        raise InvalidInput(f"an image array must be uint8, not {array.dtype}{_dtype_hint(array)}")
    if array.ndim == 4:
        raise InvalidInput(f"an array of shape {array.shape} is a batch: pass a list of images")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        planes = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        hint = "; channels come last: pass array.transpose(1, 2, 0)" if planes else ""
        raise InvalidInput(
            "an image array must have the shape (height, width) or (height, width, channels) with "
            f"1, 3 or 4 channels, not {array.shape}{hint}"
        )
    try:
        _check_size(array.shape[1], array.shape[0])
    except ValueError as error:
        raise InvalidInput(f"an array of shape {array.shape}: {error}") from error
    array = np.ascontiguousarray(array)
    if array.ndim == 2 or array.shape[2] == 1:
        return np.asarray(cv2.cvtColor(array, cv2.COLOR_GRAY2BGR), np.uint8)
    if array.shape[2] == 4:
        return np.asarray(cv2.cvtColor(array, cv2.COLOR_BGRA2BGR), np.uint8)
    return array


def _type_hint(value: Any) -> str:
    if hasattr(value, "read"):  # files are iterators too
        return "of an open file, pass what its read() gives"
    if isinstance(value, list):
        return "several images are one list, without lists in it"
    if isinstance(value, (Sequence, Set, Iterator)):
        return "pass several images as a list: list(images), or image by image to stream(images)"
    return "pass a path, the bytes of an image file, a PIL image or a numpy array"


def _dtype_hint(array: NDArray[Any]) -> str:
    if array.dtype.kind == "f":
        return (
            "; floats don't say their range: for 0..1 pass (array * 255).round().astype('uint8'), "
            "and give a prepared tensor to predict_tensors"
        )
    if array.dtype.kind == "b":
        return "; pass array.astype('uint8') * 255"
    return "; pass array.astype('uint8') if its values are 0..255"


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"an image of {width} x {height} pixels has no content")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ValueError(
            f"{width} x {height} pixels is too large; the limit is {MAX_PIXELS:,} pixels and "
            f"{MAX_SIDE:,} on a side"
        )
