"""Readers recognise what a path holds before anything is resolved: path -> `ModelPackage`.

The order: a folder's manifest, installed readers (entry-point group `inference_core.readers`), the
formats known here by content and suffix. Reads are bounded and structural; no weights are read, no
code runs, nothing is unpickled.
"""

from __future__ import annotations

import stat
from pathlib import Path

from inference_core.configuration import Configuration
from inference_core.errors import InvalidModel, ModelNotFound
from inference_core.package import Artifact, ModelPackage
from inference_core.readers.formats import READERS, from_installed, read_format

# Formats that nothing but their suffix tells. A TensorRT engine can only be read by TensorRT itself,
# on the GPU it was built for; a manifest beside it says what it requires.
_SUFFIX_ONLY = ("tensorrt",)

_SUFFIX_FORMATS = {
    ".onnx": "onnx",
    ".pt2": "torch-export",
    ".pt": "torch-checkpoint",
    ".pth": "torch-checkpoint",
    ".ckpt": "torch-checkpoint",
    ".torchscript": "torchscript",
    ".engine": "tensorrt",
    ".plan": "tensorrt",
    ".gguf": "gguf",
    ".tflite": "tflite",
    ".task": "mediapipe-task",
    ".safetensors": "safetensors",
}


def read_package(path: Path, settings: Configuration) -> ModelPackage:
    """What the file or folder at `path` is.

    Raises:
        ModelNotFound: nothing is there.
        InvalidModel: it is damaged, unsafe, ambiguous, or no model at all.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ModelNotFound(f"nothing is at {path}") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise ModelNotFound(f"{str(path)[:300]!r} can't be opened: {cause}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InvalidModel(f"{path} is neither a file nor a folder")
    if stat.S_ISDIR(mode) and (path / "model.json").exists():
        from inference_core import manifest

        return manifest.read(path, settings)
    if package := from_installed(path, settings):
        return package
    if stat.S_ISDIR(mode):
        from inference_core.readers import folder

        return folder.read(path)
    artifact = _file(path)
    return ModelPackage(name=path.stem, root=path, artifacts=(artifact,))


def _file(path: Path) -> Artifact:
    """A bare file, by its suffix, and by its content where the suffix says nothing."""
    head = _head(path)
    if not head:
        raise InvalidModel(f"{path} is empty")
    stated = _SUFFIX_FORMATS.get(path.suffix.lower())
    seen = _sniffed(head)
    if stated in _SUFFIX_ONLY:
        return Artifact(stated, {"model": path}, facts={"model": {}})
    if stated in READERS:
        if seen and seen != stated and not (_is_torch(seen) and _may_be_zip(stated)):
            raise InvalidModel(
                f"{path} is named like {stated} but holds {seen}: rename it to what it is"
            )
        return read_format(stated, path)
    if seen:
        return read_format(seen, path)
    if path.name == "model.json":
        raise InvalidModel(f"{path} is a manifest: name its folder, {path.parent}")
    raise InvalidModel(
        f"{path} is no model that is known here ({_description(head)}); known suffixes are "
        f"{', '.join(_SUFFIX_FORMATS)}, and folders with a model.json"
    )


def _is_torch(format_name: str) -> bool:
    return format_name.startswith("torch")


def _may_be_zip(format_name: str) -> bool:
    return _is_torch(format_name) or format_name == "mediapipe-task"


def _sniffed(head: bytes) -> str | None:
    if head.startswith(b"GGUF"):
        return "gguf"
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith((b"PK", b"\x80")):  # a zip file or a pickle
        from inference_core.readers import torch_file

        if torch_file.looks_like_torch(head):
            return "torch-checkpoint"
    from inference_core.readers import onnx_file

    if onnx_file.looks_like_onnx(head):
        return "onnx"
    return None


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(4096)
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error


def _description(head: bytes) -> str:
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return "it is a picture"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError:
        return "its content is binary, of no format known here"
    return "it is a text file"
