"""What an ONNX file says of itself, read without any runtime: opsets, metadata, inputs, outputs.

Initializers are skipped, and nodes are searched for one word, so the cost depends on the number of
fields and the size of the nodes, not of the weights. It is no validator: what passes here has a
sound outline, but a runtime may still refuse it.

The field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. There is no
recursion for a hostile file to drive.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from inference_core.errors import InvalidModel
from inference_core.package import Artifact
from inference_core.readers.onnx_external import ExternalData
from inference_core.readers.protobuf import BYTES, VARINT, Field
from inference_core.readers.summary import NO_WEIGHTS, batch_of, precision_of
from inference_core.session import TensorSpec

MAX_RANK = 64
_INT64_NEGATIVE = 1 << 63  # a varint from here on is a negative int64

# TensorProto.DataType to the names of TensorSpec; what numpy lacks is named as in ml_dtypes.
_DTYPES = (
    "undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "str", "bool",
    "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16",
    "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "uint4", "int4",
    "float4_e2m1fn", "float8_e8m0fnu", "uint2", "int2", "float6_e2m3fn", "float6_e3m2fn",
)  # fmt: skip

# TypeProto's kinds besides tensors; they have no dtype of their own.
_OTHER_KINDS = {4: "sequence", 5: "map", 7: "opaque", 8: "sparse", 9: "optional"}
_KINDS = (1, *_OTHER_KINDS)


def read(path: Path) -> Artifact:
    """The artifact that the ONNX file at `path` is, with the facts found in it.

    Returns:
        An artifact of format "onnx" with the part "model" and these facts:

        - "onnx.ir_version": int; "onnx.opsets": version by domain ("" is ONNX's own);
          "onnx.producer": name and version of the exporter, "" if it doesn't say;
        - "metadata": the model's own entries, str to str;
        - "inputs" (without those that are initializers) and "outputs": tuples of TensorSpec. The
          dtype of what is no tensor is "sequence", "map", "optional", "sparse" or "opaque";
        - "onnx.external_data": file names, as written there, that tensors lie in: initializers,
          and those in nodes, subgraphs and functions.

        `precision` is the type of more than half of the elements of all weights (initializers but
        those of shapes and indices), None where no type is or `PRECISIONS` lacks it; `batch` is
        what the first axis of every input says, None where they disagree.

    Raises:
        InvalidModel: the file can't be read or isn't a sound ONNX file; the message says where.
    """
    try:
        with path.open("rb", buffering=0) as file:
            walk = _Walk(path, file)
            model = walk.model()
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error
    inputs = tuple(spec for spec in model.inputs if spec.name not in model.initializers)
    facts = {
        "onnx.ir_version": model.ir_version,
        "onnx.opsets": model.opsets,
        "onnx.producer": " ".join(filter(None, (model.producer, model.producer_version))),
        "onnx.external_data": tuple(sorted(walk.external)),
        "metadata": model.metadata,
        "inputs": inputs,
        "outputs": tuple(model.outputs),
    }
    return Artifact(
        format="onnx",
        parts={"model": path},
        precision=precision_of(model.elements),
        batch=batch_of(inputs),
        facts={"model": facts},
    )


def looks_like_onnx(head: bytes) -> bool:
    """Whether the first bytes of a file could be those of an ONNX model, whatever its name.

    A heuristic, since the format has no magic number: the file must begin with a small
    `ir_version` (every known exporter writes the fields in order), followed by fields of ModelProto
    with their wire types, at least one of which is whole or reaches beyond `head`. A few dozen
    bytes are enough. `read` is the real test.
    """
    if len(head) < 4 or head[0] != 0x08 or not 1 <= head[1] <= 63:
        return False
    position, known = 2, 0
    while position < len(head) and known < 4:
        key = head[position]
        if key not in _MODEL_KEYS:
            return False
        if key & 7 == BYTES and key >> 3 in _MODEL_TEXTS:
            length = head[position + 1] if position + 1 < len(head) else 0
            text = head[position + 2 : position + 2 + min(length, 127)]
            if length > 127 or any(byte < 0x20 for byte in text):
                return False
            position += 2 + length
        elif key & 7 == VARINT:
            position += 2
            while position < len(head) and head[position - 1] & 0x80:
                position += 1
        else:
            return True  # the graph or an opset follows: all that a short head can show
        known += 1
    return known > 0


# One-byte keys of ModelProto: number << 3 | wire type. Fields 2 to 4 are short texts.
_MODEL_TEXTS = (2, 3, 4)
_MODEL_KEYS = {number << 3 | BYTES for number in (2, 3, 4, 6, 7, 8, 14)} | {5 << 3 | VARINT}


@dataclass
class _Model:
    """What the walk collects."""

    ir_version: int = 0
    producer: str = ""
    producer_version: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    inputs: list[TensorSpec] = field(default_factory=list)
    outputs: list[TensorSpec] = field(default_factory=list)
    initializers: set[str] = field(default_factory=set)
    elements: Counter[str] = field(default_factory=Counter)


class _Walk(ExternalData):
    """One pass over one file: each method reads one kind of message of the schema."""

    def model(self) -> _Model:
        """ModelProto."""
        model = _Model()
        graphs = 0
        for f in self.fields(0, self.size, "the model", (1, 2, 3, 7, 8, 14, 20, 25)):
            if f.number == 1:
                model.ir_version = self.number(f, "ir_version")
            elif f.number == 2:
                model.producer = self.text(f, "producer_name")
            elif f.number == 3:
                model.producer_version = self.text(f, "producer_version")
            elif f.number == 7:
                graphs += 1
                self.graph(self.message(f, "graph"), model)
            elif f.number == 8:
                self.opset(self.message(f, "opset_import"), model)
            elif f.number == 14:
                key, value = self.entry(f, "metadata_props")
                model.metadata[key] = value
            elif f.number == 20:
                self.nested("training_info", self.message(f, "training_info"))
            elif f.number == 25:
                self.nested("function", self.message(f, "function"))
        if not graphs:
            raise self.invalid("it holds no graph")
        if not 0 < model.ir_version < 2**31:
            raise self.invalid(f"its IR version is {model.ir_version or 'missing'}")
        if not model.opsets and model.ir_version >= 3:
            raise self.invalid("it states no opset; perhaps its end is missing")
        return model

    def opset(self, message: Field, model: _Model) -> None:
        domain, version = "", 0
        for f in self.fields(message.start, message.stop, "opset_import", (1, 2)):
            if f.number == 1:
                domain = self.text(f, "opset domain")
            elif f.number == 2:
                version = self.number(f, "opset version")
        model.opsets[domain] = version

    def graph(self, message: Field, model: _Model) -> None:
        for f in self.fields(message.start, message.stop, "the graph", (1, 5, 11, 12, 15)):
            if f.number == 1:
                self.nested("node", self.message(f, "node"))
            elif f.number == 5:
                self.initializer(self.message(f, "initializer"), model)
            elif f.number == 11:
                model.inputs.append(self.value_info(self.message(f, "graph input")))
            elif f.number == 12:
                model.outputs.append(self.value_info(self.message(f, "graph output")))
            elif f.number == 15:
                for part in self.fields(f.start, self.message(f, "sparse").stop, "sparse", (1, 2)):
                    if part.number == 1:
                        self.initializer(self.message(part, "sparse values"), model)
                    else:
                        self.nested("tensor", self.message(part, "sparse indices"))

    def initializer(self, message: Field, model: _Model) -> None:
        """TensorProto: its header. The data, in fields 4 to 7 and 9 to 11, is skipped."""
        name, dtype, external, locations = "", "undefined", False, []
        dims: list[int] = []
        for f in self.fields(message.start, message.stop, "an initializer", (1, 2, 8, 13, 14)):
            if f.number == 1:
                dims += self.dims(f)
                if len(dims) > MAX_RANK or any(d >= _INT64_NEGATIVE for d in dims):
                    raise self.invalid(f"initializer {name!r} at byte {f.start} has no sane shape")
            elif f.number == 2:
                dtype = self.dtype(f)
            elif f.number == 8:
                name = self.text(f, "initializer name")
            elif f.number == 13:
                key, value = self.entry(f, "external_data")
                if key == "location":
                    locations.append(value)
            elif f.number == 14:
                external = self.number(f, "data_location") == 1
        model.initializers.add(name)
        if dtype not in NO_WEIGHTS:
            model.elements[dtype] += math.prod(dims)
        if external and not locations:
            raise self.invalid(
                f"the data of initializer {name!r} is external, but no file is named"
            )
        if external:
            self.external.update(locations)

    def dims(self, f: Field) -> list[int]:
        """Dimensions, written one by one or packed into one field."""
        if f.wire == VARINT:
            return [f.value]
        dims: list[int] = []
        position = self.message(f, "dims").start
        while position < f.stop and len(dims) <= MAX_RANK:
            value, position = self.varint(position, f.stop)
            dims.append(value)
        return dims

    def value_info(self, message: Field) -> TensorSpec:
        """ValueInfoProto and the TypeProto in it."""
        name, dtype = "", "undefined"
        shape: tuple[int | None, ...] | None = None
        for f in self.fields(message.start, message.stop, "a graph input or output", (1, 2)):
            if f.number == 1:
                name = self.text(f, "tensor name")
            elif f.number == 2:
                self.message(f, "tensor type")
                for kind in self.fields(f.start, f.stop, f"the type of {name!r}", _KINDS):
                    if kind.number == 1:
                        dtype, shape = self.tensor_type(self.message(kind, "tensor type"))
                    else:
                        dtype, shape = _OTHER_KINDS[kind.number], None
        return TensorSpec(name, dtype, shape)

    def tensor_type(self, message: Field) -> tuple[str, tuple[int | None, ...] | None]:
        dtype = "undefined"
        shape: tuple[int | None, ...] | None = None
        for f in self.fields(message.start, message.stop, "a tensor type", (1, 2)):
            if f.number == 1:
                dtype = self.dtype(f)
            elif f.number == 2:
                self.message(f, "shape")
                axes = self.fields(f.start, f.stop, "a shape", (1,))
                shape = tuple(self.axis(self.message(a, "axis")) for a in axes)
                if len(shape) > MAX_RANK:
                    raise self.invalid(f"a tensor at byte {f.start} has {len(shape)} axes")
        return dtype, shape

    def axis(self, message: Field) -> int | None:
        """A fixed size; None if it is symbolic, unknown or (in some exports) negative."""
        size = None
        for f in self.fields(message.start, message.stop, "an axis", (1, 2)):
            if f.number == 1:
                value = self.number(f, "axis")
                size = value if value < _INT64_NEGATIVE else None
            elif f.number == 2:
                size = None
        return size

    def dtype(self, f: Field) -> str:
        value = self.number(f, "element type")
        return _DTYPES[value] if value < len(_DTYPES) else f"type{value}"
