"""Whether onnxtr and the OpenCV it draws on can be imported here, from files alone.

opencv-python and opencv-python-headless install the same folder `cv2`, and the one installed last
wins. The former has windows in it and needs the system's libGL, which servers and containers lack:
`import cv2` then fails, and with it onnxtr and inference-vision.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from inference_core.install import install_command
from inference_core.verdict import Reason

# The range in pyproject.toml.
_TESTED = "0.9."
_WITH_WINDOWS = ("opencv-python", "opencv-contrib-python")
_HEADLESS = ("opencv-python-headless", "opencv-contrib-python-headless")
_LIBGL = "libGL.so.1"


def onnxtr_version() -> str | None:
    """The version of onnxtr that is installed, None if none is."""
    return _version("onnxtr")


def problems(gpu: bool) -> tuple[Reason, ...]:
    """Why the pipeline can't be used; empty if it can. onnxruntime is judged elsewhere.

    Args:
        gpu: whether this machine has a GPU, so that the fix installs the fitting extra.
    """
    return tuple(_problems(install_command(f"inference-doctr[{'gpu' if gpu else 'cpu'}]")))


def _problems(install: str) -> Iterator[Reason]:
    version = onnxtr_version()
    if version is None:
        yield Reason("not-installed", "onnxtr isn't installed", install)
    elif not version.startswith(_TESTED):
        message = f"onnxtr {version} is installed, and this plugin works with {_TESTED}*"
        yield Reason("requirement", message, install_command("onnxtr>=0.9,<0.10"))
    if _version("pypdfium2") is None:
        yield Reason("not-installed", "pypdfium2, which renders PDFs, isn't installed", install)
    owner = _owner_of_cv2()
    if owner is None:
        yield Reason("not-installed", "no OpenCV is installed", install)
    elif owner in _WITH_WINDOWS and sys.platform == "linux" and not has_library(_LIBGL):
        # Nothing is uninstalled: another package may ask for the other one, as mediapipe does.
        over_it = install_command("--force-reinstall", "--no-deps", _HEADLESS[0])
        yield Reason(
            "broken-install",
            f"the installed OpenCV is {owner}, which needs the system library {_LIBGL}, and that isn't "
            f"here: install the package that brings it (libgl1 on Debian and Ubuntu, mesa-libGL on "
            f"Fedora, mesa-gl on Alpine), or put {_HEADLESS[0]}, which does without, in its place",
            over_it,
        )


def has_library(name: str) -> bool:
    """Whether the dynamic linker of Linux would find a shared library, as far as files tell.

    It looks in LD_LIBRARY_PATH, in its cache (/etc/ld.so.cache, which holds the names it knows as
    text) and in the standard folders.
    """
    folders = [each for each in os.environ.get("LD_LIBRARY_PATH", "").split(":") if each]
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    for root in ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"):
        folders += [root, f"{root}/{triplet}"]
    folders.append(f"{sys.prefix}/lib")  # where conda puts what an interpreter needs
    if any(Path(folder, name).exists() for folder in folders):
        return True
    try:
        return name.encode() + b"\0" in Path("/etc/ld.so.cache").read_bytes()
    except OSError:
        return False  # a system without that cache, or one that keeps it to itself


def _owner_of_cv2() -> str | None:
    """The distribution whose `cv2` is installed: of several, the one whose files are there."""
    installed = [name for name in (*_WITH_WINDOWS, *_HEADLESS) if _version(name)]
    for name in installed:
        if len(installed) == 1 or _is_in_place(metadata.distribution(name)):
            return name
    return installed[0] if installed else None


def _is_in_place(distribution: metadata.Distribution) -> bool:
    """Whether the native module has the size that the distribution's record states."""
    for file in distribution.files or ():
        if file.parts[0] == "cv2" and file.suffix in (".so", ".pyd"):
            path = Path(str(distribution.locate_file(file)))
            return path.is_file() and path.stat().st_size == file.size
    return False


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
