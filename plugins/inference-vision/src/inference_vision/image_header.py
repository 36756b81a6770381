"""What a JPEG or PNG file says of itself, read with the standard library before it is decoded.

It answers two questions: how large the picture is, and whether the file is complete. Decoders
answer too, but after allocating, or by writing to stderr, or not at all. Formats: ITU-T T.81 annex B
(JPEG markers) and the W3C PNG specification, section 5 (chunks).
"""

from __future__ import annotations

import zlib
from typing import Literal

JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"

Kind = Literal["jpeg", "png"]

# Start-of-frame markers, which carry the size: C0 to CF without DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9

_TRUNCATED = "the file is truncated"


def kind_of(data: bytes) -> Kind | None:
    """ "jpeg" or "png" by the first bytes, None for anything else."""
    if data.startswith(JPEG):
        return "jpeg"
    return "png" if data.startswith(PNG) else None


def declared_size(data: bytes, kind: Kind) -> tuple[int, int]:
    """Width and height in pixels, as the file's header has them (before any EXIF orientation).

    Raises:
        ValueError: the header is damaged or missing.
    """
    if kind == "jpeg":
        frame = _jpeg_frame(data)
        # Marker, length (2), precision (1), height (2), width (2).
        return _number(data, frame + 7, 2), _number(data, frame + 5, 2)
    if data[12:16] != b"IHDR":
        raise ValueError("the PNG header is damaged")
    return _number(data, 16, 4), _number(data, 20, 4)


def check_complete(data: bytes, kind: Kind) -> None:
    """Raise unless the file goes on to its end marker (and, for PNG, every checksum is right).

    Raises:
        ValueError: with what is wrong.
    """
    if kind == "png":
        _check_png_chunks(data)
    # A thumbnail has an end marker too, but it lies before the frame, inside EXIF.
    elif data.rfind(bytes([0xFF, _END_OF_IMAGE]), _jpeg_frame(data)) < 0:
        raise ValueError(f"{_TRUNCATED}: the JPEG end marker is missing")


def _jpeg_frame(data: bytes) -> int:
    """Position of the start-of-frame marker."""
    position = 2
    while True:
        # Like decoders, skip what isn't a marker; a marker may be led by any number of FF.
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data):
            raise ValueError(f"{_TRUNCATED}: it ends in the JPEG header")
        marker = data[position + 1]
        if marker in _FRAMES:
            return position
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            raise ValueError("the JPEG header is damaged: it gives no size")
        if marker in (0x00, 0xFF):
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            position += 2 + max(2, _number(data, position + 2, 2))


def _check_png_chunks(data: bytes) -> None:
    view = memoryview(data)
    position = len(PNG)
    while True:
        if position + 12 > len(data):
            raise ValueError(f"{_TRUNCATED}: the PNG end chunk is missing")
        # Length of the content (4), type (4), content, CRC-32 of type and content (4).
        end = position + 12 + _number(data, position, 4)
        if end > len(data):
            raise ValueError(f"{_TRUNCATED}: it ends inside a PNG chunk")
        kind = data[position + 4 : position + 8]
        if zlib.crc32(view[position + 4 : end - 4]) != _number(data, end - 4, 4):
            raise ValueError(f"the file is damaged: wrong checksum in PNG chunk {kind!r}")
        if kind == b"IEND":
            return
        position = end


def _number(data: bytes, position: int, size: int) -> int:
    field = data[position : position + size]
    if len(field) < size:
        raise ValueError(f"{_TRUNCATED}: it ends in the header")
    return int.from_bytes(field, "big")
