"""A loaded .tflite graph: arrays in, arrays out, real numbers where the file stores integers.

`loading` makes it. Names, dtypes and shapes of the arrays are checked by core before they get here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from inference_core.errors import InferenceError, ModelClosed
from inference_core.session import TensorSpec

from inference_tflite.quantisation import Quantisation

# What LiteRT's Python interface raises.
LITERT_ERRORS = (RuntimeError, ValueError, TypeError, OSError)

Arrays = dict[str, np.ndarray]
Runner = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


class TfliteSession:
    """One graph of a file on the CPU.

    An interpreter isn't safe for threads, so core serialises the calls.

    Attributes:
        inputs: what `run` takes; float32 where the file stores integers with a scale.
        outputs: what `run` returns, likewise.
        metadata: the file's own entries.
        path: the file it came from.
    """

    task = None
    device = "cpu"
    thread_safe = False
    device_arrays = None

    def __init__(
        self, path: str, metadata: Mapping[str, str], run: Runner, inputs: Ports, outputs: Ports
    ) -> None:
        self.path = path
        self.metadata = dict(metadata)
        self._run: Runner | None = run
        self._quantised = [inputs.quantisation(name) for name in inputs.quantised]
        self._dequantised = [outputs.quantisation(name) for name in outputs.quantised]
        self._encoded = [name for name in inputs.details if inputs.dtype(name) == "str"]
        self._decoded = [name for name in outputs.details if outputs.dtype(name) == "str"]
        self.inputs = inputs.specs()
        self.outputs = outputs.specs()

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Arrays by output name from arrays by input name.

        Raises:
            ModelClosed: after `close()`.
            InferenceError: LiteRT failed (its own exception is the cause), or a number can't be
                quantised.
        """
        run = self._run
        if run is None:
            raise ModelClosed(f"{self.path} was closed")
        feeds = dict(inputs)
        for each in self._quantised:
            feeds[each.name] = each.stored(feeds[each.name])
        for name in self._encoded:
            feeds[name] = _encoded(feeds[name])
        try:
            results = dict(run(feeds))
        except LITERT_ERRORS as error:
            raise InferenceError(f"LiteRT failed to run {self.path}: {error}") from error
        for each in self._dequantised:
            results[each.name] = each.real(results[each.name])
        for name in self._decoded:
            results[name] = _decoded(results[name])
        return results

    def close(self) -> None:
        """Give the graph's memory back; again does nothing."""
        self._run = None


class Ports:
    """The inputs or outputs of a graph: what the interpreter tells of each, by name and in order.

    Raises:
        InferenceError: the quantisation of one makes no sense.
    """

    def __init__(self, details: Mapping[str, Mapping[str, Any]]) -> None:
        self.details = details
        found = {name: Quantisation.of(name, each) for name, each in details.items()}
        self.quantised = {name: each for name, each in found.items() if each is not None}

    def quantisation(self, name: str) -> Quantisation:
        """Of a tensor that is among `quantised`."""
        return self.quantised[name]

    def dtype(self, name: str) -> str:
        """As callers meet it."""
        if name in self.quantised:
            return "float32"
        dtype = np.dtype(self.details[name]["dtype"])
        return "str" if dtype.kind == "S" else dtype.name

    def specs(self) -> tuple[TensorSpec, ...]:
        """As core wants them; sizes that the file leaves open are None."""
        return tuple(TensorSpec(name, self.dtype(name), self._shape(name)) for name in self.details)

    def _shape(self, name: str) -> tuple[int | None, ...]:
        details = self.details[name]
        stated = details["shape_signature"]
        axes = stated if len(stated) else details["shape"]
        return tuple(int(axis) if axis >= 0 else None for axis in axes)


class FirstGraph:
    """Runs the first graph of a file through an interpreter of its own.

    Args:
        interpreter: of the file.
        inputs: of the graph, as `outputs`.
        reset: whether to put its variables back to their initial state before each run, if it has any
            and no other graph has.
    """

    def __init__(
        self, interpreter: Interpreter, inputs: Ports, outputs: Ports, reset: bool
    ) -> None:
        self._interpreter = interpreter
        self._reset = reset
        self._inputs = {name: int(each["index"]) for name, each in inputs.details.items()}
        self._outputs = {name: int(each["index"]) for name, each in outputs.details.items()}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._allocate({name: tuple(each["shape"]) for name, each in inputs.details.items()})

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        shapes = {name: feeds[name].shape for name in self._inputs}
        if shapes != self._shapes:
            self._shapes = {}  # whatever happens: those of the call before hold no more
            for name, index in self._inputs.items():
                self._interpreter.resize_tensor_input(index, shapes[name])
            self._allocate(shapes)
        for name, index in self._inputs.items():
            self._interpreter.set_tensor(index, feeds[name])
        if self._reset:
            self._interpreter.reset_all_variables()
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(at) for name, at in self._outputs.items()}

    def _allocate(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self._interpreter.allocate_tensors()
        self._shapes = shapes


class LaterGraph:
    """Runs another graph than the first, which LiteRT only does by a signature; args as above."""

    def __init__(self, interpreter: Interpreter, signature: str, reset: bool) -> None:
        self._interpreter = interpreter
        self._runner = interpreter.get_signature_runner(signature)
        self._reset = reset
        self._allocated = False  # by the runner, at its first call

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        if self._reset and self._allocated:
            self._interpreter.reset_all_variables()
        results: Arrays = self._runner(**feeds)
        self._allocated = True
        return results


def _encoded(array: np.ndarray) -> np.ndarray:
    """Texts as the bytes that LiteRT takes."""
    flat = [each.encode() if isinstance(each, str) else each for each in array.ravel().tolist()]
    encoded = np.empty(len(flat), object)
    encoded[:] = flat
    return encoded.reshape(array.shape)


def _decoded(array: np.ndarray) -> np.ndarray:
    """Texts from bytes; what isn't UTF-8 in them is replaced."""
    decoded = np.empty(array.size, object)
    decoded[:] = [
        each.decode("utf-8", "replace") if isinstance(each, bytes) else each
        for each in array.ravel().tolist()
    ]
    return decoded.reshape(array.shape)
