"""What core and the installed plugins ask for, as their metadata states it, and whether it is there.

Nothing is imported to look at its version. Which runtime a backend takes, where it has a choice, is
the backend's own affair: here are the versions and ranges only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from inference_core.distributions import normalised_name
from inference_core.install import install_command
from inference_core.verdict import Reason


@dataclass(frozen=True, slots=True)
class Need:
    """A distribution that core or a plugin asks for.

    Attributes:
        name: normalised.
        version: the installed one, None if there is none.
        wanted: the range that each asks for, by its name, with the extra where it is an extra that
            asks ("inference-onnx[cpu]"); "" for any version.
        unmet: those of `wanted` that don't get what they ask for.
    """

    name: str
    version: str | None
    wanted: Mapping[str, str]
    unmet: tuple[str, ...] = ()

    @property
    def problems(self) -> list[Reason]:
        """What doesn't get what it asks for, and how it would."""
        found = f"{self.version} is installed" if self.version else "it isn't installed"
        # A newer one of ours fits the range that the command names already: pip has to be told.
        ours = ["--upgrade", self.name] if self.name.startswith("inference-") else []
        return [
            Reason(
                "broken-install",
                f"{asker} asks for {self.name}{self.wanted[asker]}, but {found}",
                install_command(*(ours or [f"{self.name}{self.wanted[asker]}"])),
            )
            for asker in self.unmet
        ]


def needs(askers: Iterable[str]) -> tuple[list[Need], list[Reason]]:
    """What the installed distributions of these names ask for, sorted by name, without the extras
    that aren't installed; and a problem for each whose requirements can't be read."""
    wanted: dict[str, dict[str, str]] = {}
    problems = []
    for asker in sorted(set(askers)):
        try:
            for requirement, by in _applying(asker):
                ranges = wanted.setdefault(normalised_name(requirement.name), {})
                ranges[by] = str(requirement.specifier)
        except (InvalidRequirement, metadata.PackageNotFoundError) as error:
            message = f"the requirements of {asker} can't be read: {error}"
            problems.append(Reason("broken-install", message, f"reinstall {asker}"))
    found = [_need(name, ranges) for name, ranges in sorted(wanted.items())]
    return [need for need in found if need.version or need.unmet], problems


def _applying(asker: str) -> Iterator[tuple[Requirement, str]]:
    """The requirements that hold on this machine, each with who asks: the distribution or an extra."""
    extras = metadata.metadata(asker).get_all("Provides-Extra") or []
    for line in metadata.requires(asker) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement, asker
            continue
        for extra in extras:
            if requirement.marker.evaluate({"extra": extra}):
                yield requirement, f"{asker}[{extra}]"


def _need(name: str, ranges: Mapping[str, str]) -> Need:
    try:
        version = (metadata.metadata(name).get_all("Version") or [""])[0]
    except metadata.PackageNotFoundError:
        version = ""
    if not version:  # none, or what an interrupted uninstallation leaves
        # Nobody has to have what an extra asks for.
        return Need(name, None, ranges, tuple(by for by in ranges if "[" not in by))
    return Need(name, version, ranges, tuple(by for by in ranges if not _fits(version, ranges[by])))


def _fits(version: str, wanted: str) -> bool:
    try:
        return SpecifierSet(wanted).contains(version, prereleases=True)
    except InvalidVersion:  # not of the form that Python's packages have
        return False
