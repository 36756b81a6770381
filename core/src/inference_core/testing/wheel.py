"""What the wheel of an installed distribution holds; built from its project where it is editable."""

from __future__ import annotations

import email
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

from inference_core.testing.failure import failed

_NOT_COPIED = (".git", ".hg", ".tox", ".nox", ".venv", "venv", "__pycache__", "node_modules", "build",
               "dist", "*.egg-info")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Wheel:
    """A wheel's content.

    Attributes:
        folder: where it is unpacked.
        files: its files, relative, with "/".
        metadata: its METADATA.
        installed: whether `folder` is where it is installed.
    """

    folder: Path
    files: frozenset[str]
    metadata: Message
    installed: bool

    @property
    def requires(self) -> list[Requirement]:
        """What it requires."""
        return [Requirement(text) for text in self.metadata.get_all("Requires-Dist", [])]


def wheel_of(name: str, scratch: Path) -> Wheel:
    """The wheel of the installed distribution `name`; the test fails if it can't be built."""
    distribution = metadata.distribution(name)
    project = _editable_project(distribution)
    if project is None:
        files = frozenset(str(path).replace("\\", "/") for path in distribution.files or ())
        text = distribution.read_text("METADATA") or ""
        return Wheel(
            Path(str(distribution.locate_file(""))), files, email.message_from_string(text), True
        )
    folder = scratch / "unpacked"
    if not folder.is_dir():
        with zipfile.ZipFile(_built(project, distribution.version, scratch)) as archive:
            archive.extractall(folder)
    files = frozenset(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    info = next(file for file in files if file.endswith(".dist-info/METADATA"))
    text = (folder / info).read_text("utf-8")
    return Wheel(folder, files, email.message_from_string(text), False)


def _editable_project(distribution: metadata.Distribution) -> Path | None:
    """The project folder of an editable installation (direct_url.json, PEP 610), else None."""
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    path = unquote(urlsplit(origin["url"]).path)
    return Path(path.lstrip("/") if sys.platform == "win32" else path)


def _built(project: Path, version: str, scratch: Path) -> Path:
    """Build the project's wheel with pip, or with uv where there is no pip."""
    out, copy = scratch / "built", scratch / "project"
    # Of a copy: some build backends leave folders behind, and find those of the last time.
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED), dirs_exist_ok=True)
    if importlib.util.find_spec("pip"):
        pip = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            str(out),
        ]
        # First with the build backend that is at hand, then with one that pip fetches.
        commands = [[*pip, "--no-build-isolation", str(copy)], [*pip, str(copy)]]
    elif uv := shutil.which("uv"):
        commands = [[uv, "build", "--quiet", "--wheel", "--out-dir", str(out), str(copy)]]
    else:
        failed(
            "the wheel can't be built: this environment has neither pip nor uv",
            "install pip into it",
        )
    # A copy is no checkout, which versions may be taken from.
    environment = {**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": version}
    for command in commands:
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if run.returncode == 0 and any(out.glob("*.whl")):
            return next(out.glob("*.whl"))
    last = "\n".join((run.stderr or run.stdout).strip().splitlines()[-15:])
    return failed(
        f"the wheel of {project} can't be built:\n{last}",
        "mend pyproject.toml. Without a package index, install what its [build-system] requires "
        "into this environment",
    )
