"""Models made in code: a small MLP as a safetensors file, written by hand so that it can be damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_core import machine

# 2 → 3 → 1, in numbers that float16 holds exactly.
WEIGHTS = (
    np.array([[1, -2], [0.5, 1], [-1, 0.25]], np.float32),
    np.array([[2, -1, 4]], np.float32),
)
BIASES = (np.array([0, 1, -0.5], np.float32), np.array([0.25], np.float32))
_DTYPES = {"float32": "F32", "float16": "F16", "int8": "I8"}


def tensors(dtype: str = "float32", layers: int = 2) -> dict[str, np.ndarray]:
    """The tensors of the first layers, by name."""
    named = {f"layers.{n}.weight": WEIGHTS[n] for n in range(layers)}
    named |= {f"layers.{n}.bias": BIASES[n] for n in range(layers)}
    return {name: array.astype(dtype) for name, array in named.items()}


def header_of(arrays: dict[str, np.ndarray], activation: str | None = "relu") -> dict[str, Any]:
    """The header of a file that holds these arrays one after the other."""
    header: dict[str, Any] = {"__metadata__": {"activation": activation}} if activation else {}
    offset = 0
    for name, array in arrays.items():
        offsets = [offset, offset := offset + array.nbytes]
        dtype = _DTYPES[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
    return header


def write(path: Path, header: object, data: bytes) -> Path:
    """Write a file with this header, be it right or wrong."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def write_mlp(path: Path, activation: str | None = "relu", **which: Any) -> Path:
    """Write the small MLP; `which` goes to `tensors`."""
    arrays = tensors(**which)
    return write(path, header_of(arrays, activation), b"".join(map(bytes, arrays.values())))


def expected(x: np.ndarray, activation: str = "relu") -> np.ndarray:
    """What the small MLP answers, by the definition: one number at a time."""
    function = {"relu": lambda v: max(v, 0.0), "tanh": np.tanh, "none": lambda v: v}[activation]
    rows = []
    for row in x.tolist():
        hidden = [
            function(sum(w * v for w, v in zip(weights, row, strict=True)) + bias)
            for weights, bias in zip(WEIGHTS[0].tolist(), BIASES[0].tolist(), strict=True)
        ]
        rows.append([sum(w * v for w, v in zip(WEIGHTS[1][0], hidden, strict=True)) + BIASES[1][0]])
    return np.array(rows, np.float32)


@pytest.fixture(scope="session")
def environment():
    """This machine, as core sees it."""
    return machine.current()
