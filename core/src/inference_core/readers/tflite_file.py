"""What a TensorFlow Lite file says of itself, read without any runtime: tensors, signatures, metadata.

Operators and weights are not read, so what passes here has a sound outline, but a runtime may still
refuse it. Formats: tensorflow/lite/schema/schema.fbs (also in LiteRT), and for the metadata
tensorflow/lite/support's metadata_schema.fbs, which the TFLite Support project keeps.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from inference_core.errors import InvalidModel
from inference_core.package import Artifact
from inference_core.readers.flatbuffer import Flatbuffer, Table
from inference_core.readers.summary import NO_WEIGHTS, batch_of, precision_of
from inference_core.readers.tflite_metadata import METADATA_NAME, Packed, described, packed_files
from inference_core.session import TensorSpec

MAX_RANK = 64
MAX_ENDS = 10_000  # inputs or outputs of a subgraph
_MAX_METADATA = 16 * 2**20

# TensorType of the schema to the names of TensorSpec.
_DTYPES = (
    "float32", "float16", "int32", "uint8", "int64", "str", "bool", "int16", "complex64", "int8",
    "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4",
    "bfloat16", "int2", "uint4", "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip

_CUSTOM = 32  # BuiltinOperator.CUSTOM
_PREFERRED = "serving_default"


def read(path: Path) -> Artifact:
    """The artifact that the TensorFlow Lite file at `path` is, with the facts found in it.

    Returns:
        An artifact of format "tflite" with the part "model" and these facts:

        - "inputs" and "outputs": tuples of TensorSpec, of the first subgraph and in its order. They
          are called as in its signature, if it has one ("serving_default", of several), else as in
          the subgraph, with a number where a name is missing or comes twice. Of quantised tensors
          they have the dtype that is stored;
        - "tflite.quantized": names of those inputs and outputs that have scales;
        - "tflite.signatures": by signature "subgraph", the number of the one it is of, and its own
          "inputs" and "outputs", as above;
        - "tflite.stateful": numbers of the subgraphs with variables, which a runtime keeps from one
          run to the next;
        - "tflite.custom_operators": names of operators that aren't TensorFlow Lite's own;
        - "tflite.normalization": "mean" and "std" of pixels of 0 to 255, each a tuple of one number or
          one per channel, where the metadata says so, else empty;
        - "tflite.labels": the lines of the packed file of labels that the metadata names, where it
          is one;
        - "tflite.described": whether it has the metadata of TensorFlow's tools, whatever they say;
        - "tflite.unnamed_outputs": how many outputs its metadata describes without a name, at which
          some runtimes stumble;
        - "metadata": the entries of Ultralytics' metadata.json, temp_meta.txt or meta.txt that are
          packed in it; else name, description, version, author and license of its metadata.

        `precision` is the type of most of the constants; `batch` what the first axis of every input
        says.

    Raises:
        InvalidModel: the file can't be read or isn't sound; the message says where.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return _read(path, file)
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error


def _read(path: Path, file: BinaryIO) -> Artifact:
    source = Flatbuffer(path, file, "TensorFlow Lite")
    model = source.root(b"TFL3")
    graphs = [_Graph(source, subgraph) for subgraph in model.tables(2)]
    if not graphs:
        raise source.invalid("it has no subgraph")
    buffers = list(model.tables(4))
    sizes = [_size(source, buffer) for buffer in buffers]
    signatures = list(_signatures(model, source, len(graphs)))
    names = _names_of_the_first(signatures)
    inputs, outputs = (list(graphs[0].own(what, names[what])) for what in ("inputs", "outputs"))
    packed = packed_files(path, file, _metadata(model, source, buffers, path))
    facts: dict[str, Any] = {
        "inputs": tuple(spec for spec, _ in inputs),
        "outputs": tuple(spec for spec, _ in outputs),
        "tflite.quantized": tuple(
            spec.name for spec, tensor in (*inputs, *outputs) if _is_quantised(tensor)
        ),
        "tflite.signatures": {
            each.key: {
                "subgraph": each.subgraph,
                "inputs": graphs[each.subgraph].named("inputs", each.names["inputs"]),
                "outputs": graphs[each.subgraph].named("outputs", each.names["outputs"]),
            }
            for each in signatures
        },
        "tflite.stateful": tuple(at for at, graph in enumerate(graphs) if graph.has_variables()),
        "tflite.custom_operators": tuple(_custom_operators(model)),
        "tflite.normalization": packed.normalisation,
        "tflite.labels": packed.labels,
        "tflite.unnamed_outputs": packed.unnamed_outputs,
        "tflite.described": packed.described,
        "metadata": packed.metadata,
    }
    return Artifact(
        "tflite",
        {"model": path},
        precision=precision_of(_elements(graphs, sizes)),
        batch=batch_of(facts["inputs"]),
        facts={"model": facts},
    )


def _size(source: Flatbuffer, buffer: Table) -> int:
    """Bytes of a buffer, which large files keep behind the flatbuffer."""
    offset, size = buffer.integer(1, "Q"), buffer.integer(2, "Q")
    if offset > 1:  # 0 and 1 mean that it isn't used
        if offset + size > source.size:
            raise source.invalid(
                f"it is truncated or damaged: a buffer at byte {offset} ends at byte {offset + size}"
            )
        return size
    return buffer.extent(0, 1)[1]


class _Graph:
    """One subgraph, with its tensors by number.

    Raises:
        InvalidModel: it has too many inputs or outputs; from the methods: a number isn't of one of its
            tensors, or what that says isn't sound.
    """

    def __init__(self, source: Flatbuffer, subgraph: Table) -> None:
        self.source = source
        self.tensors = list(subgraph.tables(0))
        self.ends = {"inputs": subgraph.numbers(1, "i"), "outputs": subgraph.numbers(2, "i")}
        for what, ends in self.ends.items():
            if len(ends) > MAX_ENDS:
                raise source.invalid(f"a subgraph has {len(ends):,} {what}")

    def own(self, what: str, names: Mapping[str, int]) -> Iterator[tuple[TensorSpec, Table]]:
        """Its inputs or outputs, called by these names of tensors as far as there are."""
        given: dict[int, list[str]] = {}
        for name, index in names.items():
            given.setdefault(index, []).append(name)
        taken: set[str] = set()
        for number, index in enumerate(self.ends[what]):
            tensor = self._tensor(index, what)
            # A tensor that is returned twice has two names.
            name = given[index].pop(0) if given.get(index) else tensor.text(3)
            if not name or name in taken:
                name = f"{name or what.removesuffix('s')}_{number}"
            while name in taken:
                name += "_"
            taken.add(name)
            yield self._spec(name, tensor), tensor

    def named(self, what: str, names: Mapping[str, int]) -> tuple[TensorSpec, ...]:
        """The tensors of these names, in the order of the graph's own inputs or outputs."""
        order = {index: place for place, index in enumerate(self.ends[what])}
        sorted_names = sorted(names, key=lambda name: order.get(names[name], len(order)))
        return tuple(self._spec(name, self._tensor(names[name], what)) for name in sorted_names)

    def has_variables(self) -> bool:
        """Whether a tensor of it is one."""
        return any(tensor.integer(5, "?") for tensor in self.tensors)

    def _tensor(self, index: int, what: str) -> Table:
        if not 0 <= index < len(self.tensors):
            raise self.source.invalid(
                f"tensor {index} is among its {what}, but there are {len(self.tensors)}"
            )
        return self.tensors[index]

    def _spec(self, name: str, tensor: Table) -> TensorSpec:
        return TensorSpec(name, _dtype(self.source, tensor), _shape(self.source, tensor))


def _shape(source: Flatbuffer, tensor: Table) -> tuple[int | None, ...] | None:
    """None where the rank isn't known, as the schema marks it (files before 2022 don't)."""
    axes = tensor.numbers(7, "i") or tensor.numbers(0, "i")
    if len(axes) > MAX_RANK:
        raise source.invalid(f"a tensor has {len(axes)} axes")
    if not axes and not tensor.integer(8, "?"):
        return None
    return tuple(axis if axis >= 0 else None for axis in axes)


def _dtype(source: Flatbuffer, tensor: Table) -> str:
    number = tensor.integer(1, "b")
    if not 0 <= number < len(_DTYPES):
        raise source.invalid(f"a tensor has the unknown type {number}")
    return _DTYPES[number]


def _is_quantised(tensor: Table) -> bool:
    quantisation = tensor.table(4)
    return quantisation is not None and quantisation.extent(2, 4)[1] > 0


def _elements(graphs: list[_Graph], buffers: list[int]) -> Counter[str]:
    """How many constants there are of each type."""
    elements: Counter[str] = Counter()
    for graph in graphs:
        for tensor in graph.tensors:
            buffer = tensor.integer(2, "I")
            number = tensor.integer(1, "b")
            if buffer >= len(buffers) or not buffers[buffer] or not 0 <= number < len(_DTYPES):
                continue
            if (dtype := _DTYPES[number]) not in NO_WEIGHTS:
                elements[dtype] += math.prod(tensor.numbers(0, "i")[:MAX_RANK])
    return elements


class _Signature(NamedTuple):
    """Its subgraph, and the numbers of tensors by name."""

    key: str
    subgraph: int
    names: dict[str, dict[str, int]]


def _signatures(model: Table, source: Flatbuffer, subgraphs: int) -> Iterator[_Signature]:
    for definition in model.tables(7):
        index = definition.integer(4, "I")
        if index >= subgraphs:
            raise source.invalid(f"a signature is of subgraph {index}; there are {subgraphs}")
        names = {
            what: {entry.text(0): entry.integer(1, "I") for entry in definition.tables(field)}
            for field, what in ((0, "inputs"), (1, "outputs"))
        }
        yield _Signature(definition.text(2), index, names)


def _names_of_the_first(signatures: list[_Signature]) -> dict[str, dict[str, int]]:
    """Those that the first subgraph's signature gives; none if it is unclear which one."""
    first = {each.key: each.names for each in signatures if each.subgraph == 0}
    if len(first) > 1 and _PREFERRED in first:
        return first[_PREFERRED]
    return next(iter(first.values())) if len(first) == 1 else {"inputs": {}, "outputs": {}}


def _custom_operators(model: Table) -> Iterator[str]:
    """The number was one byte once; the greater of both fields counts, as for LiteRT."""
    for code in model.tables(1):
        if max(code.integer(0, "b"), code.integer(3, "i")) == _CUSTOM:
            yield code.text(1)


def _metadata(model: Table, source: Flatbuffer, buffers: list[Table], path: Path) -> Packed:
    """What the metadata says, which is a flatbuffer in a buffer of its own."""
    wanted = [each.integer(1, "I") for each in model.tables(6) if each.text(0) == METADATA_NAME]
    if not wanted:
        return Packed()
    if wanted[0] >= len(buffers):
        raise source.invalid(f"its metadata are in buffer {wanted[0]}; there are {len(buffers)}")
    start, count = buffers[wanted[0]].extent(0, 1)
    if count > _MAX_METADATA:
        raise source.invalid(f"its metadata are {count:,} bytes")
    content = source.take(start, count)
    return described(Flatbuffer(path, io.BytesIO(content), "TensorFlow Lite metadata"))
