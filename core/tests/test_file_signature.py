"""PDFs and pictures, told by their first bytes."""

from __future__ import annotations

import io

import pytest
from inference_core.file_signature import SIGNED_WITHIN, is_pdf, is_picture
from PIL import Image

HEADER = b"%PDF-1.7\n"


@pytest.mark.parametrize("before", [0, 1, SIGNED_WITHIN - 5])
def test_a_pdf_may_begin_late(before):
    assert is_pdf(b"x" * before + HEADER)
    assert not is_picture(b"x" * before + HEADER)


@pytest.mark.parametrize("head", [b"", b"hello", b"x" * (SIGNED_WITHIN - 4) + HEADER])
def test_what_is_neither(head):
    assert not is_pdf(head)
    assert not is_picture(head)


@pytest.mark.parametrize(
    "kind", ["AVIF", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "QOI", "TIFF", "WEBP"]
)
def test_a_picture_that_mentions_a_pdf_is_none(kind):
    file = io.BytesIO()
    try:
        Image.new("RGB", (8, 8)).save(file, kind)
    except KeyError:
        pytest.skip(f"this Pillow writes no {kind}")
    assert is_picture(file.getvalue())
    assert not is_pdf(file.getvalue()[:900] + HEADER)


def test_a_bigtiff_is_a_picture():
    assert is_picture(b"II+\0\x08\0\0\0")
    assert is_picture(b"MM\0+\0\x08\0\0")
