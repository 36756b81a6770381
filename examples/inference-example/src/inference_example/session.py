"""A loaded MLP: arrays in, arrays out. This is the only file that imports numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from inference_core import InvalidModel, ModelClosed, TensorSpec
from numpy.typing import NDArray

from inference_example.weights import Mlp, Tensor

Array = NDArray[np.float32]

_DTYPES = {"F32": "<f4", "F16": "<f2"}
_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "none": lambda x: x,
}


class MlpSession:
    """One MLP: "x" float32 (batch, in) gives "y" float32 (batch, out).

    F16 weights are widened once, here: numpy multiplies float16 slowly. Several threads may call
    `run` at once, for nothing in here changes before `close`.
    """

    task = None
    device = "cpu"
    thread_safe = True
    device_arrays = None

    def __init__(self, path: Path, mlp: Mlp, activation: str) -> None:
        self.metadata = mlp.metadata
        self.inputs = (TensorSpec("x", "float32", (None, mlp.layers[0][0].shape[1])),)
        self.outputs = (TensorSpec("y", "float32", (None, mlp.layers[-1][0].shape[0])),)
        self._path = path
        self._activation = _FUNCTIONS[activation]
        self._layers = [(_read(path, weight).T, _read(path, bias)) for weight, bias in mlp.layers]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays by output name from arrays by input name.

        Raises:
            ModelClosed: after `close()`.
        """
        layers = self._layers
        if not layers:
            raise ModelClosed(f"{self._path} was closed")
        (weight, bias), *others = layers
        y = inputs["x"] @ weight + bias
        for weight, bias in others:
            y = self._activation(y) @ weight + bias
        return {"y": y}

    def close(self) -> None:
        """Give the weights back. Calling it again does nothing."""
        self._layers = []


def _read(path: Path, tensor: Tensor) -> Array:
    count = math.prod(tensor.shape)
    values = np.fromfile(path, _DTYPES[tensor.dtype], count, offset=tensor.offset)
    if len(values) < count:
        raise InvalidModel(f"{path} was shortened while it was read")
    return values.astype(np.float32, copy=False).reshape(tensor.shape)
