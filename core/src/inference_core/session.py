"""What a backend's `load` gives back: a loaded graph or task, ready to run.

`Session` is a Protocol: a backend's class needs these attributes, not this base class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: as the graph calls it.
        dtype: numpy's name ("float32", "int64", "bool"), "bfloat16" (given and returned as float32
            arrays, numpy has no such type), "str" (object arrays of str), or "any" where the file
            doesn't say: any dtype is passed on.
        shape: one entry per axis, None where any size goes; None altogether if the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name}: {self.dtype}"
        axes = ", ".join("?" if axis is None else str(axis) for axis in self.shape)
        return f"{self.name}: {self.dtype}({axes})"


@runtime_checkable
class Session(Protocol):
    """A loaded model (or one part of it), as a backend's `load` returns it.

    Attributes:
        inputs: what `predict` takes; empty for task backends.
        outputs: what `predict` returns; empty for task backends.
        metadata: what the loaded file says of itself.
        task: the task it performs, for task backends; None for tensor backends.
        device: where it runs, as the framework itself reports it ("cpu", "cuda:0").
        thread_safe: whether several threads may call `predict` at once; core serialises otherwise.
        device_arrays: a DLPack device name if it takes and returns device tensors, else None
            (numpy arrays).

    What later versions of this contract add is optional, and isn't part of the Protocol:

    Attributes:
        call_options: for task backends, a dataclass of the per-call options with their defaults.
            Core builds it from the package's parameters and the call's keywords, refuses an unknown
            name or a value of the wrong type, and gives `predict` the fields as its `options`. One
            that can stream has `stream: bool = False` among them. Without it, `predict` gets what
            the caller gave, and has to refuse what it doesn't know itself.
        input_kind: "image" for task backends that take pictures: core then reads what the caller
            gives (a path, bytes, a PIL image, an array with `color_format`), and `predict` gets an
            `inference_vision.image.Image`. Without it, or None, `predict` gets the caller's input.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...
    @property
    def task(self) -> str | None: ...
    @property
    def device(self) -> str: ...
    @property
    def thread_safe(self) -> bool: ...
    @property
    def device_arrays(self) -> str | None: ...

    def close(self) -> None:
        """Give back everything the session holds. Calling it again does nothing."""
