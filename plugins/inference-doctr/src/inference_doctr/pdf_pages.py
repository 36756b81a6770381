"""Pages of a PDF, rendered by PDFium: what is seen, filled-in forms included."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
from inference_core.errors import InvalidInput
from inference_vision.image import MAX_PIXELS, Image, Pixels

from inference_doctr.options import PageOptions
from inference_doctr.page_numbers import chosen_pages, name_of

POINTS_PER_INCH = 72

# PDFium isn't made for several threads, not even with documents of their own. Reentrant, because the
# garbage collector may finalise an abandoned generator, which closes its document, while this very
# thread is inside.
_pdfium = threading.RLock()


def pages_of(value: Any, options: PageOptions) -> Generator[Image]:
    """The pages of a PDF, each as an `Image` in RGB that names file and page.

    Args:
        value: its path or its bytes.
        options: `dpi`, `pages` and `password`.

    Raises:
        InvalidInput: it can't be opened or rendered, or lacks one of the pages.
    """
    name = name_of(value, "PDF")
    with _pdfium:
        pdf = _opened(value, name, options.password)
    try:
        with _pdfium:
            count = len(pdf)
        for index in chosen_pages(options.pages, count, name):
            place = f"{name}, page {index + 1}"
            with _pdfium:
                try:
                    pixels = _rendered(pdf[index], options.dpi, place)
                except (pypdfium2.PdfiumError, MemoryError) as error:
                    raise InvalidInput(f"{place} can't be rendered: {error}") from error
            yield Image(pixels, "rgb", place)
    finally:
        with _pdfium:
            pdf.close()


def _opened(value: Any, name: str, password: str | None) -> pypdfium2.PdfDocument:
    source = Path(name) if isinstance(value, (str, os.PathLike)) else bytes(value)
    try:
        pdf = pypdfium2.PdfDocument(source, password=password)
    except pypdfium2.PdfiumError as error:
        raise InvalidInput(f"{name} {_why(str(error), password)}") from error
    try:
        pdf.init_forms()  # or what is filled in wouldn't be rendered; before any page is asked for
    except pypdfium2.PdfiumError as error:
        pdf.close()
        raise InvalidInput(f"{name} has a form that PDFium can't read: {error}") from error
    return pdf


def _why(message: str, password: str | None) -> str:
    """PDFium's message in words for those who have the file."""
    if "password" in message.lower():
        asked = "that password is wrong" if password else "give its password="
        return f"is encrypted: {asked}"
    if "format error" in message.lower():
        return "can't be opened as PDF: it is damaged or has no pages"
    return f"can't be opened as PDF: {message}"


def _rendered(page: pypdfium2.PdfPage, dpi: int, place: str) -> Pixels:
    try:
        width, height = (side * dpi / POINTS_PER_INCH for side in page.get_size())
        if width * height > MAX_PIXELS:
            raise InvalidInput(
                f"{place} has {width:.0f} x {height:.0f} pixels at dpi={dpi}, and the limit is "
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
