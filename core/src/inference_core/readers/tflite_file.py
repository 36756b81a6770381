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
from typing import Any, BinaryIO

from inference_core.errors import InvalidModel
from inference_core.package import Artifact
from inference_core.readers.flatbuffer import Flatbuffer, Table
from inference_core.readers.summary import NO_WEIGHTS, batch_of, precision_of
from inference_core.readers.tflite_metadata import METADATA_NAME, Packed, described, packed_files
from inference_core.session import TensorSpec

MAX_RANK = 64
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
        - "tflite.signatures": number of the subgraph by signature;
        - "tflite.custom_operators": names of operators that aren't TensorFlow Lite's own;
        - "tflite.description": by the converter, mostly without news;
        - "tflite.normalization": "mean" and "std" of pixels of 0 to 255, each a tuple of one number or
          one per channel, where the metadata says so, else empty;
        - "tflite.files": names of the files packed into it;
        - "tflite.labels": the lines of the packed file of labels that the metadata names, where it
          is one;
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
    subgraphs = list(model.tables(2))
    if not subgraphs:
        raise source.invalid("it has no subgraph")
    buffers = [_size(source, buffer) for buffer in model.tables(4)]
    tensors = list(subgraphs[0].tables(0))
    signatures = list(_signatures(model, source, len(subgraphs)))
    names = _signature_names(signatures)
    ends = {
        what: [_tensor(source, tensors, index, what) for index in subgraphs[0].numbers(field, "i")]
        for field, what in ((1, "inputs"), (2, "outputs"))
    }
    specs = {what: tuple(_specs(source, found, names[what], what)) for what, found in ends.items()}
    packed = packed_files(path, file, _metadata(model, source, path))
    facts: dict[str, Any] = {
        **specs,
        "tflite.quantized": tuple(
            spec.name
            for what, found in ends.items()
            for spec, (_, tensor) in zip(specs[what], found, strict=True)
            if _is_quantised(tensor)
        ),
        "tflite.signatures": {key: index for key, index, _ in signatures},
        "tflite.custom_operators": tuple(_custom_operators(model)),
        "tflite.description": model.text(3),
        "tflite.normalization": packed.normalisation,
        "tflite.files": packed.names,
        "tflite.labels": packed.labels,
        "tflite.unnamed_outputs": packed.unnamed_outputs,
        "metadata": packed.metadata,
    }
    return Artifact(
        "tflite",
        {"model": path},
        precision=precision_of(_elements(subgraphs, buffers)),
        batch=batch_of(specs["inputs"]),
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


def _tensor(source: Flatbuffer, tensors: list[Table], index: int, what: str) -> tuple[int, Table]:
    if not 0 <= index < len(tensors):
        raise source.invalid(f"tensor {index} is among its {what}, but there are {len(tensors)}")
    return index, tensors[index]


def _specs(
    source: Flatbuffer, found: list[tuple[int, Table]], names: Mapping[int, str], what: str
) -> Iterator[TensorSpec]:
    taken: set[str] = set()
    for number, (index, tensor) in enumerate(found):
        name = names.get(index) or tensor.text(3)
        if not name or name in taken:
            name = f"{name or what.removesuffix('s')}_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        yield TensorSpec(name, _dtype(source, tensor), _shape(source, tensor))


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


def _elements(subgraphs: list[Table], buffers: list[int]) -> Counter[str]:
    """How many constants there are of each type."""
    elements: Counter[str] = Counter()
    for subgraph in subgraphs:
        for tensor in subgraph.tables(0):
            buffer = tensor.integer(2, "I")
            number = tensor.integer(1, "b")
            if buffer >= len(buffers) or not buffers[buffer] or not 0 <= number < len(_DTYPES):
                continue
            if (dtype := _DTYPES[number]) not in NO_WEIGHTS:
                elements[dtype] += math.prod(tensor.numbers(0, "i")[:MAX_RANK])
    return elements


def _signatures(
    model: Table, source: Flatbuffer, subgraphs: int
) -> Iterator[tuple[str, int, dict[str, dict[int, str]]]]:
    """Key, subgraph, and the names of inputs and outputs by tensor."""
    for definition in model.tables(7):
        index = definition.integer(4, "I")
        if index >= subgraphs:
            raise source.invalid(f"a signature is of subgraph {index}; there are {subgraphs}")
        names = {
            what: {entry.integer(1, "I"): entry.text(0) for entry in definition.tables(field)}
            for field, what in ((0, "inputs"), (1, "outputs"))
        }
        yield definition.text(2), index, names


def _signature_names(
    signatures: list[tuple[str, int, dict[str, dict[int, str]]]],
) -> dict[str, dict[int, str]]:
    """The names that the first subgraph's signature gives; none if it is unclear which one."""
    first = {key: names for key, index, names in signatures if index == 0}
    if len(first) > 1 and _PREFERRED in first:
        return first[_PREFERRED]
    return next(iter(first.values())) if len(first) == 1 else {"inputs": {}, "outputs": {}}


def _custom_operators(model: Table) -> Iterator[str]:
    for code in model.tables(1):
        if _CUSTOM in (code.integer(3, "i"), code.integer(0, "b")):
            yield code.text(1)


def _metadata(model: Table, source: Flatbuffer, path: Path) -> Packed:
    """What the metadata says, which is a flatbuffer in a buffer of its own."""
    wanted = [each.integer(1, "I") for each in model.tables(6) if each.text(0) == METADATA_NAME]
    for index, buffer in enumerate(model.tables(4)) if wanted else ():
        if index == wanted[0]:
            start, count = buffer.extent(0, 1)
            if count > _MAX_METADATA:
                raise source.invalid(f"its metadata are {count:,} bytes")
            content = source.take(start, count)
            return described(Flatbuffer(path, io.BytesIO(content), "TensorFlow Lite metadata"))
    return Packed()
