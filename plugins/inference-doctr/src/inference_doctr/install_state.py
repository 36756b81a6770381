"""Whether onnxtr and what it draws on are installed, from files alone; not onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec

from inference_core.install import install_command
from inference_core.system_libraries import opencv_owner, opencv_problem
from inference_core.verdict import Reason

# The range in pyproject.toml.
_TESTED = "0.9."


def onnxtr_version() -> str | None:
    """The version of onnxtr that is installed, None if none is."""
    return _version("onnxtr")


def problems(gpu: bool) -> tuple[Reason, ...]:
    """Why the pipeline can't be used; empty if it can.

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
    elif not _is_there("onnxtr"):
        yield _gone("onnxtr", version)
    version = _version("pypdfium2")
    if version is None:
        yield Reason("not-installed", "pypdfium2, which renders PDFs, isn't installed", install)
    elif not (_is_there("pypdfium2") and _is_there("pypdfium2_raw")):
        yield _gone("pypdfium2", version)
    if opencv_owner() is None:
        yield Reason("not-installed", "no OpenCV is installed", install)
    elif problem := opencv_problem():
        yield problem


def _gone(name: str, version: str) -> Reason:
    return Reason(
        "broken-install",
        f"{name} {version} is installed, but its files are gone",
        install_command("--force-reinstall", "--no-deps", f"{name}=={version}"),
    )


def _is_there(module: str) -> bool:
    """Whether a package is there: of a folder without files in it Python makes a namespace."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
