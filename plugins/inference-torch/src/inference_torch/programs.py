"""The three kinds of torch programs, each loaded into one form: tensors in, named tensors out.

`torch.export` archives, TorchScript and pickled modules. Whether a file may be loaded at all was
decided before (`judgement`, `loading`).
"""

from __future__ import annotations

import inspect
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from inference_core.errors import InvalidModel
from inference_core.readers import torch_file
from inference_core.session import TensorSpec
from torch.utils import _pytree as pytree

from inference_torch.graphs import cast, written_inputs

Named = list[tuple[str, torch.Tensor]]


@dataclass
class Loaded:
    """A program on its device, in its precision.

    Attributes:
        module: what is called; `torch.compile` may replace it.
        arguments: how a list of tensors becomes the module's arguments.
        inputs: the tensors it takes, in order.
        outputs: the tensors it returns, as far as the file says; see `TorchSession`.
        metadata: what the file says of itself.
        stateless: whether a run is known to change nothing that another run could see.
        writes_inputs: whether a run may write to the tensors it is given.
        example: tensors that it can be tried with, or ().
    """

    module: Any
    arguments: Any
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metadata: Mapping[str, str]
    stateless: bool
    writes_inputs: bool
    example: Sequence[torch.Tensor] = field(default=())

    def memory(self) -> frozenset[int]:
        """Addresses of the storages of its weights, buffers and constants."""
        tensors = [*self.module.parameters(), *self.module.buffers()]
        for module in self.module.modules():
            tensors += [value for value in vars(module).values() if torch.is_tensor(value)]
        return frozenset(tensor.untyped_storage().data_ptr() for tensor in tensors)

    def program(self, tensors: Sequence[torch.Tensor]) -> Named:
        """Run it.

        Its tensors, in order, are called as the file says; where it doesn't, by the keys of a dict of
        tensors, else "output0", "output1", …
        """
        args, kwargs = self.arguments(tensors)
        result = self.module(*args, **kwargs)
        names = [spec.name for spec in self.outputs]
        if not names and isinstance(result, Mapping) and all(map(torch.is_tensor, result.values())):
            return [(str(key), value) for key, value in result.items()]
        found = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        names = names or [f"output{index}" for index in range(len(found))]
        return list(zip(names, found, strict=True))


def load_export(
    path: Path, file: io.BytesIO, device: torch.device, dtype: torch.dtype | None
) -> Loaded:
    """An archive of torch.export.save; names and shapes are those that core's reader reads."""
    facts = torch_file.read(path).facts["model"]
    exported = torch.export.load(file)
    signature = exported.graph_signature
    inputs: tuple[TensorSpec, ...] = facts["inputs"]
    names = [spec.arg.name for spec in signature.input_specs if _is_given(spec)]
    if names != [spec.name for spec in inputs]:
        raise InvalidModel(f"{path} changed while it was loaded: its inputs are now {names}")
    example = _example(exported)
    written = written_inputs(exported)
    given = {spec.name for spec in inputs}
    if dtype is not None:
        cast(exported, dtype)
        example = [t.to(dtype) if t.is_floating_point() else t for t in example]
    if device.type != "cpu" or facts["torch.devices"] != ("cpu",):
        from torch.export.passes import move_to_device_pass

        exported = move_to_device_pass(exported, str(device))
    # Guards are Python source in the file. Sizes are checked without them, from the ranges; torch
    # before 2.9 has neither the guards nor the argument.
    guarded = "check_guards" in inspect.signature(exported.module).parameters
    module = exported.module(check_guards=False) if guarded else exported.module()
    return Loaded(
        module=module,
        arguments=_Arguments(exported),
        inputs=inputs,
        outputs=facts["outputs"],
        metadata=facts["metadata"],
        stateless=written <= given,
        writes_inputs=bool(written & given),
        example=[tensor.to(device) for tensor in example],
    )


def _is_given(spec: Any) -> bool:
    """Whether the caller gives it: user inputs, without constants that the program fixed."""
    constant = type(spec.arg).__name__ == "ConstantArgument"
    return bool(spec.kind.name == "USER_INPUT" and not constant)


class _Arguments:
    """Puts tensors where the exported program takes its inputs, and constants between them."""

    def __init__(self, exported: Any) -> None:
        self._tree = exported.call_spec.in_spec
        specs = [s for s in exported.graph_signature.input_specs if s.kind.name == "USER_INPUT"]
        self._fixed = [None if _is_given(spec) else (spec.arg.value,) for spec in specs]
        kinds = [type(spec.arg).__name__ for spec in specs if _is_given(spec)]
        self._symbols = [kind == "SymIntArgument" for kind in kinds]

    def __call__(self, tensors: Sequence[torch.Tensor]) -> tuple[Any, Any]:
        pairs = zip(tensors, self._symbols, strict=True)
        given = iter([int(tensor) if symbol else tensor for tensor, symbol in pairs])
        flat = [fixed[0] if fixed else next(given) for fixed in self._fixed]
        args, kwargs = pytree.tree_unflatten(flat, self._tree)
        return args, kwargs


def _example(exported: Any) -> list[torch.Tensor]:
    """The inputs that the program was exported with, if the archive holds them all as tensors."""
    leaves = pytree.tree_leaves(exported.example_inputs) if exported.example_inputs else []
    return leaves if leaves and all(type(leaf) is torch.Tensor for leaf in leaves) else []


def load_torchscript(
    path: Path, file: io.BytesIO, device: torch.device, dtype: torch.dtype | None
) -> Loaded:
    """A TorchScript archive; inputs and outputs are those of its `forward`, shapes aren't stated."""
    metadata = torch_file.read(path).facts["model"]["metadata"]
    with warnings.catch_warnings():
        # torch 2.13 calls TorchScript deprecated: news for who writes such a file, not who runs it.
        warnings.filterwarnings("ignore", "`torch.jit.load`", DeprecationWarning)
        module = torch.jit.load(file, map_location=device).eval()
    if dtype is not None:
        module = module.to(dtype)
    schema = module.forward.schema
    arguments = [a for a in schema.arguments[1:] if str(a.type) == "Tensor"]
    others = [
        a.name for a in schema.arguments[1:] if a not in arguments and not a.has_default_value()
    ]
    if others:
        raise InvalidModel(
            f"{path}: its forward takes {', '.join(others)}, which aren't single tensors"
        )
    returned = str(schema.returns[0].type) if len(schema.returns) == 1 else ""
    count = 1 if returned == "Tensor" else _tuple_length(returned)
    return Loaded(
        module=module,
        arguments=_by_name([argument.name for argument in arguments]),
        inputs=tuple(TensorSpec(argument.name, "any", None) for argument in arguments),
        outputs=tuple(TensorSpec(f"output{index}", "any", None) for index in range(count)),
        metadata=metadata,
        # Its code may write to its attributes and its inputs, and nothing in the file says whether.
        stateless=False,
        writes_inputs=True,
    )


def _tuple_length(text: str) -> int:
    """2 for "Tuple[Tensor, Tensor]" or "(Tensor, Tensor)"; 0 for any other type."""
    inside = text.removeprefix("Tuple[").removesuffix("]").removeprefix("(").removesuffix(")")
    parts = inside.split(", ")
    return len(parts) if inside != text and all(part == "Tensor" for part in parts) else 0


def load_checkpoint(
    path: Path, file: io.BytesIO, device: torch.device, dtype: torch.dtype | None
) -> Loaded:
    """A pickled `torch.nn.Module`: this runs the code it names. Only with allow_code."""
    module = torch.load(file, map_location=device, weights_only=False)
    if not isinstance(module, torch.nn.Module):
        raise InvalidModel(
            f"{path} holds a {type(module).__name__}, not a module: export the model with "
            "torch.export.save"
        )
    module = module.to(device=device, dtype=dtype).eval()
    parameters = inspect.signature(module.forward).parameters.values()
    names = [
        p.name for p in parameters if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD
    ]
    return Loaded(
        module=module,
        arguments=_by_name(names),
        inputs=tuple(TensorSpec(name, "any", None) for name in names),
        outputs=(),
        metadata={},
        stateless=False,
        writes_inputs=True,
    )


def _by_name(names: Sequence[str]) -> Any:
    return lambda tensors: ((), dict(zip(names, tensors, strict=True)))
