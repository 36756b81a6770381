"""Zip archives as readers meet them: a file of their own, or appended to another format's content.

Only the list of members and small ones are read, whatever sizes the file declares. The layout:
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.3.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from inference_core.errors import InvalidModel

MAX_MEMBERS = 10_000
# An entry has 46 bytes and a name; bundles of many members have short ones.
_MAX_DIRECTORY = 128 * MAX_MEMBERS
_END = b"PK\5\6"
_END_SIZE = 22
_MAX_COMMENT = 65_535
# Right before the end, where sizes exceed it (zip64): a record and what points to it.
_RECORD, _RECORD_SIZE = b"PK\6\6", 56
_LOCATOR, _LOCATOR_SIZE = b"PK\6\7", 20

# The methods that writers of models use; others would need decoders that hostile bytes can exhaust.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# What damaged or hostile bytes make zipfile and zlib raise.
_READ_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError,
    OSError, ValueError, OverflowError, MemoryError,
)  # fmt: skip


def open_archive(path: Path, file: BinaryIO) -> zipfile.ZipFile | None:
    """The archive that a file ends with; None if it doesn't end with one.

    Args:
        path: for messages.
        file: open for reading bytes, for as long as the archive is used.

    Raises:
        InvalidModel: the archive is damaged, or lists more than a model has.
    """
    size = file.seek(0, 2)
    before = _RECORD_SIZE + _LOCATOR_SIZE
    file.seek(max(0, size - before - _END_SIZE - _MAX_COMMENT))
    tail = file.read()
    at = _end(path, tail)
    if at is None:
        return None
    if _directory_size(tail, at) > _MAX_DIRECTORY:
        raise InvalidModel(
            f"{path}: the list of members of the zip archive in it exceeds {_MAX_DIRECTORY:,} bytes"
        )
    try:
        archive = zipfile.ZipFile(file)
    except _READ_ERRORS as error:
        raise InvalidModel(
            f"{path}: the zip archive in it is damaged: {error or type(error).__name__}"
        ) from error
    if len(archive.namelist()) > MAX_MEMBERS:
        raise InvalidModel(f"{path}: the zip archive in it has more than {MAX_MEMBERS:,} members")
    return archive


def content(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member's bytes.

    Raises:
        InvalidModel: there are more than `limit`, they are damaged, or packed in an unusual way.
    """
    member = archive.getinfo(name)
    if member.compress_type not in _METHODS:
        raise InvalidModel(
            f"{path}: {name} in it is packed by method {member.compress_type} of zip; only stored "
            "and deflated files are read"
        )
    try:
        with archive.open(member) as file:
            data = file.read(limit + 1)
    except _READ_ERRORS as error:
        raise InvalidModel(
            f"{path}: {name} in it can't be read: {error or type(error).__name__}"
        ) from error
    if len(data) > limit:
        raise InvalidModel(f"{path}: {name} in it is larger than {limit >> 20} MiB")
    return data


def _end(path: Path, tail: bytes) -> int | None:
    """Where the archive's last record lies in the last bytes of a file; None if it has none.

    Weights and comments may hold the same four bytes: an end says how long it is itself.
    """
    last = at = tail.rfind(_END)
    while at >= 0 and len(tail) - at != _END_SIZE + _number(tail, at + 20, 2):
        at = tail.rfind(_END, 0, at)
    if at < 0:
        return None
    if at != last:  # zipfile would take that one
        raise InvalidModel(
            f"{path}: the comment of the zip archive in it holds the mark of another archive's end"
        )
    return at


def _directory_size(tail: bytes, end: int) -> int:
    """Bytes of the list of members, as zipfile is going to believe it."""
    locator = end - _LOCATOR_SIZE
    record = locator - _RECORD_SIZE
    if record >= 0 and tail.startswith(_LOCATOR, locator) and tail.startswith(_RECORD, record):
        return _number(tail, record + 40, 8)
    return _number(tail, end + 12, 4)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
