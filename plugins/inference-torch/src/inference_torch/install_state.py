"""Which torch is installed here and what it was built for, read as text: torch is never imported.

`torch/version.py` holds the version and the CUDA or ROCm release of the build, METADATA the version
that pip believes in; a torch whose parts disagree or are missing is reported as broken.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import importlib.util
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from inference_core.environment import Environment
from inference_core.install import install_command
from inference_core.verdict import Reason

OLDEST = (2, 6)
REQUIREMENT = "torch>=2.6"

# CUDA releases that PyTorch publishes builds of OLDEST or later for, newest first.
CUDA_BUILDS = ("13.0", "12.8", "12.6", "12.4", "11.8")


@dataclass(frozen=True, slots=True)
class InstalledTorch:
    """The torch that `import torch` would load.

    Attributes:
        version: public version without the build, for example "2.13.0".
        build: the local part of the version ("cpu", "cu128", ""), as the build names itself.
        cuda: CUDA release it was built for ("12.8"), None for other builds.
        hip: ROCm release it was built for, None for other builds.
        schema: major version of exported programs that it reads, None if it doesn't say.
    """

    version: str
    build: str
    cuda: str | None
    hip: str | None
    schema: int | None

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, for comparing: (2, 13, 0)."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:3])

    def devices(self, environment: Environment) -> tuple[str, ...]:
        """Devices it could use on this machine, best first."""
        found = []
        if self.cuda:
            found += [f"cuda:{gpu.index}" for gpu in environment.gpus]
            # NVML doesn't list the GPU of every Jetson.
            found += ["cuda:0"] if environment.jetson_l4t and not found else []
        if (environment.os, environment.architecture) == ("macos", "arm64"):
            found.append("mps")
        return (*found, "cpu")


def installed() -> InstalledTorch | Reason:
    """The installed torch, or why it can't be used ("not-installed" or "broken-install")."""
    try:
        spec = importlib.util.find_spec("torch")
    except (ImportError, ValueError) as error:
        return _broken(f"Python can't look torch up: {error}")
    if spec is None:
        return Reason("not-installed", "torch isn't installed", install_command(REQUIREMENT))
    if spec.origin is None:
        return _broken("the folder torch is there, but empty of its code (left by an uninstall)")
    return _read(Path(spec.origin).parent)


def wrong_build(environment: Environment, message: str) -> Reason:
    """The reason `message`, with the command that replaces a CPU build by one for this driver.

    PyTorch serves each CUDA build from an index of its own. uv knows their addresses; who has only
    pip finds them in the selector on PyTorch's site.
    """
    driver = _numbers(environment.cuda_version or "")
    fitting = next((cuda for cuda in CUDA_BUILDS if driver and _numbers(cuda) <= driver), None)
    tag = "cu" + fitting.replace(".", "") if fitting else "auto"
    index = tag if fitting else "your CUDA version"
    with_pip = (
        f"with pip instead of uv: --force-reinstall --index-url and PyTorch's index for {index}"
    )
    words = ("--reinstall-package", "torch", f"--torch-backend={tag}", REQUIREMENT)
    return Reason("device", f"{message} ({with_pip})", install_command(*words, installer="uv pip"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


# can_load asks once per artifact and candidate. A folder that pip changes gets another mtime.
def _read(folder: Path) -> InstalledTorch | Reason:
    try:
        stamp = (folder / "version.py").stat().st_mtime_ns
    except OSError as error:
        return _broken(f"{folder / 'version.py'} can't be read: {error.strerror or error}")
    return _read_at(folder, stamp)


@functools.lru_cache(maxsize=4)
def _read_at(folder: Path, _stamp: int) -> InstalledTorch | Reason:
    values = _assignments(folder / "version.py")
    full = values.get("__version__")
    if not isinstance(full, str) or not re.match(r"\d+\.\d+", full):
        return _broken(f"{folder / 'version.py'} states no version")
    if not any(
        (folder / f"_C{suffix}").exists() for suffix in importlib.machinery.EXTENSION_SUFFIXES
    ):
        return _broken(f"{folder} has no compiled part for this Python")
    version, _, build = full.partition("+")
    try:
        recorded = metadata.version("torch")
    except metadata.PackageNotFoundError:
        recorded = full  # built or installed by something else than pip
    if recorded.partition("+")[0] != version:
        return _broken(f"its code is version {full}, its installation record says {recorded}")
    cuda, hip = values.get("cuda"), values.get("hip")
    schema = _assignments(folder / "_export" / "serde" / "schema.py").get("SCHEMA_VERSION")
    return InstalledTorch(
        version=version,
        build=build,
        cuda=cuda if isinstance(cuda, str) else None,
        hip=hip if isinstance(hip, str) else None,
        schema=schema[0] if isinstance(schema, tuple) and isinstance(schema[0], int) else None,
    )


def _assignments(path: Path) -> dict[str, object]:
    """The module-level `name = literal` (and annotated ones) of a Python file, without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return {}  # the caller reports which value is missing
    values: dict[str, object] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant | ast.Tuple):
                try:
                    values[target.id] = ast.literal_eval(value)
                except ValueError:
                    continue  # a tuple of names, not of literals
    return values


def _broken(what: str) -> Reason:
    return Reason(
        "broken-install",
        f"torch is damaged: {what}",
        install_command("--force-reinstall", REQUIREMENT),
    )
