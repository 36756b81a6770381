"""A loaded torch program as core's session: numpy arrays in, numpy arrays out.

Knows nothing of files or of kinds of programs: `loading` gives it a function from tensors to named
tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from inference_core.errors import ModelClosed
from inference_core.session import TensorSpec

if TYPE_CHECKING:
    Program = Callable[[Sequence[Any]], list[tuple[str, torch.Tensor]]]


class TorchSession:
    """One program on one device.

    `predict` takes and returns what `inputs` and `outputs` declare, in whatever precision the program
    computes: with `precision="fp16"` a float32 model still takes and returns float32 arrays.

    Attributes:
        inputs: tensors to give, in the program's order.
        outputs: tensors that come back; empty where the program doesn't say (TorchScript that
            returns a list or a dict, Python modules).
        metadata: what the file says of itself.
        device: where the weights are, as torch says.
        thread_safe: whether several threads may predict at once.
        compute: dtype that floating inputs are turned into; None leaves them as they are.

    What comes back is the caller's: no array of it shares memory with the program's weights, buffers
    or constants, with anything the program keeps, or with an array that was given.
    """

    task: str | None = None
    device_arrays: str | None = None

    def __init__(
        self,
        program: Program,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        metadata: Mapping[str, str],
        device: str,
        thread_safe: bool,
        compute: torch.dtype | None,
        memory: frozenset[int] | None,
        writes_inputs: bool,
    ) -> None:
        """
        Args:
            program: from tensors to named tensors; the rest is described above.
            memory: addresses of the storages that the program keeps between runs; None if a run may
                add some, which makes every result a copy.
            writes_inputs: whether `program` may write to its tensors, which makes those copies.
        """
        self._program: Program | None = program
        self.inputs, self.outputs, self.metadata = inputs, outputs, metadata
        self.device, self.thread_safe, self.compute = device, thread_safe, compute
        self._memory, self._writes_inputs = memory, writes_inputs
        self._device = torch.device(device)
        self._returned = {spec.name: _numpy_side(spec.dtype) for spec in outputs}

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays by output name.

        Args:
            inputs: arrays by input name, of the shapes and dtypes that `inputs` declares.

        Raises:
            ModelClosed: `close` was called.
            RuntimeError, AssertionError: torch refused the inputs.
        """
        program = self._program
        if program is None:
            raise ModelClosed("this torch session is closed")
        with torch.inference_mode():
            tensors = [self._tensor(inputs[spec.name], spec) for spec in self.inputs]
            given = set(map(_address, tensors))
            return {name: self._array(name, tensor, given) for name, tensor in program(tensors)}

    def close(self) -> None:
        """Let go of the program and give its GPU memory back. Calling it again does nothing."""
        if self._program is None:
            return
        self._program = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _tensor(self, array: np.ndarray, spec: TensorSpec) -> torch.Tensor:
        tensor = torch.from_numpy(_torch_takes(array))
        dtype = torch.bfloat16 if spec.dtype == "bfloat16" else None
        if self.compute is not None and tensor.is_floating_point():
            dtype = self.compute
        return tensor.to(self._device, dtype, copy=self._writes_inputs)

    def _array(self, name: str, result: torch.Tensor, given: set[int]) -> np.ndarray:
        tensor = result
        if tensor.is_floating_point():
            wanted = self._returned.get(name)
            if wanted is None and tensor.dtype == torch.bfloat16:
                wanted = torch.float32
            if wanted is not None and wanted != tensor.dtype:
                tensor = tensor.to(wanted)
        tensor = tensor.resolve_conj().resolve_neg().cpu()
        address = _address(tensor)
        if self._memory is None:
            shared = address == _address(result)
        else:
            shared = address in self._memory or address in given
        if shared:
            tensor = tensor.clone()
        array: np.ndarray = tensor.numpy()
        return array


def _address(tensor: torch.Tensor) -> int:
    address: int = tensor.untyped_storage().data_ptr()
    return address


def _numpy_side(dtype: str) -> torch.dtype | None:
    """What a floating output declared as `dtype` is turned into: float32 for "any" and for what
    numpy lacks."""
    if dtype in ("any", "bfloat16") or dtype.startswith("float8"):
        return torch.float32
    return getattr(torch, dtype, None)


class _Holder:
    """Offers an array's memory as writable, and keeps the array alive."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        pointer = array.__array_interface__["data"][0]
        self.__array_interface__ = {**array.__array_interface__, "data": (pointer, False)}


def _torch_takes(array: np.ndarray) -> np.ndarray:
    """The array in a form that torch takes, without a copy where it can.

    torch warns of read-only memory, once per process, because it could be written through the tensor.
    It isn't: programs that may write to their inputs get copies of them.
    """
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array)
    return array if array.flags.writeable else np.asarray(_Holder(array))
