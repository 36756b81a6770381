"""Pages as pictures from whatever the caller has: a picture, a PDF, a TIFF of several pages.

Pictures are read by inference-vision, PDFs rendered by PDFium. Pages come one by one, for a long PDF
doesn't fit into memory as pictures.
"""

from __future__ import annotations

import io
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from inference_core.errors import InferenceError, InvalidArgument, InvalidInput
from inference_vision.image import MAX_PIXELS, Pixels, read_image

from inference_doctr.options import CallOptions

POINTS_PER_INCH = 72
_PDF = b"%PDF-"
_PDF_WITHIN = 1024  # a PDF's header may stand after other bytes (ISO 32000-2, annex I)
_TIFF = (b"II*\0", b"MM\0*")
# What Pillow raises for damaged ones, depending on where the damage is.
_TIFF_ERRORS = (OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, struct.error)

# PDFium isn't made for several threads, not even with documents of their own.
_pdfium = threading.Lock()


def read_pages(value: Any, options: CallOptions) -> Iterator[Pixels]:
    """The pages of one input, each uint8 (height, width, 3) in RGB.

    Args:
        value: what `read_image` takes, or the path or bytes of a PDF, or a tuple of all these, which
            together are one document.
        options: `dpi`, `pages` and `password` for PDFs, `color_format` for arrays.

    Raises:
        InvalidInput: it can't be read, with the reason.
        InvalidArgument: it hasn't the pages that `pages` names.
    """
    if isinstance(value, tuple):
        if not value:
            raise InvalidInput("the tuple is empty; pages are pictures or PDFs")
        for each in value:
            yield from read_pages(each, options)
        return
    head = _head(value)
    if _PDF in head:
        yield from _pdf_pages(value, options)
    elif head.startswith(_TIFF):
        yield from _tiff_pages(value, options)
    else:
        _chosen(options.pages, 1, "a picture")
        yield _rgb(value, options)


def _head(value: Any) -> bytes:
    """The first bytes of a file or of bytes; none of what is neither, or can't be read."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(memoryview(value)[:_PDF_WITHIN])
    if isinstance(value, (str, os.PathLike)):
        try:
            if Path(os.fsdecode(value)).is_file():  # and no pipe, which could be read only once
                with open(value, "rb") as file:
                    return file.read(_PDF_WITHIN)
        except (OSError, ValueError):
            return b""  # read_image says what is wrong with it
    return b""


def _rgb(value: Any, options: CallOptions) -> Pixels:
    image = read_image(value, options.color_format)
    if image.color_format == "rgb":
        return image.pixels
    return np.ascontiguousarray(image.pixels[..., ::-1])


def _chosen(numbers: tuple[int, ...], count: int, what: str) -> range | tuple[int, ...]:
    """The indices of the pages to read."""
    for number in numbers:
        if number > count:
            has = "has one page" if count == 1 else f"has {count} pages"
            raise InvalidArgument(f"pages asks for page {number}, and {what} {has}")
    return tuple(number - 1 for number in numbers) or range(count)


def _pdf_pages(value: Any, options: CallOptions) -> Iterator[Pixels]:
    import pypdfium2

    is_path = isinstance(value, (str, os.PathLike))
    name = os.fsdecode(value) if is_path else f"<PDF of {memoryview(value).nbytes} bytes>"
    source = Path(name) if is_path else bytes(value)
    with _pdfium:
        try:
            pdf = pypdfium2.PdfDocument(source, password=options.password)
            count = len(pdf)
        except pypdfium2.PdfiumError as error:
            asked = "the password is wrong" if options.password else "give password= if it has one"
            raise InvalidInput(f"{name} can't be opened as PDF: {error} ({asked})") from error
    try:
        for index in _chosen(options.pages, count, name):
            with _pdfium:
                try:
                    rendered = _rendered(pdf[index], options.dpi, f"{name}, page {index + 1}")
                except (pypdfium2.PdfiumError, MemoryError) as error:
                    message = f"{name}, page {index + 1} can't be rendered: {error}"
                    raise InvalidInput(message) from error
            yield rendered
    finally:
        with _pdfium:
            pdf.close()


def _rendered(page: Any, dpi: int, name: str) -> Pixels:
    try:
        width, height = (side * dpi / POINTS_PER_INCH for side in page.get_size())
        if width * height > MAX_PIXELS:
            raise InvalidInput(
                f"{name} has {width:.0f} x {height:.0f} pixels at dpi={dpi}, and the limit is "
                f"{MAX_PIXELS:,} pixels: take a lower dpi"
            )
        bitmap = page.render(scale=dpi / POINTS_PER_INCH, rev_byteorder=True)
        try:
            # A copy, for the array is of PDFium's memory.
            return np.array(bitmap.to_numpy()[..., :3], np.uint8, order="C")
        finally:
            bitmap.close()
    finally:
        page.close()


def _tiff_pages(value: Any, options: CallOptions) -> Iterator[Pixels]:
    from PIL import Image

    is_path = isinstance(value, (str, os.PathLike))
    name = os.fsdecode(value) if is_path else f"<TIFF of {memoryview(value).nbytes} bytes>"
    try:
        with Image.open(value if is_path else io.BytesIO(value), formats=["TIFF"]) as picture:
            for index in _chosen(options.pages, getattr(picture, "n_frames", 1), name):
                picture.seek(index)
                yield _rgb(picture, options)
    except InferenceError:
        raise
    except _TIFF_ERRORS as error:
        raise InvalidInput(f"{name} can't be read as TIFF: {error}") from error
