"""The FlatBuffers wire format, walked in a file without loading it or knowing its schema.

A table begins with the distance to its vtable, which says where each field of the table lies; texts,
vectors and other tables are reached through distances, too; see
https://flatbuffers.dev/internals. The files are untrusted: every position is checked against the
file's size, the tables, the numbers and the text taken from one file are limited, and whatever is
unsound raises `InvalidModel`. There is no recursion for a hostile file to drive.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from inference_core.errors import InvalidModel

MAX_TABLES = 100_000
MAX_NUMBERS = 4_000_000
MAX_TEXT_BYTES = 16 * 2**20
_PAGE = 4096
_OVERLAP = 64  # so that a number at the end of a page lies in it as a whole
_MAX_PAGES = 128
_MAX_FIELDS = 64  # of a table; no schema read here has as many
_MAX_VTABLES = 1000

_SIZES = {code: struct.calcsize(f"<{code}") for code in "?bBhHiIqQf"}


class Flatbuffer:
    """One file (or piece of a file) that holds a flatbuffer, read in pages, of which some are kept.

    Reading with seeks, not a memory map: a file that shrinks under a map kills the process.

    Args:
        path: for messages.
        file: open for reading bytes.
        kind: what the file should be, for messages.
    """

    def __init__(self, path: Path, file: BinaryIO, kind: str) -> None:
        self.path, self.file, self.kind = path, file, kind
        self.size = file.seek(0, 2)
        self.pages: dict[int, bytes] = {}
        self.tables_left, self.numbers_left = MAX_TABLES, MAX_NUMBERS
        self.text_left = MAX_TEXT_BYTES
        # Tables of one kind share theirs, which may lie far from most of them.
        self.vtables: dict[int, tuple[int, ...]] = {}

    def root(self, identifier: bytes) -> Table:
        """The outermost table.

        Raises:
            InvalidModel: the four bytes of `identifier` aren't where the format has them.
        """
        if self.size < 8 or self.take(4, 4) != identifier:
            name = identifier.decode()
            raise self.invalid(f"the identifier {name} isn't at byte 4")
        return Table(self, self.distance(0))

    def take(self, position: int, count: int) -> bytes:
        """So many bytes from a position on."""
        if position < 0 or position + count > self.size:
            raise self.invalid(
                f"it is truncated or damaged: what lies at byte {position} ends at byte "
                f"{position + count}"
            )
        number, at = divmod(position, _PAGE)
        if at + count > _PAGE + _OVERLAP:
            return self._read(position, count)
        page = self.pages.get(number)
        if page is None:
            if len(self.pages) == _MAX_PAGES:
                del self.pages[next(iter(self.pages))]  # the oldest
            begin = number * _PAGE
            page = self._read(begin, min(_PAGE + _OVERLAP, self.size - begin))
            self.pages[number] = page
        return page[at : at + count]

    def _read(self, position: int, count: int) -> bytes:
        self.file.seek(position)
        content = self.file.read(count)
        if len(content) < count:
            raise self.invalid("it became shorter while it was read")
        return content

    def number(self, position: int, code: str) -> int:
        """One integer, with the type that `struct` calls so."""
        return int(struct.unpack(f"<{code}", self.take(position, _SIZES[code]))[0])

    def distance(self, position: int) -> int:
        """The position that the distance at `position` leads to."""
        return position + self.number(position, "I")

    def vtable(self, position: int) -> tuple[int, ...]:
        """Where the fields of a table lie, from where it begins; 0 for those it hasn't got."""
        fields = self.vtables.get(position)
        if fields is None:
            size = self.number(position, "H")
            if size < 4 or size % 2:
                raise self.invalid(f"the vtable at byte {position} has a size of {size}")
            count = min(size // 2 - 2, _MAX_FIELDS)
            fields = struct.unpack(f"<{count}H", self.take(position + 4, 2 * count))
            if len(self.vtables) < _MAX_VTABLES:
                self.vtables[position] = fields
        return fields

    def too_many_tables(self) -> InvalidModel:
        """The error for a file that would take too long to read."""
        return self.invalid(f"it has more than {MAX_TABLES:,} tables")

    def invalid(self, problem: str) -> InvalidModel:
        """The error for this file and this problem."""
        return InvalidModel(
            f"{self.path} is no sound {self.kind} file: {problem} (size {self.size} bytes)"
        )


class Table:
    """One table; its fields are asked for by their numbers in the schema.

    Raises:
        InvalidModel: it, or its vtable, lies outside the file; from the methods: what a field holds
            does, or the limits are exceeded.
    """

    __slots__ = ("_fields", "_position", "_source")

    def __init__(self, source: Flatbuffer, position: int) -> None:
        source.tables_left -= 1
        if source.tables_left < 0:
            raise source.too_many_tables()
        self._source, self._position = source, position
        self._fields = source.vtable(position - source.number(position, "i"))

    def integer(self, field: int, code: str, default: int = 0) -> int:
        """A number; `code` is its type as `struct` calls it."""
        at = self._at(field)
        return self._source.number(at, code) if at else default

    def text(self, field: int) -> str:
        """A UTF-8 string, "" if it isn't there."""
        start, count = self.extent(field, 1)
        self._source.text_left -= count
        if self._source.text_left < 0:
            raise self._source.invalid(f"its texts exceed {MAX_TEXT_BYTES:,} bytes")
        try:
            return self._source.take(start, count).decode() if count else ""
        except UnicodeDecodeError as error:
            raise self._source.invalid(f"the text at byte {start} isn't UTF-8") from error

    def numbers(self, field: int, code: str) -> tuple[int, ...]:
        """A vector of integers, () if it isn't there."""
        return self._vector(field, code)

    def floats(self, field: int) -> tuple[float, ...]:
        """A vector of 32-bit floats, () if it isn't there."""
        return self._vector(field, "f")

    def _vector(self, field: int, code: str) -> tuple[Any, ...]:
        start, count = self.extent(field, _SIZES[code])
        self._source.numbers_left -= count
        if self._source.numbers_left < 0:
            raise self._source.invalid(f"its vectors hold more than {MAX_NUMBERS:,} numbers")
        raw = self._source.take(start, count * _SIZES[code]) if count else b""
        return struct.unpack(f"<{count}{code}", raw)

    def table(self, field: int) -> Table | None:
        """A table, None if it isn't there."""
        at = self._at(field)
        return Table(self._source, self._source.distance(at)) if at else None

    def tables(self, field: int) -> Iterator[Table]:
        """The tables of a vector, one after the other."""
        start, count = self.extent(field, 4)
        if count > self._source.tables_left:
            raise self._source.too_many_tables()
        raw = self._source.take(start, 4 * count) if count else b""
        for at, (distance,) in enumerate(struct.iter_unpack("<I", raw)):
            yield Table(self._source, start + 4 * at + distance)

    def extent(self, field: int, item: int) -> tuple[int, int]:
        """Where the items of a vector begin and how many there are; all lie within the file.

        Args:
            field: its number.
            item: size of an item in bytes.
        """
        at = self._at(field)
        if not at:
            return 0, 0
        vector = self._source.distance(at)
        start, count = vector + 4, self._source.number(vector, "I")
        end = start + count * item
        if end > self._source.size:
            raise self._source.invalid(
                f"it is truncated or damaged: the vector at byte {vector} ends at byte {end}"
            )
        return start, count

    def _at(self, field: int) -> int:
        """Position of a field, 0 if the table hasn't got it."""
        offset = self._fields[field] if field < len(self._fields) else 0
        return self._position + offset if offset else 0
