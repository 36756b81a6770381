"""A loaded ONNX graph: arrays in, arrays out.

`loading` makes it. Names, dtypes and shapes of the arrays are checked by core before they get here.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Mapping

import numpy as np
import onnxruntime as ort
from inference_core.errors import InferenceError, ModelClosed
from inference_core.session import TensorSpec
from onnxruntime.capi import onnxruntime_pybind11_state as native

# onnxruntime's exceptions have no base class of their own.
ORT_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(v for v in vars(native).values() if isinstance(v, type) and issubclass(v, Exception)),
)

_BFLOAT16 = 16  # TensorProto.DataType

Arrays = dict[str, np.ndarray]
Runner = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]


class OnnxSession:
    """One graph on one device.

    Several threads may call `run` at once. Arrays are numpy's, of the dtypes in `inputs` and
    `outputs`; bfloat16 is given and returned as float32 (rounded to nearest, ties to even), str as
    object arrays.

    Attributes:
        inputs: what `run` takes.
        outputs: what `run` returns.
        metadata: the model's own entries.
        device: where the graph runs, as onnxruntime reports it.
        path: the file it came from.
    """

    task = None
    thread_safe = True
    device_arrays = None

    def __init__(
        self,
        session: ort.InferenceSession,
        path: str,
        device: str,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        io_binding: bool = False,
    ) -> None:
        """Wrap a session whose providers have been checked.

        Raises:
            InferenceError: the tensors can't be exchanged in the way the options ask for.
        """
        self.path = path
        self.device = device
        self.inputs = inputs
        self.outputs = outputs
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self._names = [spec.name for spec in outputs]
        self._session: ort.InferenceSession | None = session
        self._run: Runner | None = self._runner(session, io_binding)

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Arrays by output name from arrays by input name.

        Raises:
            ModelClosed: after `close()`.
            InferenceError: onnxruntime failed; its own exception is the cause.
        """
        run = self._run
        if run is None:
            raise ModelClosed(f"{self.path} was closed")
        try:
            arrays = run(inputs)
            if len(arrays) == 1:  # the usual case; zip alone costs 2 µs on a slow core
                return {self._names[0]: arrays[0]}
            return dict(zip(self._names, arrays, strict=True))
        except ORT_ERRORS as error:
            raise InferenceError(f"onnxruntime failed to run {self.path}: {error}") from error

    def close(self) -> None:
        """Give the graph's memory back, once the runs in progress end; again does nothing."""
        session, self._session, self._run = self._session, None, None
        if session is not None and session.get_session_options().enable_profiling:
            session.end_profiling()

    def _runner(self, session: ort.InferenceSession, io_binding: bool) -> Runner:
        """The quickest way to run these types of tensors."""
        dtypes = {spec.dtype for spec in (*self.inputs, *self.outputs)}
        odd = dtypes & {"bfloat16", "str"}
        if io_binding:
            if self.device.partition(":")[0] not in {"cpu", "cuda"}:
                raise InferenceError(f"io_binding isn't for {self.device}: leave it out")
            if odd:
                raise InferenceError(
                    f"{self.path} has {' and '.join(sorted(odd))} tensors, which io_binding can't "
                    "bind: leave io_binding out"
                )
            return _Bound(session, self.device, self._names)
        if "bfloat16" not in dtypes:
            return functools.partial(session.run, self._names)
        if any(spec.dtype == "str" for spec in self.inputs):
            raise InferenceError(
                f"{self.path} takes str and has bfloat16 tensors: onnxruntime can't pass both"
            )
        return self._run_with_bfloat16

    def _run_with_bfloat16(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Through OrtValues, which carry types that numpy hasn't."""
        session = self._session
        if session is None:
            raise ModelClosed(f"{self.path} was closed")
        values = {
            spec.name: _to_bfloat16(inputs[spec.name])
            if spec.dtype == "bfloat16"
            else ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(inputs[spec.name]))
            for spec in self.inputs
        }
        results = session.run_with_ort_values(self._names, values)
        return [
            _from_bfloat16(value) if spec.dtype == "bfloat16" else value.numpy()
            for spec, value in zip(self.outputs, results, strict=True)
        ]


class _Bound:
    """Runs with input buffers that stay on the device, one set per thread."""

    def __init__(self, session: ort.InferenceSession, device: str, names: list[str]) -> None:
        kind, _, index = device.partition(":")
        self._session = session
        self._device = (kind, int(index or 0))
        self._names = names
        self._threads = threading.local()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        mine = self._threads.__dict__
        if not mine:
            mine.update(binding=self._session.io_binding(), buffers={})
        binding, buffers = mine["binding"], mine["buffers"]
        for name, array in inputs.items():
            buffer = buffers.get(name)
            if buffer is None or tuple(buffer.shape()) != array.shape:
                buffer = ort.OrtValue.ortvalue_from_shape_and_type(
                    list(array.shape), array.dtype, *self._device
                )
                buffers[name] = buffer
                binding.bind_ortvalue_input(name, buffer)
            buffer.update_inplace(np.ascontiguousarray(array))
        # Outputs are bound anew each time: their shapes may change, and what was returned before
        # must not be overwritten.
        binding.clear_binding_outputs()
        for name in self._names:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        results: list[np.ndarray] = binding.copy_outputs_to_cpu()
        return results


def _to_bfloat16(array: np.ndarray) -> ort.OrtValue:
    """The upper halves of float32 numbers, rounded to nearest even; NaN stays NaN."""
    bits = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    halves = np.where(np.isnan(array), (bits >> 16) | 0x40, rounded).astype(np.uint16)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(halves, _BFLOAT16)


def _from_bfloat16(value: ort.OrtValue) -> np.ndarray:
    """float32 numbers from bfloat16 bits in CPU memory, copied: the memory is the OrtValue's."""
    shape = tuple(value.shape())
    size = int(np.prod(shape, dtype=np.int64))
    if size == 0:
        return np.zeros(shape, np.float32)
    memory = (ctypes.c_uint16 * size).from_address(value.data_ptr())
    bits: np.ndarray = np.ctypeslib.as_array(memory).astype(np.uint32) << 16
    return bits.view(np.float32).reshape(shape)
