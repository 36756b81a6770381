"""Writes flatbuffers from nested dicts, so that readers meet files that no library made for them.

A table is a dict of values by field number: `Scalar("i", -1)`, a text, bytes (a vector of them), a
`Vector("i", [1, 2])`, another dict, or a list of dicts. Parents come before their children.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Scalar(NamedTuple):
    """A number; `code` is its type as `struct` calls it."""

    code: str
    value: int


class Vector(NamedTuple):
    """Numbers of one type."""

    code: str
    values: Sequence[float]


def flatbuffer(root: Mapping[int, Any], identifier: bytes) -> bytes:
    """The file whose outermost table is `root`."""
    out = bytearray(8)
    out[4:8] = identifier
    struct.pack_into("<I", out, 0, _table(out, root))
    return bytes(out)


def _table(out: bytearray, fields: Mapping[int, Any]) -> int:
    count = max(fields, default=-1) + 1
    _pad(out, 8)
    vtable = len(out)
    out += struct.pack("<HH", 4 + 2 * count, 8 + 8 * count)
    out += b"".join(struct.pack("<H", 8 + 8 * n if n in fields else 0) for n in range(count))
    _pad(out, 8)
    table = len(out)
    out += struct.pack("<i", table - vtable) + bytes(4 + 8 * count)
    for number, value in fields.items():
        at = table + 8 + 8 * number
        if isinstance(value, Scalar):
            struct.pack_into(f"<{value.code}", out, at, value.value)
        else:
            struct.pack_into("<I", out, at, _child(out, value) - at)
    return table


def _child(out: bytearray, value: Any) -> int:
    if isinstance(value, Mapping):
        return _table(out, value)
    if isinstance(value, list):
        start = _vector(out, bytes(4 * len(value)), len(value))
        for number, each in enumerate(value):
            at = start + 4 + 4 * number
            struct.pack_into("<I", out, at, _table(out, each) - at)
        return start
    if isinstance(value, Vector):
        raw = struct.pack(f"<{len(value.values)}{value.code}", *value.values)
        return _vector(out, raw, len(value.values))
    raw = value.encode() if isinstance(value, str) else value
    return _vector(out, raw + b"\0", len(raw))


def _vector(out: bytearray, raw: bytes, count: int) -> int:
    while (len(out) + 4) % 16:
        out.append(0)
    start = len(out)
    out += struct.pack("<I", count) + raw
    return start


def _pad(out: bytearray, size: int) -> None:
    while len(out) % size:
        out.append(0)
