"""The protobuf wire format, walked in a file without loading it or knowing its schema.

A message is a sequence of fields, each a number and either an integer or a run of bytes (a text, a
nested message, packed numbers); see https://protobuf.dev/programming-guides/encoding. Fields nobody
asks for are skipped by their length. The files are untrusted, so the number of fields, the amount
of text taken from one file and the bytes searched are limited, and whatever is unsound raises
`InvalidModel`.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import ClassVar, NamedTuple

from inference_core.errors import InvalidModel

MAX_FIELDS = 1_000_000
MAX_TEXT_BYTES = 16 * 2**20
MAX_SEARCHED_BYTES = 2**31  # no protobuf message is longer, as its own libraries have it
_WINDOW = 8192
_CHUNK = 2**20  # for searching

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field: `value` if it is an integer, or the bytes from `start` to `stop` of the file."""

    number: int
    wire: int
    value: int
    start: int
    stop: int


class ProtobufFile:
    """One pass over one file, through a window of a few kilobytes.

    Reading with seeks, not a memory map: a file that shrinks under a map kills the process.

    Class attributes:
        KIND: what the file should be, for messages.
    """

    KIND: ClassVar[str]

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self.file = file
        self.size = file.seek(0, 2)
        self.window = b""
        self.base = 0
        self.fields_left = MAX_FIELDS
        self.text_left = MAX_TEXT_BYTES
        self.search_left = MAX_SEARCHED_BYTES

    def fields(self, start: int, stop: int, where: str, wanted: tuple[int, ...]) -> Iterator[Field]:
        """The fields with a `wanted` number in the message between two bytes of the file."""
        position = start
        while position < stop:
            self.fields_left -= 1
            if self.fields_left < 0:
                raise self.invalid(f"it has more than {MAX_FIELDS:,} fields")
            at = position
            key, position = self.varint(position, stop)
            number, wire, value, begin = key >> 3, key & 7, 0, position
            if wire == BYTES:
                length, begin = self.varint(position, stop)
                position = begin + length
            elif wire == VARINT:
                value, position = self.varint(position, stop)
            elif wire == FIXED32:
                position += 4
            elif wire == FIXED64:
                position += 8
            else:
                raise self.invalid(f"byte {at}, in {where}, starts no known kind of field")
            if number == 0:
                raise self.invalid(f"byte {at}, in {where}, starts a field numbered 0")
            if position > stop:
                raise self.cut(at, position, stop, where)
            if number in wanted:
                yield Field(number, wire, value, begin, position)

    def varint(self, position: int, stop: int) -> tuple[int, int]:
        """An integer of up to 64 bits in groups of seven, and the position after it."""
        window, at = self.window, position - self.base
        if at < 0 or at + 10 > len(window):
            window, at = self.load(position, _WINDOW), 0
        if position < stop and at < len(window) and window[at] < 0x80:
            return window[at], position + 1  # nearly all are this short
        value = shift = 0
        for byte in window[at : at + min(10, stop - position)]:
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, position + shift // 7
        if shift < 70:
            raise self.invalid(
                f"it is truncated or damaged: the number at byte {position} breaks off"
            )
        raise self.invalid(f"the number at byte {position} has more than 64 bits")

    def load(self, position: int, length: int) -> bytes:
        """Move the window."""
        self.file.seek(position)
        self.window, self.base = self.file.read(length), position
        return self.window

    def text(self, f: Field, what: str) -> str:
        """A UTF-8 string."""
        length = f.stop - self.message(f, what).start
        self.text_left -= length
        if self.text_left < 0:
            raise self.invalid(f"its names and metadata exceed {MAX_TEXT_BYTES:,} bytes")
        at = f.start - self.base
        if at < 0 or at + length > len(self.window):
            self.load(f.start, max(length, _WINDOW))
            at = 0
        try:
            return self.window[at : at + length].decode()
        except UnicodeDecodeError as error:
            raise self.invalid(f"the {what} at byte {f.start} isn't UTF-8 text") from error

    def positions(self, word: bytes, f: Field) -> list[int]:
        """Where in the file, ascending, `word` stands within the bytes of a field."""
        found: list[int] = []
        position, stop, size = f.start, f.stop, len(word)
        self.search_left -= stop - position
        if self.search_left < 0:
            raise self.invalid(f"its nodes exceed {MAX_SEARCHED_BYTES:,} bytes")
        while position + size <= stop:
            base, end = self.base, self.base + len(self.window)
            if position < base or end < stop:
                window = self.load(position, min(max(stop - position, _WINDOW), _CHUNK))
                base, end = position, position + len(window)
                if end < position + size:
                    raise self.invalid("it became shorter while it was read")
            at = self.window.find(word, position - base, stop - base)
            if at >= 0:
                found.append(base + at)
                position = base + at + 1
                self.fields_left -= 1  # they may be as many as fields, and cost as much
                if self.fields_left < 0:
                    raise self.invalid(f"it has more than {MAX_FIELDS:,} fields")
            elif end >= stop:
                break
            else:
                position = end - size + 1  # the word may straddle two windows
        return found

    def message(self, f: Field, what: str) -> Field:
        """The field itself, if it can be a message or text."""
        if f.wire != BYTES:
            raise self.invalid(f"the {what} at byte {f.start} is a number, not a message or text")
        return f

    def number(self, f: Field, what: str) -> int:
        """The field's integer."""
        if f.wire != VARINT:
            raise self.invalid(f"the {what} at byte {f.start} isn't an integer")
        return f.value

    def cut(self, at: int, end: int, stop: int, where: str) -> InvalidModel:
        """The error for a field that goes on beyond its message or the file."""
        what = f"the field at byte {at}, in {where}, ends at byte {end}"
        if stop == self.size:
            return self.invalid(f"it is truncated or damaged: {what}, the file at byte {stop}")
        return self.invalid(f"{what}, beyond its message, which ends at byte {stop}")

    def invalid(self, problem: str) -> InvalidModel:
        """The error for this file and this problem."""
        return InvalidModel(
            f"{self.path} is no sound {self.KIND} file: {problem} (size {self.size} bytes)"
        )
