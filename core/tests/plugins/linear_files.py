"""Reads the files of `linear_backend` (an `inference_core.readers` entry point). Light."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference_core.errors import InvalidModel
from inference_core.package import Artifact, ModelPackage
from inference_core.session import TensorSpec


def specs(described: dict[str, Any]) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    rows, columns = len(described["weight"]), len(described["weight"][0])
    batch = described.get("batch")
    outputs = [TensorSpec("y", "float32", (batch, rows))]
    if "above" in described:
        outputs.append(TensorSpec("above", "float32", (None,)))
    return (TensorSpec("x", "float32", (batch, columns)),), tuple(outputs)


def read(path: Path) -> ModelPackage | None:
    if path.suffix != ".linear":
        return None
    try:
        described = json.loads(path.read_bytes())
        inputs, outputs = specs(described)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InvalidModel(f"{path} is no linear file: {error}") from error
    batch = described.get("batch")
    facts = {
        "inputs": inputs,
        "outputs": outputs,
        "metadata": {str(k): str(v) for k, v in described.get("metadata", {}).items()},
    }
    artifact = Artifact(
        "linear",
        {"model": path},
        precision=described.get("precision"),
        batch=(batch, batch) if batch else (1, None),
        facts={"model": facts},
    )
    return ModelPackage(path.stem, path, (artifact,))
