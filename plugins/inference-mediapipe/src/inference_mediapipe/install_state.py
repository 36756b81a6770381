"""Whether MediaPipe and the system libraries that it needs are here; nothing is imported for it."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from inference_core.environment import Environment
from inference_core.install import install_command
from inference_core.verdict import Reason

DISTRIBUTION = "mediapipe"
OLDEST = (1, 2)

# What the native library is linked with on Linux, and the package that brings it there.
LIBRARIES = {
    "libEGL.so.1": ("libegl1", "mesa-libEGL"),
    "libGLESv2.so.2": ("libgles2", "mesa-libGLES"),
}
# What the OpenCV that MediaPipe asks for is linked with. A headless one, which installs the same
# folder and may have replaced it, does without.
OPENCV_LIBRARIES = {"libGL.so.1": ("libgl1", "mesa-libGL")}

_OPENCV_WITH_WINDOWS = ("opencv-contrib-python", "opencv-python")
_CACHE = Path("/etc/ld.so.cache")
_MAX_CACHE = 4 << 20
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
        if not _is_there(name):
            yield library_reason(name)
    for name in OPENCV_LIBRARIES:
        if not _is_there(name) and _has_opencv_with_windows():
            yield library_reason(name)


def library_reason(name: str) -> Reason:
    """The reason that says which package brings a system library."""
    debian, fedora = {**LIBRARIES, **OPENCV_LIBRARIES}[name]
    return Reason(
        "broken-install",
        f"MediaPipe needs the system library {name}, which isn't on this machine: on Debian and Ubuntu "
        f"the package {debian} has it, on Fedora {fedora}",
        f"apt-get install {debian}  # or: dnf install {fedora}",
    )


def library_named_in(message: str) -> Reason | None:
    """The reason for a system library that an error of the dynamic linker names."""
    known = (*LIBRARIES, *OPENCV_LIBRARIES)
    return next((library_reason(name) for name in known if name in message), None)


def _is_there(name: str) -> bool:
    try:
        with _CACHE.open("rb") as file:
            # The cache holds names and paths as text that ends with a zero.
            if b"\0" + name.encode() + b"\0" in file.read(_MAX_CACHE):
                return True
    except OSError:
        pass  # a system without one, as of musl
    return any((folder / name).exists() for folder in _folders())


def _folders() -> Iterator[Path]:
    listed = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    yield from (Path(each) for each in listed if each)
    yield Path(sys.prefix, "lib")  # conda's
    for place in ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"):
        yield Path(place)
        machine = getattr(sys.implementation, "_multiarch", "")
        if machine:
            yield Path(place, machine)


def _has_opencv_with_windows() -> bool:
    """Whether the native module in the folder cv2 has the size that such an OpenCV's record states."""
    from importlib import metadata

    for name in _OPENCV_WITH_WINDOWS:
        if version_of(name) is None:
            continue
        for file in metadata.files(name) or ():
            if file.parts[0] == "cv2" and file.suffix == ".so":
                path = Path(str(file.locate()))
                return path.is_file() and path.stat().st_size == file.size
    return False


def _broken(version: str | None, problem: str) -> Reason:
    wanted = f"{DISTRIBUTION}=={version}" if version else DISTRIBUTION
    return Reason(
        "broken-install",
        f"mediapipe {version or 'of an unknown version'} is damaged: {problem}",
        install_command("--force-reinstall", "--no-deps", wanted),
    )
