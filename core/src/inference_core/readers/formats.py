"""Which reader reads which format: the built-in ones by name, the installed ones by asking.

`inference_core.readers` tells what a path holds; this file only reads what is known to be of a format.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from inference_core import discovery
from inference_core.configuration import Configuration
from inference_core.errors import InvalidModel
from inference_core.package import Artifact, ModelPackage

# Module and function that reads each format; imported for the first file of its kind.
READERS = {
    "onnx": ("onnx_file", "read"),
    "torch-export": ("torch_file", "read"),
    "torchscript": ("torch_file", "read"),
    "torch-checkpoint": ("torch_file", "read"),
    "gguf": ("other_files", "read_gguf"),
    "tflite": ("tflite_file", "read"),
    "mediapipe-task": ("task_file", "read"),
    "safetensors": ("other_files", "read_safetensors"),
}


def facts_of(format_name: str, path: Path, settings: Configuration | None) -> Artifact | None:
    """What the format's reader, built in or installed, sees in a file that a manifest names; None
    for a format that none of them reads. Installed readers are asked where `settings` are given.

    Raises:
        InvalidModel: the file isn't of the format that the manifest states.
    """
    if format_name not in READERS:
        package = from_installed(path, settings) if settings else None
        found = package.artifacts if package else ()
        return next((each for each in found if each.format == format_name), None)
    artifact = read_format(format_name, path)
    if artifact.format != format_name:
        raise InvalidModel(f"{path} is stated to be {format_name} but is {artifact.format}")
    return artifact


def read_format(format_name: str, path: Path) -> Artifact:
    """What the built-in reader of a format sees in a file.

    Raises:
        InvalidModel: the file can't be read, or is damaged.
    """
    module, function = READERS[format_name]
    reader = getattr(importlib.import_module(f"inference_core.readers.{module}"), function)
    try:
        return reader(path)  # type: ignore[no-any-return]
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error


def from_installed(path: Path, settings: Configuration) -> ModelPackage | None:
    """The package that an installed reader recognises at a path; None if none does.

    Raises:
        InvalidModel: two recognise it.
    """
    claims: dict[str, ModelPackage] = {}
    for plugin in discovery.plugins("readers", settings):
        if plugin.failure:
            continue  # `infer backends` and `infer doctor` show it
        origin = f"reader {plugin.record.name!r} ({plugin.record.origin})"
        package = discovery.asked(plugin, None, path, ModelPackage)
        if package is not None:
            claims[origin] = package
    if len(claims) > 1:
        raise InvalidModel(
            f"{path} is claimed by {' and '.join(claims)}; "
            "write a model.json beside it, or switch one off with INFERENCE_DISABLE"
        )
    return next(iter(claims.values()), None)
