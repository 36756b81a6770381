"""The oldest core that each plugin claims, and how to get it: the session `floors` tests with those.

    python tools/floors.py plan                   the floors that are older than core, as JSON
    python tools/floors.py build VERSION FOLDER   build the wheel of that core into a folder

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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version
from pins import core_requirement, floor_of

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
    older = {}
    for kind in ("plugins", "examples"):
        for path in sorted(root.glob(f"{kind}/*/pyproject.toml")):
            project = _project(path.parent)
            try:
                floor = _floor(project["dependencies"])
            except ValueError as error:
                problems.append(f"{project['name']}: {error}")
                continue
            if floor < core:
                older[project["name"]] = floor
            elif floor > core:
                problems.append(f"{project['name']} asks for core {floor}; this one is {core}")
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
