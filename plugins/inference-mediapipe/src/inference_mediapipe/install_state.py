"""Whether MediaPipe and the system libraries that it needs are here; nothing is imported for it."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from inference_core.environment import Environment
from inference_core.install import install_command
from inference_core.system_libraries import has_library, opencv_problem
from inference_core.verdict import Reason

DISTRIBUTION = "mediapipe"
OLDEST = (1, 2)

# What the native library is linked with on Linux, and the package that brings it there.
LIBRARIES = {
    "libEGL.so.1": ("libegl1", "mesa-libEGL"),
    "libGLESv2.so.2": ("libgles2", "mesa-libGLES"),
}
_NATIVE = ("libmediapipe.so", "libmediapipe.dylib", "libmediapipe.dll")


def installed() -> str | Reason:
    """The version of MediaPipe that would be imported, or why it can't be used."""
    version = version_of(DISTRIBUTION)
    try:
        spec = importlib.util.find_spec(DISTRIBUTION)
    except (ImportError, ValueError) as error:
        return _broken(version, f"Python can't look it up: {error}")
    if spec is None and version is None:
        fix = install_command("inference-mediapipe")
        return Reason("not-installed", "mediapipe isn't installed", fix)
    if spec is None or spec.origin is None:
        return _broken(version, "the folder of its code is gone or empty")
    numbers = tuple(map(int, re.findall(r"\d+", version or "")[:2]))
    if version and numbers < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return Reason(
            "not-installed",
            f"mediapipe {version} is installed, and this backend needs {wanted} or later",
            install_command("--upgrade", "inference-mediapipe"),
        )
    native = Path(spec.origin).parent / "tasks" / "c"
    if not any((native / name).is_file() for name in _NATIVE):
        return _broken(version, f"{native} lacks the native library")
    return version or "unknown"


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, None without one."""
    from importlib import metadata  # here: listing backends doesn't need it

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def missing_libraries(environment: Environment) -> Iterator[Reason]:
    """A reason for each system library that Linux doesn't seem to have, with the package to install.

    They are looked up by name where the dynamic linker looks. What stands there may still be damaged:
    loading tells, which is for `load` and the deep probe.
    """
    if environment.os != "linux" or sys.platform != "linux":
        return
    for name in LIBRARIES:
        if not has_library(name):
            yield library_reason(name)
    if problem := opencv_problem():
        yield problem


def library_reason(name: str) -> Reason:
    """The reason that says which package brings a system library."""
    debian, fedora = LIBRARIES[name]
    return Reason(
        "broken-install",
        f"MediaPipe needs the system library {name}, which isn't on this machine: on Debian and Ubuntu "
        f"the package {debian} has it, on Fedora {fedora}",
        f"apt-get install {debian}  # or: dnf install {fedora}",
    )


def library_named_in(message: str) -> Reason | None:
    """The reason for a system library that an error of the dynamic linker names."""
    return next((library_reason(name) for name in LIBRARIES if name in message), None)


def _broken(version: str | None, problem: str) -> Reason:
    wanted = f"{DISTRIBUTION}=={version}" if version else DISTRIBUTION
    return Reason(
        "broken-install",
        f"mediapipe {version or 'of an unknown version'} is damaged: {problem}",
        install_command("--force-reinstall", "--no-deps", wanted),
    )
