"""The version ranges by which our distributions ask for each other: `>=1!0.1,<1!1`.

Both ends carry the epoch, so that no stranger's version is within. The lower end is the oldest
version that the asking distribution claims to work with, its floor.
"""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

CORE = "inference-core"
EPOCH = 1


def is_ours(name: str) -> bool:
    """Whether a distribution of this name is one of this project's."""
    return name.startswith("inference-")


def floor_of(asked: Requirement) -> Version:
    """The oldest version that a requirement for a distribution of ours admits.

    Raises:
        ValueError: it isn't a range with two ends that carry the epoch.
    """
    ends = {each.operator: Version(each.version) for each in asked.specifier}
    wanted = f"{asked.name} is asked for as >=1!X,<1!Y, not as {str(asked.specifier) or 'any'}"
    if ends.keys() != {">=", "<"} or len(asked.specifier) != 2:
        raise ValueError(wanted)
    if any(end.epoch != EPOCH for end in ends.values()) or not ends[">="] < ends["<"]:
        raise ValueError(wanted)
    return ends[">="]


def core_requirement(requirements: list[Requirement]) -> Requirement:
    """The one by which a plugin asks for core.

    Raises:
        ValueError: there is none, or more than one, or it holds only with an extra.
    """
    found = [each for each in requirements if each.name == CORE]
    if len(found) != 1 or found[0].marker:
        raise ValueError(f"a plugin asks once for {CORE}, on every machine and without an extra")
    return found[0]


def admits(specifier: SpecifierSet, version: Version) -> bool:
    """Whether a version is within a range, pre-releases and development versions included."""
    return specifier.contains(version, prereleases=True)
