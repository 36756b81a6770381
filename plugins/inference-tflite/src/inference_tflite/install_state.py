"""Which LiteRT is installed and whether it is whole, from files alone: nothing is imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from inference_core.install import install_command
from inference_core.verdict import Reason

DISTRIBUTION = "ai-edge-litert"
_PACKAGE = "ai_edge_litert"
# The native part has had two names so far.
_NATIVE = ("_pywrap_litert_interpreter_wrapper*", "_pywrap_tensorflow_interpreter_wrapper*")


def installed() -> str | Reason:
    """The version of the LiteRT that `import ai_edge_litert` would take, or why it can't be used
    ("not-installed" or "broken-install")."""
    version = _version()
    try:
        spec = importlib.util.find_spec(_PACKAGE)
    except (ImportError, ValueError) as error:
        return _broken(version, f"Python can't look {_PACKAGE} up: {error}")
    if spec is None and version is None:
        fix = install_command("inference-tflite")
        return Reason("not-installed", f"{DISTRIBUTION} isn't installed", fix)
    if spec is None:
        return _broken(version, f"the folder {_PACKAGE} is gone")
    if spec.origin is None:
        return _broken(version, f"the folder {_PACKAGE} is empty of its code")
    folder = Path(spec.origin).parent
    if not (folder / "interpreter.py").is_file():
        return _broken(version, f"{folder} lacks interpreter.py")
    if not any(path for pattern in _NATIVE for path in folder.glob(pattern)):
        return _broken(version, f"{folder} lacks the native library of the interpreter")
    return version or "unknown"


def _version() -> str | None:
    from importlib import metadata  # here: listing backends doesn't need it

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def _broken(version: str | None, problem: str) -> Reason:
    wanted = f"{DISTRIBUTION}=={version}" if version else DISTRIBUTION
    return Reason(
        "broken-install",
        f"{DISTRIBUTION} {version or 'of an unknown version'} is damaged: {problem}",
        install_command("--force-reinstall", "--no-deps", wanted),
    )
