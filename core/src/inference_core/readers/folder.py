"""Folders without a manifest: a Hugging Face folder, or an error that says what the folder lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference_core.errors import InvalidModel
from inference_core.package import Artifact, ModelPackage

_MAX_CONFIG = 16 << 20


def read(path: Path) -> ModelPackage:
    """The package in a folder that has no `model.json`.

    Raises:
        InvalidModel: it is empty, or nothing in it says what model it is; the message says what it
            holds and what to write.
    """
    try:
        names = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InvalidModel(f"{path} can't be listed: {error.strerror or error}") from error
    if not names:
        raise InvalidModel(f"{path} is an empty folder: a model folder holds a model.json")
    if "config.json" in names:
        config = _hugging_face_config(path / "config.json")
        if config is not None:
            return ModelPackage(path.name, path, (_transformers(path, config),))
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    raise InvalidModel(
        f"{path} is no model folder: it has no model.json and no Hugging Face config.json, only "
        f"{shown}; name a file in it, or write a model.json"
    )


def _hugging_face_config(path: Path) -> dict[str, Any] | None:
    try:
        if not path.is_file():  # a pipe would never end
            raise InvalidModel(f"{path} is no file")
        if path.stat().st_size > _MAX_CONFIG:
            raise InvalidModel(f"{path} is larger than {_MAX_CONFIG >> 20} MiB: that is no config")
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidModel(f"{path} can't be read: {error}") from error
    known = isinstance(config, dict) and ("model_type" in config or "architectures" in config)
    return config if known else None


def _transformers(path: Path, config: dict[str, Any]) -> Artifact:
    architectures = config.get("architectures")
    if not isinstance(architectures, list):
        architectures = []
    facts = {
        "transformers.model_type": str(config.get("model_type", "")),
        "transformers.architectures": tuple(map(str, architectures)),
        # Custom code in the folder, which only `allow_code=True` may run.
        "transformers.custom_code": "auto_map" in config,
    }
    return Artifact("transformers", {"model": path}, facts={"model": facts})
