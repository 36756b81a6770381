"""Whether a file is a PDF or a picture, told by its first bytes; nothing is decoded.

A PDF's header may stand after other bytes, and metadata of a picture may mention one: what begins as a
picture does is a picture.
"""

from __future__ import annotations

import re

SIGNED_WITHIN = 1024
"""The header of a PDF is among the first so many bytes (ISO 32000-2, annex I)."""

# JPEG, PNG, GIF, TIFF and BigTIFF, WebP, AVIF and HEIF, JPEG 2000, PNM, QOI.
_PICTURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|II[*+]\0|MM\0[*+]|RIFF....WEBP|....ftyp"
    rb"|\0\0\0\x0cjP  |P[1-7]\s|qoif",
    re.DOTALL,
)


def is_picture(head: bytes) -> bool:
    """Whether a file with these first bytes is a picture of a format whose metadata hold text."""
    return _PICTURE.match(head) is not None


def is_pdf(head: bytes) -> bool:
    """Whether a file with these first bytes is a PDF.

    Args:
        head: the first `SIGNED_WITHIN` bytes, or all of a shorter file.
    """
    return b"%PDF-" in head[:SIGNED_WITHIN] and not is_picture(head)
