"""Pages as pictures from whatever the caller has: a picture, a PDF, a TIFF of several pages.

Here it is told what a value is; inference-vision reads pictures, `pdf_pages` and `tiff_pages` the
others. Pages come one by one, for a long PDF doesn't fit into memory as pictures.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from inference_core.errors import InvalidInput
from inference_core.file_signature import SIGNED_WITHIN, is_pdf, is_picture
from inference_vision.image import Image, read_image

from inference_doctr import pdf_pages, tiff_pages
from inference_doctr.options import PageOptions
from inference_doctr.page_numbers import chosen_pages


def read_pages(
    value: Any,
    *,
    dpi: int = 144,
    pages: Sequence[int] = (),
    password: str | None = None,
    color_format: Literal["bgr", "rgb"] = "bgr",
) -> Generator[Image]:
    """The pages of one input as pictures, one by one: those that a model of the task `ocr` reads.

    Args:
        value: the path or bytes of a PDF, what `inference_vision.read_image` takes, or a tuple of all
            these, which together are one document.
        dpi: how finely pages of PDFs are rendered, 18 to 1200 dots per inch.
        pages: which pages of a PDF or TIFF, counted from 1; empty for all. Of a tuple each has them.
        password: what opens an encrypted PDF.
        color_format: "bgr" or "rgb", the channel order of `value` if it is an array.

    Returns:
        A generator of `inference_vision.Image`s in RGB, whose `source` names file and page. A file
        stays open until it has ended or is closed.

    Raises:
        InvalidInput: while iterating: it can't be read, with the reason, or lacks one of `pages`.
        InvalidArgument: an option out of its range.
    """
    return pages_of(value, PageOptions(dpi, tuple(pages), password, color_format))


def pages_of(value: Any, options: PageOptions) -> Generator[Image]:
    """`read_pages` with its options in one object."""
    if isinstance(value, tuple):
        if not value:
            raise InvalidInput("the tuple is empty; pages are pictures or PDFs")
        for each in value:
            yield from pages_of(each, options)
        return
    head = _head(value)
    if is_pdf(head):
        yield from pdf_pages.pages_of(value, options)
    elif head.startswith(tiff_pages.SIGNATURES):
        yield from tiff_pages.pages_of(value, options)
    else:
        if head and _is_called_pdf(value) and not is_picture(head):
            raise InvalidInput(
                f"{value} is no PDF: there is no %PDF- among its first {SIGNED_WITHIN} bytes (it "
                f"starts with {head[:12]!r})"
            )
        image = read_image(value, options.color_format)
        chosen_pages(options.pages, 1, image.source)
        yield _in_rgb(image)


def _head(value: Any) -> bytes:
    """The first bytes of a file or of bytes; none of what is neither, or can't be read."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(memoryview(value)[:SIGNED_WITHIN])
    if isinstance(value, (str, os.PathLike)):
        try:
            if Path(os.fsdecode(value)).is_file():  # and no pipe, which could be read only once
                with open(value, "rb") as file:
                    return file.read(SIGNED_WITHIN)
        except (OSError, ValueError):
            return b""  # read_image says what is wrong with it
    return b""


def _is_called_pdf(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike)) and os.fsdecode(value).lower().endswith(".pdf")


def _in_rgb(image: Image) -> Image:
    if image.color_format == "rgb":
        return image
    return Image(np.ascontiguousarray(image.pixels[..., ::-1]), "rgb", image.source)
