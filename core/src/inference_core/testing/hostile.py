"""Damaged, foreign and missing variants of a sample's artifact: what users will point a backend at."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HTML = b"<!doctype html>\n<html><head><title>404 Not Found</title></head></html>\n"
_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
RENAMED = "a good file with another suffix"
CUT_INSIDE = "a folder whose "
# Files of a folder that are cut in half, one at a time.
_MOST_FILES = 8


@dataclass(frozen=True)
class Hostile:
    """One variant.

    Attributes:
        name: what is wrong with it, as a message calls it.
        path: where it is.
    """

    name: str
    path: Path


def hostile_variants(path: Path, folder: Path) -> Iterator[Hostile]:
    """Write the variants of the file or folder `path` into `folder`, each as it is asked for."""
    yield Hostile("a missing file", folder / "missing" / path.name)
    yield Hostile("a name of 4,000 characters", folder / ("n" * 4000 + path.suffix))
    if path.is_dir():
        yield from _of_a_folder(path, folder)
    else:
        yield from _of_a_file(path, folder)
    yield Hostile("a file that can't be read", _unreadable(folder, path.suffix))


def large_variant(path: Path, folder: Path) -> Iterator[Hostile]:
    """The file `path`, followed by a gigabyte of nothing that takes no room on the disk."""
    if path.is_file():
        large = _written(folder, "large", path.name, path.read_bytes())
        with large.open("r+b") as file:
            file.truncate(2**30)
        yield Hostile("a file of a gigabyte", large)


def _of_a_file(path: Path, folder: Path) -> Iterator[Hostile]:
    content = path.read_bytes()
    noise = random.Random(0).randbytes(max(len(content), 4096))
    made = {
        "an empty file": b"",
        "a file cut in half": content[: len(content) // 2],
        "a file cut after 16 bytes": content[:16],
        "a file without its last tenth": content[: len(content) - len(content) // 10 - 1],
        "random bytes": noise,
        "a web page": _HTML,
        "a git-lfs pointer": _POINTER,
    }
    for name, data in made.items():
        yield Hostile(name, _written(folder, name, path.name, data))
    renamed = _written(folder, "renamed", f"{path.stem}.kit", content)
    yield Hostile(RENAMED, renamed)
    directory = folder / "directory" / path.name
    directory.mkdir(parents=True)
    yield Hostile("a folder in place of the file", directory)


def _of_a_folder(path: Path, folder: Path) -> Iterator[Hostile]:
    empty = folder / "empty" / path.name
    empty.mkdir(parents=True)
    yield Hostile("an empty folder", empty)
    yield Hostile("a file in place of the folder", _written(folder, "file", path.name, _HTML))
    files = sorted(each.relative_to(path) for each in path.rglob("*") if each.is_file())
    for number, file in enumerate(files[:_MOST_FILES]):
        copy = folder / f"cut-{number}" / path.name
        shutil.copytree(path, copy)
        content = (path / file).read_bytes()
        (copy / file).write_bytes(content[: len(content) // 2])
        yield Hostile(f"{CUT_INSIDE}{file} is cut in half", copy)


def _written(folder: Path, name: str, file: str, data: bytes) -> Path:
    path = folder / name.replace(" ", "-") / file
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def _unreadable(folder: Path, suffix: str) -> Path:
    path = folder / f"unreadable{suffix}"
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        path.write_bytes(_HTML)
        path.chmod(0)
    else:  # the superuser may read everything, and Windows knows no such mode: a link to itself
        try:
            path.symlink_to(path)
        except OSError:  # nor links, without a privilege
            path.mkdir()
    return path
