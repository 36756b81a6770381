"""Writes .tflite files for the tests: small graphs in code, and metadata into files that lack them.

It uses the flatbuffer schemas that come with MediaPipe. The writers of metadata that come with it, too,
can't be imported from its 1.2 wheels: they need a native module that isn't in them.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
from mediapipe.tasks.metadata import schema_py_generated as schema
from mediapipe.tasks.python.metadata.metadata_writers.model_asset_bundle_utils import (
    create_model_asset_bundle,
)

_METADATA_NAME = "TFLITE_METADATA"
_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
}


class Graph:
    """A graph of one subgraph, built operator by operator."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers = [schema.BufferT()]  # the schema wants the first to be empty
        self._codes: list[Any] = []
        self._operators: list[Any] = []

    def tensor(self, name: str, shape: Sequence[int], dtype: Any = np.float32) -> int:
        """A tensor to be computed or given; its number."""
        return self._add(name, shape, np.dtype(dtype), 0)

    def constant(self, name: str, value: np.ndarray) -> int:
        """A tensor with a value; its number."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self._add(name, value.shape, value.dtype, len(self._buffers) - 1)

    def operator(
        self,
        code: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        kind: int = 0,
        options: Any = None,
    ) -> None:
        """One operator, with the table of its options and that table's number in the schema."""
        known = schema.OperatorCodeT()
        known.builtinCode, known.deprecatedBuiltinCode, known.version = code, min(code, 127), 1
        self._codes.append(known)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._codes) - 1
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self._operators.append(operator)

    def model(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file."""
        subgraph = schema.SubGraphT()
        subgraph.tensors, subgraph.operators = self._tensors, self._operators
        subgraph.inputs, subgraph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.description = 3, "made in a test"
        model.subgraphs, model.buffers, model.operatorCodes = [subgraph], self._buffers, self._codes
        return _packed(model)

    def _add(self, name: str, shape: Sequence[int], dtype: np.dtype[Any], buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = (
            name,
            list(shape),
            _TYPES[dtype],
            buffer,
        )
        tensor.hasRank = True
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def _packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_metadata(
    model: bytes,
    normalisation: tuple[float, float] | None = None,
    files: Mapping[str, tuple[int, str]] | None = None,
    vocabulary: tuple[str, str] | None = None,
    output_names: Sequence[str] = (),
    labelled_output: int = 0,
    boxes_output: int | None = None,
    input_names: Sequence[str] = (),
    named_outputs: bool = True,
) -> bytes:
    """The model with the metadata that MediaPipe's tasks ask for.

    Args:
        model: a .tflite file.
        normalisation: mean and standard deviation of the pixels of its first input.
        files: text of files to pack by name, each with its `AssociatedFileType`.
        vocabulary: name and text of the vocabulary that words of the first input are looked up in.
        output_names: names of the outputs.
        labelled_output: the output that `files` belong to.
        boxes_output: the output with boxes: top, left, bottom, right, as shares of the picture.
        input_names: names of the inputs.
        named_outputs: whether outputs have names at all.
    """
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    subgraph = parsed.subgraphs[0]
    described = metadata_schema.SubGraphMetadataT()
    inputs = [metadata_schema.TensorMetadataT() for _ in subgraph.inputs]
    outputs = [metadata_schema.TensorMetadataT() for _ in subgraph.outputs]
    described.inputTensorMetadata, described.outputTensorMetadata = inputs, outputs
    # Without names MediaPipe reads where nothing is, and sometimes dies of it.
    for number, each in enumerate(inputs):
        each.name = input_names[number] if input_names else f"input {number}"
    for number, each in enumerate(outputs):
        if named_outputs:
            each.name = output_names[number] if output_names else f"output {number}"
    if normalisation is not None:
        _image_input(inputs[0], *normalisation)
    packed = {name: text for name, (_, text) in (files or {}).items()}
    if files:
        outputs[labelled_output].associatedFiles = [
            _associated(name, kind) for name, (kind, _) in files.items()
        ]
    if boxes_output is not None:
        outputs[boxes_output].content = _boxes()
    if vocabulary is not None:
        packed[vocabulary[0]] = vocabulary[1]
        inputs[0].processUnits = [_words(vocabulary[0])]
    whole = metadata_schema.ModelMetadataT()
    whole.name, whole.subgraphMetadata, whole.minParserVersion = "test", [described], "1.2.1"
    builder = flatbuffers.Builder(0)
    builder.Finish(whole.Pack(builder), b"M001")
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(bytes(builder.Output()), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _METADATA_NAME, len(parsed.buffers)
    parsed.buffers.append(buffer)
    parsed.metadata = [each for each in parsed.metadata or () if _named(each) != _METADATA_NAME]
    parsed.metadata.append(entry)
    content = io.BytesIO()
    content.write(_packed(parsed))
    if packed:
        with zipfile.ZipFile(content, "a") as archive:
            for name, text in packed.items():
                archive.writestr(zipfile.ZipInfo(name), text)  # without the time of day
    return content.getvalue()


def _associated(name: str, kind: int) -> Any:
    entry = metadata_schema.AssociatedFileT()
    entry.name, entry.type = name, kind
    return entry


def _boxes() -> Any:
    box = metadata_schema.BoundingBoxPropertiesT()
    box.index = [1, 0, 3, 2]  # where left, top, right and bottom are
    box.type = metadata_schema.BoundingBoxType.BOUNDARIES
    box.coordinateType = metadata_schema.CoordinateType.RATIO
    content = metadata_schema.ContentT()
    content.contentPropertiesType = metadata_schema.ContentProperties.BoundingBoxProperties
    content.contentProperties = box
    return content


def _words(vocabulary: str) -> Any:
    """The process unit that splits a text at what is no letter and looks its words up."""
    options = metadata_schema.RegexTokenizerOptionsT()
    options.delimRegexPattern = "[^\\w]+"
    options.vocabFile = [_associated(vocabulary, metadata_schema.AssociatedFileType.VOCABULARY)]
    unit = metadata_schema.ProcessUnitT()
    unit.optionsType = metadata_schema.ProcessUnitOptions.RegexTokenizerOptions
    unit.options = options
    return unit


def _named(entry: Any) -> str:
    return entry.name.decode() if isinstance(entry.name, bytes) else str(entry.name)


def _image_input(tensor: Any, mean: float, deviation: float) -> None:
    options = metadata_schema.NormalizationOptionsT()
    options.mean, options.std = [mean], [deviation]
    unit = metadata_schema.ProcessUnitT()
    unit.optionsType = metadata_schema.ProcessUnitOptions.NormalizationOptions
    unit.options = options
    image = metadata_schema.ImagePropertiesT()
    image.colorSpace = metadata_schema.ColorSpaceType.RGB
    content = metadata_schema.ContentT()
    content.contentPropertiesType = metadata_schema.ContentProperties.ImageProperties
    content.contentProperties = image
    tensor.name, tensor.content, tensor.processUnits = "image", content, [unit]


def with_ten_more_points(model: bytes) -> bytes:
    """The face mesh of 468 points with ten zero points behind it.

    That is what the face landmarker of MediaPipe's tasks wants, whose own model has ten points of the
    irises there; the mesh in the 0.10 wheels has none.
    """
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    subgraph = parsed.subgraphs[0]
    mesh = subgraph.outputs[0]
    paddings = schema.BufferT()
    amounts = np.array([[0, 0], [0, 0], [0, 0], [0, 30]], np.int32)
    paddings.data = np.frombuffer(amounts.tobytes(), np.uint8)
    parsed.buffers.append(paddings)
    for name, shape, kind, buffer in (
        ("paddings", [4, 2], schema.TensorType.INT32, len(parsed.buffers) - 1),
        ("padded", [1, 1, 1, 1434], schema.TensorType.FLOAT32, 0),
    ):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, buffer
        subgraph.tensors.append(tensor)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.PAD
    code.version = 1
    parsed.operatorCodes.append(code)
    pad = schema.OperatorT()
    pad.opcodeIndex = len(parsed.operatorCodes) - 1
    count = len(subgraph.tensors)
    pad.inputs, pad.outputs = [mesh, count - 2], [count - 1]
    pad.builtinOptionsType, pad.builtinOptions = (
        schema.BuiltinOptions.PadOptions,
        schema.PadOptionsT(),
    )
    subgraph.operators.append(pad)
    subgraph.outputs = [count - 1, *subgraph.outputs[1:]]
    parsed.signatureDefs = []  # they name the output that is no output any more
    return _packed(parsed)


def bundled(members: Mapping[str, bytes]) -> bytes:
    """A .task file: an archive without compression whose members are aligned."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bundle.task")
        create_model_asset_bundle(dict(members), str(path))
        return path.read_bytes()
