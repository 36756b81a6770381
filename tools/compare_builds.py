"""Checks that two builds of the same distributions are the same to the byte.

    python tools/compare_builds.py FOLDER FOLDER

The session `wheels` builds each wheel twice, from the unpacked source archive and from the source
folder: a difference is a file that the archive lacks, or a build that can't be repeated.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path


def main(one: Path, other: Path) -> int:
    """Print what differs; 1 if anything does."""
    problems = list(differences(one, other))
    print("\n".join(problems) or f"{one} and {other} hold the same")
    return 1 if problems else 0


def differences(one: Path, other: Path) -> Iterator[str]:
    """What is different in two folders of archives, by the names of the files in them."""
    names = {path.name for folder in (one, other) for path in folder.iterdir()}
    if not names:
        yield f"{one} and {other} are empty"
    for name in sorted(names):
        pair = (one / name, other / name)
        missing = [path for path in pair if not path.is_file()]
        if missing:
            yield f"{missing[0]} is missing"
        elif pair[0].read_bytes() != pair[1].read_bytes():
            first, second = map(content, pair)
            changed = [
                each for each in first.keys() | second.keys() if differs(first, second, each)
            ]
            what = ", ".join(sorted(changed)) or "only dates, modes or the order of its files"
            yield f"{name} differs between {one} and {other}: {what}"


def differs(one: Mapping[str, bytes], other: Mapping[str, bytes], name: str) -> bool:
    """Whether a file is in one archive only, or not the same in both."""
    return one.get(name) != other.get(name)


def content(path: Path) -> dict[str, bytes]:
    """The files of a wheel or a source archive, by name."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(path) as sdist:
        streams = ((each.name, sdist.extractfile(each)) for each in sdist)
        return {name: stream.read() for name, stream in streams if stream}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
