"""Shared libraries of the system that a runtime's native code is linked with, told from files alone.

A wheel brings most of what it needs. What it takes from the system is missing on servers and in
containers mostly, and `import` then fails with a line of the dynamic linker that names no package.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from inference_core.install import install_command
from inference_core.verdict import Reason

_CACHE = Path("/etc/ld.so.cache")
_MOST_OF_THE_CACHE = 4 << 20

# All four install the same folder `cv2`, and the one installed last wins. Those with windows in them
# are linked with libGL.
_OPENCV_WITH_WINDOWS = ("opencv-python", "opencv-contrib-python")
_OPENCV_HEADLESS = ("opencv-python-headless", "opencv-contrib-python-headless")
_LIBGL = "libGL.so.1"


def has_library(name: str) -> bool:
    """Whether the dynamic linker of Linux would find a shared library, as far as files tell.

    Args:
        name: as programs are linked with it, such as "libGL.so.1".
    """
    if any((folder / name).exists() for folder in _folders()):
        return True
    try:
        with _CACHE.open("rb") as file:
            # The names in it stand there as text that ends with a zero.
            return b"\0" + name.encode() + b"\0" in file.read(_MOST_OF_THE_CACHE)
    except OSError:
        return False  # a system without that cache, as those with musl


def opencv_owner() -> str | None:
    """The distribution whose `cv2` is installed; of several the one whose files are there."""
    installed = list(_opencvs())
    whole = (name for name, state in installed if state == "whole")
    return next(whole, None) or next((name for name, _ in installed), None)


def opencv_problem() -> Reason | None:
    """Why `import cv2` fails: its files are gone, or on Linux a library of the system isn't there.
    None where it doesn't, nor without OpenCV."""
    installed = dict(_opencvs())
    if installed and set(installed.values()) == {"gone"}:
        name = next((each for each in _OPENCV_HEADLESS if each in installed), next(iter(installed)))
        return Reason(
            "broken-install",
            f"{' and '.join(installed)} {'is' if len(installed) == 1 else 'are'} installed, but the "
            "files of cv2 are gone, as after another OpenCV was uninstalled",
            install_command("--force-reinstall", "--no-deps", name),
        )
    if sys.platform != "linux" or has_library(_LIBGL):
        return None
    owner = opencv_owner()
    if owner not in _OPENCV_WITH_WINDOWS:
        return None
    headless = _OPENCV_HEADLESS[0]
    return Reason(
        "broken-install",
        f"the installed OpenCV is {owner}, which needs the system library {_LIBGL}, and that isn't "
        f"here: install the package that brings it (libgl1 on Debian and Ubuntu, mesa-libGL on "
        f"Fedora, mesa-gl on Alpine), or put {headless}, which does without, in its place",
        # Nothing is uninstalled: another package may ask for the other one, as mediapipe does.
        install_command("--force-reinstall", "--no-deps", headless),
    )


def _opencvs() -> Iterator[tuple[str, str]]:
    """The installed distributions of OpenCV, and what became of the native library of each: it is
    "whole", as recorded, "replaced" by another's, "gone", or "unknown", for not all record files."""
    from importlib import metadata  # not above: most processes never ask

    for name in (*_OPENCV_WITH_WINDOWS, *_OPENCV_HEADLESS):
        try:
            files = metadata.distribution(name).files or ()
        except metadata.PackageNotFoundError:
            continue
        native = [
            (Path(str(file.locate())), file.size)
            for file in files
            if file.parts[0] == "cv2" and file.suffix in (".so", ".pyd")
        ]
        there = [(path, size) for path, size in native if path.is_file()]
        if any(path.stat().st_size == size for path, size in there):
            yield name, "whole"
        else:
            yield name, "replaced" if there else "gone" if native else "unknown"


def _folders() -> Iterator[Path]:
    listed = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    yield from (Path(each) for each in listed if each)
    yield Path(sys.prefix, "lib")  # where conda puts what an interpreter needs
    multiarch = getattr(sys.implementation, "_multiarch", "")
    for root in ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"):
        yield Path(root)
        if multiarch:
            yield Path(root, multiarch)
