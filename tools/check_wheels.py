"""Checks what the built wheels say of themselves and hold: only those who install them would see it.

    python tools/check_wheels.py dist/*.whl

It needs `packaging` and no wheel installed. What a wheel does when it is installed is tried by
`tools/try_wheel.py`.
"""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from pins import CORE, EPOCH, admits, core_requirement, floor_of, is_ours

KINDS = ("backends", "wrappers", "readers", "processors", "sources")
# An example is installed from a checkout and nowhere else: the index refuses this classifier.
PRIVATE = "Private :: Do Not Upload"
CLASSIFIERS = {
    "Intended Audience :: Developers",
    "Operating System :: OS Independent",
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3 :: Only",
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
    "Typing :: Typed",
}


@dataclass(frozen=True, eq=False)
class Wheel:
    """A wheel that could be read: its files by name, and its METADATA, which is valid."""

    path: Path
    files: Mapping[str, bytes]
    metadata: Metadata

    @property
    def package(self) -> str:
        """The one import package that it brings."""
        return self.metadata.name.replace("-", "_")

    @property
    def info(self) -> str:
        """The folder of its metadata."""
        return f"{self.package}-{self.metadata.version}.dist-info"

    @property
    def requirements(self) -> list[Requirement]:
        """What it asks for, with and without extras."""
        return self.metadata.requires_dist or []

    @property
    def private(self) -> bool:
        """Whether it is an example, which is never uploaded."""
        return PRIVATE in (self.metadata.classifiers or [])

    def text(self, name: str) -> str:
        """A file of its metadata, "" if there is none."""
        return self.files.get(f"{self.info}/{name}", b"").decode("utf-8")


def main(paths: Sequence[str]) -> int:
    """Print what is wrong with each wheel; 1 if anything is."""
    wheels, problems = [], []
    for path in map(Path, paths):
        try:
            wheels.append(read(path))
        except (OSError, ValueError, zipfile.BadZipFile, ExceptionGroup) as error:
            inner = error.exceptions if isinstance(error, ExceptionGroup) else [error]
            problems += [f"{path.name}: {each}" for each in inner]
    for wheel in wheels:
        found = (problem for check in CHECKS for problem in check(wheel))
        problems += [f"{wheel.path.name}: {problem}" for problem in found]
    problems += between(wheels)
    print("\n".join(problems) or f"{len(wheels)} wheels are as they should be")
    return 1 if problems or not wheels else 0


def read(path: Path) -> Wheel:
    """A wheel with all its files.

    Raises:
        OSError, zipfile.BadZipFile: it can't be read.
        ValueError, ExceptionGroup: its METADATA is missing, invalid, or not of that file name.
    """
    name, version, _, tags = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    found = [each for each in files if each.endswith(".dist-info/METADATA")]
    if len(found) != 1:
        raise ValueError(f"it holds {len(found)} METADATA files")
    wheel = Wheel(path, files, Metadata.from_email(files[found[0]], validate=True))
    if (wheel.metadata.name, wheel.metadata.version) != (name, version):
        raise ValueError(f"it says that it is {wheel.metadata.name} {wheel.metadata.version}")
    if {str(tag) for tag in tags} != {"py3-none-any"}:
        raise ValueError("a wheel of pure Python is called …-py3-none-any.whl")
    return wheel


def contents(wheel: Wheel) -> Iterator[str]:
    """Its package with type marker, its metadata and licence; nothing else."""
    package, info = wheel.package, wheel.info
    for needed in (f"{package}/py.typed", f"{package}/__init__.py", f"{info}/licenses/LICENSE"):
        if needed not in wheel.files:
            yield f"{needed} is missing"
    for name in wheel.files:
        parts = PurePosixPath(name).parts
        if parts[0] not in (package, info) or {"..", "__pycache__"} & set(parts):
            yield f"{name} doesn't belong into it"


def record(wheel: Wheel) -> Iterator[str]:
    """RECORD, by which an installer checks and later removes files."""
    rows = {row[0]: (row[1], row[2]) for row in csv.reader(io.StringIO(wheel.text("RECORD")))}
    for name in wheel.files.keys() - rows.keys():
        yield f"RECORD doesn't list {name}"
    for name, written in rows.items():
        if name == f"{wheel.info}/RECORD":
            expected = ("", "")
        elif (content := wheel.files.get(name)) is not None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            expected = (f"sha256={digest.decode()}", str(len(content)))
        else:
            yield f"RECORD lists {name}, which isn't there"
            continue
        if written != expected:
            yield f"RECORD has another sum or size for {name}"


def version(wheel: Wheel) -> Iterator[str]:
    """The epoch that sets our distributions apart; an example has none, for it claims no name."""
    epoch = 0 if wheel.private else EPOCH
    if wheel.metadata.version.epoch != epoch:
        yield f"the epoch of version {wheel.metadata.version} isn't {epoch}"


def pins(wheel: Wheel) -> Iterator[str]:
    """What it asks for: ours in ranges with both ends, everything by name and never by address."""
    if wheel.metadata.name != CORE:
        try:
            core_requirement(wheel.requirements)
        except ValueError as error:
            yield str(error)
    for asked in wheel.requirements:
        if asked.url:
            yield f"{asked} is a direct reference, which the index refuses"
        elif is_ours(asked.name):
            try:
                floor_of(asked)
            except ValueError as error:
                yield str(error)


def extras(wheel: Wheel) -> Iterator[str]:
    """Every extra asks for something, and everything that is asked for by an extra has one."""
    provided = set(wheel.metadata.provides_extra or [])
    markers = [str(each.marker) for each in wheel.requirements if each.marker]
    named = {name for each in markers for name in re.findall(r'extra == "([^"]*)"', each)}
    for name in sorted(provided ^ named):
        yield f"the extra {name} " + ("asks for nothing" if name in provided else "isn't provided")


def licence(wheel: Wheel) -> Iterator[str]:
    """The licence as an expression and as a file."""
    if wheel.metadata.license_expression != "Apache-2.0":
        yield f"its licence is {wheel.metadata.license_expression}, not Apache-2.0"
    if wheel.metadata.license_files != ["LICENSE"]:
        yield f"its licence files are {wheel.metadata.license_files}, not LICENSE"


def description(wheel: Wheel) -> Iterator[str]:
    """What installers and the index show of it."""
    metadata = wheel.metadata
    if str(metadata.requires_python) != ">=3.11":
        yield f"it requires Python {metadata.requires_python}, not >=3.11"
    if not metadata.summary:
        yield "it has no one-line description"
    if not (metadata.description or "").strip():
        yield "it has no description: README.md is empty"
    if (metadata.description_content_type or "").partition(";")[0] != "text/markdown":
        yield f"its description is {metadata.description_content_type}, not text/markdown"


def classifiers(wheel: Wheel) -> Iterator[str]:
    """What users of the index filter by; an example isn't there."""
    if wheel.private:
        return
    classifiers = set(wheel.metadata.classifiers or [])
    for missing in sorted(CLASSIFIERS - classifiers):
        yield f"the classifier {missing} is missing"
    if sum(each.startswith("Development Status :: ") for each in classifiers) != 1:
        yield "it has no classifier Development Status, or several"
    if any(each.startswith("License :: ") for each in classifiers):
        yield "a classifier License stands beside the licence expression, which the index refuses"


def urls(wheel: Wheel) -> Iterator[str]:
    """Addresses, if it has any: those that everybody can open."""
    named = {**(wheel.metadata.project_urls or {}), "Home-page": wheel.metadata.home_page}
    for label, url in named.items():
        parts = urlsplit(url or "https://none.example")
        if parts.scheme != "https" or "." not in (parts.hostname or "") or parts.username:
            yield f"its address {label} isn't a public https:// address: {url}"


def entry_points(wheel: Wheel) -> Iterator[str]:
    """They parse, are of a kind that core reads, and name modules that the wheel holds."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(wheel.text("entry_points.txt"))
    except configparser.Error as error:
        yield f"entry_points.txt can't be read: {error}"
        return
    groups = {*(f"inference_core.{kind}" for kind in KINDS), "console_scripts"}
    for group in parser.sections():
        if group not in groups:
            yield f"nothing reads entry points of the group {group}"
        for name, value in parser[group].items():
            point = EntryPoint(name, value, group)
            if not EntryPoint.pattern.fullmatch(value):
                yield f"the entry point {name} = {value} can't be read"
                continue
            stem = point.module.replace(".", "/")
            if not wheel.files.keys() & {f"{stem}.py", f"{stem}/__init__.py"}:
                yield f"the entry point {name} names {point.module}, which the wheel doesn't hold"


CHECKS = (
    contents,
    record,
    version,
    pins,
    extras,
    licence,
    description,
    classifiers,
    urls,
    entry_points,
)


def between(wheels: Sequence[Wheel]) -> Iterator[str]:
    """Wheels that are built together can be installed together, with the extras they name."""
    known = {wheel.metadata.name: wheel.metadata for wheel in wheels}
    for wheel in wheels:
        for asked in wheel.requirements:
            if (other := known.get(asked.name)) is None:
                continue
            if not admits(asked.specifier, other.version):
                yield f"{wheel.path.name}: {asked} doesn't admit {other.name} {other.version}"
            for extra in sorted(asked.extras - set(other.provides_extra or [])):
                yield f"{wheel.path.name}: {asked}, but {other.name} has no extra {extra}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
