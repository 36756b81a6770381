"""The installed distributions, as far as finding plugins takes: their folders of metadata.

importlib.metadata tells the same and more, but importing it takes longer than all the rest of finding
plugins. So this looks itself into the folders of the module search path, which is where pip and its
like put everything; what only a finder of another kind knows (archives on the path, frozen
applications) is asked through importlib.metadata.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib import metadata

_SUFFIXES = (".dist-info", ".egg-info")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One entry point: the group, the name and the object reference, as they are written."""

    group: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The metadata folder of one distribution ("numpy-2.4.0.dist-info")."""

    path: str

    @property
    def name(self) -> str:
        """The distribution's name as the folder states it, normalised."""
        stem = os.path.basename(self.path).rpartition(".")[0]  # noqa: PTH119 - pathlib is slow
        return normalised_name(stem.partition("-")[0])

    def read_text(self, file: str) -> str | None:
        """The text of one of its files, None if there is none."""
        try:
            with open(os.path.join(self.path, file), encoding="utf-8") as opened:  # noqa: PTH118
                return opened.read()
        except (FileNotFoundError, NotADirectoryError):
            return None


def search_path() -> list[str]:
    """Where to look: the module search path."""
    return list(sys.path)


def installed() -> Iterator[Folder | metadata.Distribution]:
    """Every installed distribution in the order of the path; one may come twice."""
    places = search_path()
    yield from _folders(tuple(places))
    others = [place for place in places if place.endswith(".egg") or os.path.isfile(place)]  # noqa: PTH113
    finders = [
        finder
        for finder in sys.meta_path
        if finder is not PathFinder and hasattr(finder, "find_distributions")
    ]
    if others or finders:
        from importlib import metadata

        yield from metadata.MetadataPathFinder.find_distributions(
            metadata.DistributionFinder.Context(path=others)
        )
        for finder in finders:
            yield from finder.find_distributions()


def find(name: str) -> Folder | None:
    """The metadata folder of the distribution of that name that imports would take."""
    wanted = normalised_name(name)
    return next((each for each in _folders(tuple(search_path())) if each.name == wanted), None)


def forget() -> None:
    """Look anew next time."""
    _folders.cache_clear()


@functools.lru_cache(maxsize=1)
def _folders(places: tuple[str, ...]) -> tuple[Folder, ...]:
    found = []
    for place in dict.fromkeys(places):
        try:
            names = sorted(os.listdir(place or "."))  # noqa: PTH208
        except OSError:  # an archive, a folder that was removed, or one of someone else
            continue
        found += [Folder(os.path.join(place, n)) for n in names if n.endswith(_SUFFIXES)]  # noqa: PTH118
    return tuple(found)


def entry_points(text: str) -> list[EntryPoint]:
    """The entry points in the text of an entry_points.txt.

    The format: sections `[group]` with lines `name = value`; lines that start with # are comments
    (packaging.python.org, "Entry points specification").
    """
    found, group = [], ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.append(EntryPoint(group, name.strip(), value.strip()))
    return found


def header(text: str, field: str) -> str | None:
    """A field of the text of a METADATA file, None if it isn't there."""
    for line in text.splitlines():
        if not line:
            return None  # the description follows
        name, colon, value = line.partition(":")
        if colon and name.lower() == field.lower():
            return value.strip()
    return None


def normalised_name(name: str) -> str:
    """A distribution's name as PEP 503 normalises it. (`packaging.utils` costs 25 ms to import.)"""
    return re.sub(r"[-_.]+", "-", name).lower()
