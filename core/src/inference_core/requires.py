"""Matches an artifact's `requires` against the facts of this machine: data, not code.

    {"tensorrt": "==10.9.*", "cuda.driver": ">=550", "gpu.compute_capability": ["8.9", "9.0"]}

A wanted value that starts with an operator is a PEP 440 version specifier (prereleases allowed),
anything else an exact string; a list means any of. A fact may itself have several values
("cpu.features"): one that fits is enough.

`packaging` is imported when a version is compared: few models require any, and it takes a tenth of
the time to a first detection.
"""

from __future__ import annotations

from collections.abc import Mapping

from inference_core.environment import FactValue
from inference_core.package import Requires
from inference_core.verdict import Reason

_OPERATORS = ("==", "!=", "<", ">", "~=")


def unmet(requires: Requires, facts: Mapping[str, FactValue]) -> list[Reason]:
    """One Reason per fact that isn't as wanted; a fact that is missing is unmet.

    Never raises: a wanted value that is no valid specifier is unmet, and the Reason says so.
    """
    reasons = []
    for name, wanted in requires.items():
        options = [wanted] if isinstance(wanted, str) else list(wanted)
        found = facts.get(name)
        values = (found,) if isinstance(found, str) else found or ()
        invalid = [option for option in options if _invalid(option)]
        if invalid:
            reasons.append(
                Reason(
                    "requirement",
                    f"{name} is wanted as {invalid[0]!r}, which is no valid version range",
                )
            )
        elif not any(_fits(option, value) for option in options for value in values):
            shown = ", ".join(values) if values else "nothing"
            reasons.append(
                Reason("requirement", f"wants {name} {' or '.join(options)}; found {shown}")
            )
    return reasons


def _invalid(option: str) -> bool:
    if not option.startswith(_OPERATORS):
        return False
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(option)
    except InvalidSpecifier:
        return True
    return False


def _fits(option: str, value: str) -> bool:
    if not option.startswith(_OPERATORS):
        return option == value
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(option, prereleases=True).contains(Version(value))
    except InvalidVersion:
        return False
