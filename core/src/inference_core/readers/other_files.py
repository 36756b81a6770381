"""Headers of formats without a reader file of their own: GGUF, safetensors.

Each read is bounded to the header; what it can't see there stays unknown.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import BinaryIO

from inference_core.errors import InvalidModel
from inference_core.package import Artifact, Precision

_MAX_HEADER = 64 << 20
_GGUF_STRING, _GGUF_ARRAY = 8, 9
# Sizes of GGUF's scalar value types, by type number (specification: ggml-org/ggml, docs/gguf.md).
_GGUF_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_SAFETENSORS_PRECISION: dict[str, Precision] = {
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "I8": "int8",
    "U8": "int8",
}


def read_gguf(path: Path) -> Artifact:
    """A GGUF file; facts: "gguf.version" and the string values of its header as "metadata".

    Raises:
        InvalidModel: the header is damaged or ends too early.
    """
    with open(path, "rb") as file:
        reader = _Gguf(file, path)
        if reader.take(4) != b"GGUF":
            raise InvalidModel(f"{path} is no GGUF file: it doesn't start with GGUF")
        version = reader.number("<I")
        if version not in (2, 3):
            raise InvalidModel(f"{path}: GGUF version {version} isn't known (2 and 3 are)")
        reader.number("<Q")  # number of tensors
        count = reader.number("<Q")
        if count > 100_000:
            raise InvalidModel(f"{path}: a GGUF header with {count} entries is damaged")
        metadata = {}
        for _ in range(count):
            key = reader.text()
            value = reader.value(reader.number("<I"))
            if isinstance(value, str):
                metadata[key] = value
    return Artifact(
        "gguf", {"model": path}, facts={"model": {"gguf.version": version, "metadata": metadata}}
    )


class _Gguf:
    """Reads a GGUF header piece by piece, skipping what is long."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path, self.left = file, path, path.stat().st_size

    def take(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0 or size > _MAX_HEADER:
            raise InvalidModel(f"{self.path}: the GGUF header is truncated or damaged")
        return self.file.read(size)

    def number(self, layout: str) -> int:
        return int(struct.unpack(layout, self.take(struct.calcsize(layout)))[0])

    def text(self) -> str:
        return self.take(self.number("<Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> str | None:
        """The value if it is a string; others are passed over."""
        if kind == _GGUF_STRING:
            return self.text()
        if kind == _GGUF_ARRAY:
            inner, count = self.number("<I"), self.number("<Q")
            if inner == _GGUF_STRING:
                if count > self.left // 8:
                    raise InvalidModel(f"{self.path}: the GGUF header is truncated or damaged")
                for _ in range(count):
                    self.skip(self.number("<Q"))
            else:
                self.skip(self.size(inner) * count)
        else:
            self.skip(self.size(kind))
        return None

    def size(self, kind: int) -> int:
        if kind not in _GGUF_SIZES:
            raise InvalidModel(f"{self.path}: the GGUF header has a value of unknown type {kind}")
        return _GGUF_SIZES[kind]

    def skip(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise InvalidModel(f"{self.path}: the GGUF header is truncated or damaged")
        self.file.seek(size, 1)


def read_safetensors(path: Path) -> Artifact:
    """A safetensors file; facts: its "metadata"; precision: that of most of its bytes.

    Raises:
        InvalidModel: the header is no JSON object or longer than the file.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, _MAX_HEADER):
            raise InvalidModel(f"{path}: the safetensors header is truncated or damaged")
        raw = file.read(length)
    try:
        header = json.loads(raw)
        metadata = {str(k): str(v) for k, v in header.pop("__metadata__", {}).items()}
        weights: dict[str, int] = {}
        for tensor in header.values():
            begin, end = tensor["data_offsets"]
            weights[str(tensor["dtype"])] = (
                weights.get(str(tensor["dtype"]), 0) + int(end) - int(begin)
            )
    except (
        ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError
    ) as error:  # fmt: skip
        raise InvalidModel(f"{path}: the safetensors header is damaged: {error}") from error
    dominant = max(weights, key=lambda dtype: weights[dtype], default="")
    return Artifact(
        "safetensors",
        {"model": path},
        precision=_SAFETENSORS_PRECISION.get(dominant),
        facts={"model": {"metadata": metadata}},
    )
