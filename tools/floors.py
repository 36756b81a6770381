"""The oldest core that each plugin claims, and how to get it: the session `floors` tests with those.

    python tools/floors.py plan                   the floors that are older than core, as JSON
    python tools/floors.py build VERSION FOLDER   build the wheel of that core into a folder
    python tools/floors.py without WHEEL TESTS    the test files that need what this core lacks, as JSON

A plugin's floor is the lower end of its pin. Which commit an older core is built from stands in
`tools/floors.toml`. It needs `packaging`; to build, also git, pip and hatchling.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pins import core_requirement, floor_of, is_ours

ROOT = Path(__file__).resolve().parents[1]


class FloorsError(Exception):
    """What is wrong with the pins, the file or the clone, one line each."""


def main(arguments: list[str]) -> int:
    """Print the plan, or the path of the wheel that was built; 1 with what is wrong on stderr."""
    try:
        match arguments:
            case ["plan"]:
                print(json.dumps({name: str(each) for name, each in plan(ROOT).items()}))
            case ["build", version, folder]:
                print(build(ROOT, Version(version), Path(folder)))
            case ["without", wheel, tests]:
                print(json.dumps([str(path) for path in kit_tests(Path(wheel), Path(tests))]))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except FloorsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def plan(root: Path) -> dict[str, Version]:
    """Each plugin whose floor is older than the core in this checkout, with that floor.

    Raises:
        FloorsError: all that is wrong with the pins and with floors.toml.
    """
    core = Version(_project(root / "core")["version"])
    commits, problems = _commits(root), []
    claimed: dict[str, Version] = {}
    helpers: dict[str, set[str]] = {}
    for kind in ("plugins", "examples"):
        for path in sorted(root.glob(f"{kind}/*/pyproject.toml")):
            project = _project(path.parent)
            name = project["name"]
            try:
                claimed[name] = _floor(project["dependencies"])
            except ValueError as error:
                problems.append(f"{name}: {error}")
            helpers[name] = _ours([*project["dependencies"], *_test_requirements(path.parent)])
    older = {name: floor for name, floor in claimed.items() if floor < core}
    problems += [
        f"{name} asks for core {floor}; this one is {core}"
        for name, floor in claimed.items()
        if floor > core
    ]
    problems += _newer_helpers(claimed, helpers)
    problems += [
        f"tools/floors.toml has no line for core {floor}, the oldest that {name} admits: name the "
        "commit that was released as it, or raise the pin"
        for name, floor in older.items()
        if floor not in commits
    ]
    problems += [
        f'tools/floors.toml: no plugin has core "{version}" as its oldest: remove the line'
        for version in commits.keys() - older.values()
    ]
    if problems:
        raise FloorsError("\n  ".join(problems))
    return older


def build(root: Path, version: Version, into: Path) -> Path:
    """Build the wheel of an older core from its commit.

    Raises:
        FloorsError: the commit isn't in this clone, holds another version, or can't be built.
    """
    commits = _commits(root)
    if version not in commits:
        raise FloorsError(f"tools/floors.toml has no line for core {version}")
    commit = commits[version]
    git = ["git", "-C", str(root), "archive", commit, "core"]
    archive = subprocess.run(git, check=False, capture_output=True)
    if archive.returncode:
        said = archive.stderr.decode(errors="replace").strip()
        raise FloorsError(
            f"the commit {commit} of core {version} isn't in this clone (git says: {said}). If the "
            "clone is shallow: git fetch --unshallow. Otherwise, mend tools/floors.toml"
        )
    with tempfile.TemporaryDirectory(prefix="inference-floor-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        source = Path(folder, "core")
        found = Version(_project(source)["version"])
        if found != version:
            raise FloorsError(
                f"tools/floors.toml: the core of commit {commit} is {found}, not {version}"
            )
        # In a folder of its own: wheels of one version and different commits have the same name.
        out = into / commit
        pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
        if subprocess.run([*pip, "--wheel-dir", out, source], check=False).returncode:
            raise FloorsError(f"core {version} can't be built from commit {commit}: see above")
    (wheel,) = out.glob("*.whl")
    return wheel


def kit_tests(wheel: Path, tests: Path) -> list[Path]:
    """The test files that are made of the conformance kit, if the core in this wheel has none yet."""
    with zipfile.ZipFile(wheel) as content:
        if any(name.startswith("inference_core/testing/") for name in content.namelist()):
            return []
    uses = re.compile(r"^\s*(from|import) inference_core\.testing\b", re.MULTILINE)
    return [
        path
        for path in sorted(tests.rglob("*.py"))
        if uses.search(path.read_text(encoding="utf-8"))
    ]


def _newer_helpers(
    claimed: Mapping[str, Version], helpers: Mapping[str, Collection[str]]
) -> list[str]:
    """Where a plugin claims an older core than what it has to be installed with admits."""
    return [
        f"{name} claims core {floor}, but {helper}, which it or its tests need, asks for {newer} or "
        f"later, so nothing shows that it works with {floor}: raise the pin of {name} to {newer}, or "
        f"have its tests do without {helper}"
        for name, floor in claimed.items()
        for helper in sorted(helpers[name])
        if (newer := claimed.get(helper, floor)) > floor
    ]


def _ours(requirements: list[str]) -> set[str]:
    return {
        name for each in requirements if is_ours(name := canonicalize_name(Requirement(each).name))
    }


def _test_requirements(folder: Path) -> list[str]:
    path = folder / "tests" / "requirements.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _floor(dependencies: list[str]) -> Version:
    return floor_of(core_requirement([Requirement(each) for each in dependencies]))


def _commits(root: Path) -> Mapping[Version, str]:
    path = root / "tools" / "floors.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        commits = {Version(version): str(commit) for version, commit in table.items()}
    except (OSError, tomllib.TOMLDecodeError, InvalidVersion) as error:
        raise FloorsError(f"tools/floors.toml can't be read: {error}") from error
    for version, commit in commits.items():
        # A branch or a short sum could mean another commit tomorrow.
        if not re.fullmatch("[0-9a-f]{40}", commit):
            raise FloorsError(
                f"tools/floors.toml: core {version} needs all 40 hexadecimal digits of a commit, "
                f"not {commit!r}"
            )
    return commits


def _project(folder: Path) -> dict[str, Any]:
    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["project"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
