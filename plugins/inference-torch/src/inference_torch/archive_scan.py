"""Judges a whole `.pt2` archive before torch sees it: every member has a known role, or is a finding.

Raw weights are passed over, pickles go to `pickle_scan`, the program's JSON to `graph_scan`; native
code, custom objects and members of no known role are refused. The zip file itself must be of the
plain form that torch writes (nothing compressed, no member twice, directory at the very end), so
that Python's reader and torch's can't see two different archives in it.

Sources: torch/export/pt2_archive/_package.py, `torch.export.load`, `torch.load`.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO, cast

from inference_torch.findings import Finding, shortened
from inference_torch.graph_scan import scan_program
from inference_torch.pickle_scan import ALLOWED_GLOBALS, MAX_PICKLE_BYTES, scan_pickle

MAX_MEMBERS = 100_000
MAX_JSON_BYTES = 64 << 20

# Members of a .pt2, and of the torch.save archives inside, that torch reads as text or raw bytes.
_TEXT = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/(version|serialization_id)"
)
_STORED = re.compile(r"data/\d+|\.format_version|\.storage_alignment")
_EXTRA = re.compile(r"(extra|extra_files)/.+")
_PROGRAM = ("models/model.json", "serialized_exported_program.json")
_CONFIGS = {
    "data/weights/model_weights_config.json": "data/weights/",
    "data/constants/model_constants_config.json": "data/constants/",
}
# Archives of torch.save. The ones of torch 2.6 and older were called .json and are none.
_SAVED = re.compile(
    r"data/(sample_inputs|weights|constants)/model\.pt"
    r"|serialized_(state_dict|constants|example_inputs)\.(pt|json)"
)
_NATIVE = re.compile(
    r"data/aotinductor/.*|.*\.(so|dll|dylib|cubin|fatbin|ptx|hsaco|a|o|lib|exe|cpp|py)"
)


class _Refused(Exception):
    """Stops the scan of one archive; its two arguments become the finding."""


def scan_archive(file: BinaryIO, allowed: Collection[str] = ALLOWED_GLOBALS) -> list[Finding]:
    """Everything in a torch.export archive that could run code when torch loads it.

    Args:
        file: the archive, seekable; weights aren't read.
        allowed: globals that its pickles may use.
    """
    return _guarded("archive", lambda: list(_export(file, allowed)))


def scan_saved(
    file: BinaryIO, allowed: Collection[str] = ALLOWED_GLOBALS, where: str = ""
) -> list[Finding]:
    """The same for an archive of `torch.save`: empty if it holds nothing but tensors and containers."""
    return _guarded(where or "archive", lambda: list(_saved(file, allowed, where)))


def _guarded(where: str, scan: Any) -> list[Finding]:
    try:
        return cast("list[Finding]", scan())
    except _Refused as refused:
        return [Finding(where, shortened(refused.args[0]), refused.args[1])]
    except Exception as error:  # noqa: BLE001 - zipfile raises many kinds on damaged data
        return [Finding(where, "unreadable archive", shortened(f"{type(error).__name__}: {error}"))]


def _export(file: BinaryIO, allowed: Collection[str]) -> Iterator[Finding]:
    members = _members(file)
    raw = set()
    for name, folder in _CONFIGS.items():
        if name in members:
            raw |= _raw_payloads(_read(file, members[name], MAX_JSON_BYTES), folder)
    for name, member in members.items():
        if name in _PROGRAM:
            yield from scan_program(name, _read(file, member, MAX_JSON_BYTES))
        elif name in _CONFIGS or _TEXT.fullmatch(name) or _EXTRA.fullmatch(name):
            continue
        elif _SAVED.fullmatch(name) or _is_pickled_payload(name, raw):
            if member.file_size:
                yield from scan_saved(_window(file, member), allowed, name)
        elif name in raw:
            continue
        elif _NATIVE.fullmatch(name):
            yield Finding(name, "native or source code", "it would run as it is")
        elif re.fullmatch(r"data/constants/(custom_obj|opaque_obj).*", name):
            yield Finding(name, "a custom object", "loading it runs code of its own")
        else:
            yield Finding(
                shortened(name), "a member of no known role", "torch.export.save writes none such"
            )


def _saved(file: BinaryIO, allowed: Collection[str], where: str) -> Iterator[Finding]:
    prefix = f"{where} > " if where else ""
    members = _members(file)
    if "data.pkl" not in members:
        yield Finding(prefix + "data.pkl", "missing", "no archive of torch.save")
    for name, member in members.items():
        if name == "data.pkl":
            if found := scan_pickle(_read(file, member, MAX_PICKLE_BYTES), allowed):
                yield Finding(prefix + name, *found)
        elif not (_TEXT.fullmatch(name) or _STORED.fullmatch(name)):
            yield Finding(
                prefix + shortened(name),
                "a member of no known role",
                "torch.save writes none such for tensors",
            )


def _raw_payloads(data: bytes, folder: str) -> set[str]:
    """Members that the configuration describes as raw bytes, and never as a pickle too."""
    try:
        payloads = list(json.loads(data.decode("utf-8"))["config"].values())
        raw = {p["path_name"] for p in payloads if p["use_pickle"] is False}
        pickled = {p["path_name"] for p in payloads if p["use_pickle"] is not False}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _Refused(
            "unreadable configuration of weights", f"{type(error).__name__} {error}"
        ) from error
    for name in raw | pickled:
        if not re.fullmatch(r"(weight|tensor)_\d+", name):
            raise _Refused(
                f"weights in {name!r}", "torch.export.save calls them weight_N and tensor_N"
            )
    return {folder + name for name in raw - pickled}


def _is_pickled_payload(name: str, raw: Collection[str]) -> bool:
    return (
        name not in raw
        and re.fullmatch(r"data/(weights|constants)/(weight|tensor)_\d+", name) is not None
    )


def _members(file: BinaryIO) -> dict[str, zipfile.ZipInfo]:
    """The members by name without the folder they are all in; refuses what torch never writes."""
    size = file.seek(0, io.SEEK_END)
    start = _directory_start(file, size)
    file.seek(0)
    # torch.load unpickles what doesn't begin like a zip file, even if it ends like one.
    if file.read(4) != b"PK\3\4":
        raise _Refused("something before the zip file", "torch would read that instead")
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        infos, found = archive.infolist(), archive.start_dir
    if found != start:
        raise _Refused("an archive with two directories", "readers could disagree on its members")
    if len(infos) > MAX_MEMBERS:
        raise _Refused(f"{len(infos)} members", f"more than {MAX_MEMBERS}")
    for info in infos:
        _check_member(info, start)
    # torch looks names up without regard to case, and Python takes the last of two equal ones.
    if len({info.filename.lower() for info in infos}) != len(infos):
        raise _Refused("two members with one name", "readers could disagree on which is meant")
    if any(info.filename == "serialized_exported_program.json" for info in infos):
        if any(info.filename.lower().endswith("archive_format") for info in infos):
            raise _Refused("an archive of two layouts", "torch could read either")
        return {info.filename: info for info in infos}
    roots = {info.filename.partition("/")[0] for info in infos}
    if len(roots) != 1:
        raise _Refused(f"{len(roots)} top-level folders", "torch writes one")
    return {info.filename.partition("/")[2]: info for info in infos}


def _check_member(info: zipfile.ZipInfo, end: int) -> None:
    name = info.filename
    if name != info.orig_filename or not name.isprintable():
        raise _Refused(f"member {name!r}", "a name that readers could understand differently")
    if info.flag_bits & 0x2061 or info.compress_type != zipfile.ZIP_STORED:
        raise _Refused(f"member {name}", "compressed or encrypted; torch writes neither")
    if info.compress_size != info.file_size or info.header_offset + 30 + info.file_size > end:
        raise _Refused(f"member {name}", "a size that doesn't fit the file")


def _directory_start(file: BinaryIO, size: int) -> int:
    """Where the central directory begins, if it and its end records close the file exactly.

    PKWARE APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
    """
    file.seek(max(0, size - 98))
    tail = file.read(98)
    end = tail[-22:]
    if len(end) < 22 or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise _Refused(
            "no end of the zip directory at the end of the file", "torch writes no comment there"
        )
    length, offset = struct.unpack("<II", end[12:20])
    closing = size - 22
    if tail[-42:-38] == b"PK\6\7":
        record = tail[-98:-42]
        position = struct.unpack("<Q", tail[-34:-26])[0]
        if record[:4] != b"PK\6\6" or position != size - 98:
            raise _Refused(
                "a damaged zip64 record", "readers could disagree on the archive's members"
            )
        long_length, long_offset = struct.unpack("<QQ", record[40:56])
        if length not in (long_length, 0xFFFFFFFF) or offset not in (long_offset, 0xFFFFFFFF):
            raise _Refused("two directories", "readers could disagree on the archive's members")
        length, offset, closing = long_length, long_offset, size - 98
    if offset + length != closing:
        raise _Refused(
            "a directory that doesn't end where it should", "readers could disagree on it"
        )
    return cast("int", offset)


def _window(file: BinaryIO, member: zipfile.ZipInfo) -> BinaryIO:
    """A member's bytes as a file of their own, without a copy: members are stored as they are."""
    file.seek(member.header_offset)
    header = file.read(30)
    if header[:4] != b"PK\3\4":
        raise _Refused(f"member {member.filename}", "no header where the directory says")
    name, extra = struct.unpack("<HH", header[26:30])
    return cast(
        "BinaryIO", _Window(file, member.header_offset + 30 + name + extra, member.file_size)
    )


def _read(file: BinaryIO, member: zipfile.ZipInfo, limit: int) -> bytes:
    if member.file_size > limit:
        raise _Refused(f"member {member.filename}", f"larger than {limit >> 20} MiB")
    data = _window(file, member).read()
    if len(data) != member.file_size:
        raise _Refused(f"member {member.filename}", "cut off")
    return data


class _Window(io.RawIOBase):
    """The `size` bytes of `file` from `start` on, read-only. Closing it leaves `file` open."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._position = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), max(0, self._size - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
