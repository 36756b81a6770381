"""What a safetensors file holds, told by its header: no weights are read here, and no numpy.

The format (github.com/huggingface/safetensors): the header's length in 8 bytes, little-endian; the
header, a JSON object of tensors by name, each with its dtype, its shape and where its data begins
and ends; then the data of all tensors, without gaps. "__metadata__" maps str to str.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_core import InvalidModel

SIZES = {"F32": 4, "F16": 2}
MAX_HEADER = 1 << 20  # bytes: thousands of layers


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor is: its dtype (a key of `SIZES`), its shape, its first byte in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Mlp:
    """What a file holds: weight (out, in) and bias (out,) of each layer in order, and metadata."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    metadata: Mapping[str, str]


def read_mlp(path: Path) -> Mlp:
    """Read a file's header, and check that it describes an MLP and fits the file.

    Raises:
        InvalidModel: it doesn't, or the file can't be read.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(MAX_HEADER, size - 8):
                raise ValueError(f"a header of {length} bytes isn't in a file of {size}")
            header = json.loads(file.read(length))
        metadata = {str(k): str(v) for k, v in header.pop("__metadata__", {}).items()}
        return Mlp(_layers(_tensors(header, 8 + length, size)), metadata)
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidModel(f"{path} is no MLP in a safetensors file: {error}") from error


def _tensors(header: Mapping[str, Any], start: int, size: int) -> dict[str, Tensor]:
    """The tensors by name. Their data must fill the file from `start` to `size`, as the format
    demands: so loading never reads more than the file, whatever a header claims."""
    found, offset = {}, start
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape = entry["dtype"], tuple(entry["shape"])
        if dtype not in SIZES:
            raise ValueError(f"{name} is {dtype}, and only {' and '.join(SIZES)} can be run")
        if not all(type(axis) is int and axis > 0 for axis in shape):
            raise ValueError(f"{name} has the impossible shape {shape}")
        end = offset + math.prod(shape) * SIZES[dtype]
        if entry["data_offsets"] != [offset - start, end - start]:
            raise ValueError(f"{name} isn't where the tensor before it ends, or not of its size")
        found[name] = Tensor(dtype, shape, offset)
        offset = end
    if offset != size:
        raise ValueError(f"the file has {size} bytes, and its header describes {offset}")
    return found


def _layers(tensors: Mapping[str, Tensor]) -> tuple[tuple[Tensor, Tensor], ...]:
    """The layers in order. The tensors must be theirs, no more and no fewer, and fit together."""
    count = max(1, (len(tensors) + 1) // 2)
    names = [(f"layers.{n}.weight", f"layers.{n}.bias") for n in range(count)]
    if wrong := sorted(tensors.keys() ^ {name for pair in names for name in pair}):
        problem = "is no tensor of an MLP" if wrong[0] in tensors else "is missing"
        raise ValueError(
            f"{wrong[0]} {problem}: layers.N.weight and layers.N.bias are, N = 0, 1, …"
        )
    layers = tuple((tensors[weight], tensors[bias]) for weight, bias in names)
    width = layers[0][0].shape[-1:]
    for (weight, bias), (name, _) in zip(layers, names, strict=True):
        expected = (*bias.shape, *width)
        if len(expected) != 2 or weight.shape != expected:
            raise ValueError(f"{name} is {weight.shape}, and by its neighbours {expected}")
        width = bias.shape
    return layers
