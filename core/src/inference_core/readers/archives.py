"""Zip archives as readers meet them: a file of their own, or appended to another format's content.

Only the list of members and small ones are read, whatever sizes the file declares.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from inference_core.errors import InvalidModel

MAX_MEMBERS = 10_000
_MAX_DIRECTORY = 16 * 2**20
_END = b"PK\5\6"
_END_SIZE = 22
_MAX_COMMENT = 65_535

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
    file.seek(max(0, size - _END_SIZE - _MAX_COMMENT))
    tail = file.read()
    at = tail.rfind(_END)
    # Weights may hold the same four bytes: an end says how long it is itself.
    if at < 0 or len(tail) - at < _END_SIZE or len(tail) - at - _END_SIZE != _comment(tail, at):
        return None
    if int.from_bytes(tail[at + 12 : at + 16], "little") > _MAX_DIRECTORY:
        raise InvalidModel(
            f"{path}: the list of members of the zip archive in it exceeds "
            f"{_MAX_DIRECTORY >> 20} MiB"
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
        InvalidModel: there are more than `limit`, or they are damaged.
    """
    try:
        with archive.open(name) as member:
            data = member.read(limit + 1)
    except _READ_ERRORS as error:
        raise InvalidModel(
            f"{path}: {name} in it can't be read: {error or type(error).__name__}"
        ) from error
    if len(data) > limit:
        raise InvalidModel(f"{path}: {name} in it is larger than {limit >> 20} MiB")
    return data


def _comment(tail: bytes, at: int) -> int:
    return int.from_bytes(tail[at + 20 : at + 22], "little")
