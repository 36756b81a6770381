"""Pages of a TIFF, decoded by Pillow one by one."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Generator
from typing import Any

import PIL.Image
from inference_core.errors import InvalidInput
from inference_vision.image import Image, read_image

from inference_doctr.options import PageOptions
from inference_doctr.page_numbers import chosen_pages, name_of

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What TIFFs begin with, in either order of bytes; with "+" those of more than 4 GiB, BigTIFF."""

# What Pillow raises for damaged and hostile ones, depending on where the damage is.
_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    struct.error,
    PIL.Image.DecompressionBombError,
)


def pages_of(value: Any, options: PageOptions) -> Generator[Image]:
    """The pages of a TIFF, each as an `Image` in RGB that names file and page.

    Args:
        value: its path or its bytes.
        options: `pages`.

    Raises:
        InvalidInput: it can't be decoded, or lacks one of the pages.
    """
    name = place = name_of(value, "TIFF")
    source = value if isinstance(value, (str, os.PathLike)) else io.BytesIO(value)
    try:
        with PIL.Image.open(source, formats=["TIFF"]) as picture:
            for index in chosen_pages(options.pages, getattr(picture, "n_frames", 1), name):
                place = f"{name}, page {index + 1}"
                picture.seek(index)
                yield Image(_decoded(picture, place), "rgb", place)
    except InvalidInput:
        raise
    except PIL.UnidentifiedImageError as error:  # its words are of an object that nobody knows
        raise InvalidInput(
            f"{place} can't be read as TIFF: it begins as one and is damaged"
        ) from error
    except _ERRORS as error:
        raise InvalidInput(f"{place} can't be read as TIFF: {error}") from error


def _decoded(picture: Any, place: str) -> Any:
    try:
        return read_image(picture).pixels
    except InvalidInput as error:  # which calls bytes <PIL image>, and names no page
        raise InvalidInput(f"{place} can't be read as TIFF: {error.__cause__ or error}") from error
