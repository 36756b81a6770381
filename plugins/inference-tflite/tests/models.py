"""Writes .tflite files by the schema that LiteRT brings, from tensors and operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {
    name: getattr(schema.TensorType, name.upper())
    for name in (
        *("float16", "float32", "float64", "complex64", "bool"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("bfloat16", "int4", "variant"),
    )
} | {"str": schema.TensorType.STRING}


@dataclass
class Tensor:
    """One tensor. `scales` and `zeros` quantise it, along `axis` where there are several; `signature`
    is the shape with -1 for what is open."""

    name: str
    shape: Sequence[int]
    dtype: str = "float32"
    data: np.ndarray | None = None
    signature: Sequence[int] | None = None
    scales: Sequence[float] = ()
    zeros: Sequence[int] = ()
    axis: int = 0
    variable: bool = False


@dataclass
class Operator:
    """One operator on tensors by name."""

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    options: Any = None
    custom: str = ""


@dataclass
class Graph:
    """A subgraph, and the names that a signature gives its inputs and outputs."""

    tensors: Sequence[Tensor]
    inputs: Sequence[str]
    outputs: Sequence[str]
    operators: Sequence[Operator] = ()
    signatures: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)


def constant(name: str, data: np.ndarray) -> Tensor:
    return Tensor(name, data.shape, data.dtype.name, data)


def dense(inputs: Sequence[str], output: str) -> Operator:
    """output = inputs[0] @ inputs[1].T + inputs[2]."""
    return Operator("FULLY_CONNECTED", inputs, [output], schema.FullyConnectedOptionsT())


def reshape(source: str, target: str, shape: Sequence[int]) -> Operator:
    options = schema.ReshapeOptionsT()
    options.newShape = list(shape)
    return Operator("RESHAPE", [source], [target], options)


def add(left: str, right: str, target: str) -> Operator:
    return Operator("ADD", [left, right], [target], schema.AddOptionsT())


def mul(left: str, right: str, target: str) -> Operator:
    return Operator("MUL", [left, right], [target], schema.MulOptionsT())


def recurrent(key: str, weight: float) -> Graph:
    """y = weight * x + the y before."""
    numbers = (np.eye(2) * weight, np.eye(2), np.zeros(2))
    tensors = [
        *(Tensor(name, (1, 1, 2)) for name in ("x", "y")),
        *(constant(n, each.astype(np.float32)) for n, each in zip("wrb", numbers, strict=True)),
        Tensor("state", (1, 2), variable=True),
    ]
    options = schema.SequenceRNNOptionsT()
    inputs = ["x", "w", "r", "b", "state"]
    operator = Operator("UNIDIRECTIONAL_SEQUENCE_RNN", inputs, ["y"], options)
    return Graph(tensors, ["x"], ["y"], [operator], {key: ({"x": "x"}, {"y": "y"})})


def tflite(*graphs: Graph) -> bytes:
    """The file."""
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    model.operatorCodes, model.subgraphs, model.signatureDefs = [], [], []
    for index, graph in enumerate(graphs):
        model.subgraphs.append(_subgraph(model, graph))
        for key, (inputs, outputs) in graph.signatures.items():
            model.signatureDefs.append(_signature(key, index, graph, inputs, outputs))
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _subgraph(model: Any, graph: Graph) -> Any:
    made = schema.SubGraphT()
    made.tensors = [_tensor(model, tensor) for tensor in graph.tensors]
    made.inputs = _indices(graph, graph.inputs)
    made.outputs = _indices(graph, graph.outputs)
    made.operators = []
    for operator in graph.operators:
        one = schema.OperatorT()
        one.opcodeIndex = _code(model, operator)
        one.inputs = _indices(graph, operator.inputs)
        one.outputs = _indices(graph, operator.outputs)
        if operator.options is not None:
            kind = type(operator.options).__name__.removesuffix("T")
            one.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            one.builtinOptions = operator.options
        made.operators.append(one)
    return made


def _indices(graph: Graph, names: Sequence[str]) -> list[int]:
    known = [tensor.name for tensor in graph.tensors]
    return [known.index(name) for name in names]


def _tensor(model: Any, tensor: Tensor) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.type = tensor.name, list(tensor.shape), TYPES[tensor.dtype]
    made.hasRank = True
    made.isVariable = tensor.variable
    if tensor.signature is not None:
        made.shapeSignature = list(tensor.signature)
    if tensor.scales:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = np.array(tensor.scales, np.float32)
        made.quantization.zeroPoint = np.array(tensor.zeros, np.int64)
        made.quantization.quantizedDimension = tensor.axis
    if tensor.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(tensor.data.tobytes(), np.uint8)
        model.buffers.append(buffer)
        made.buffer = len(model.buffers) - 1
    return made


def _code(model: Any, operator: Operator) -> int:
    code = schema.OperatorCodeT()
    number = getattr(schema.BuiltinOperator, operator.kind)
    code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
    code.customCode = operator.custom or None
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _signature(
    key: str, index: int, graph: Graph, inputs: dict[str, str], outputs: dict[str, str]
) -> Any:
    made = schema.SignatureDefT()
    made.signatureKey, made.subgraphIndex = key, index
    made.inputs = [_map(graph, *pair) for pair in inputs.items()]
    made.outputs = [_map(graph, *pair) for pair in outputs.items()]
    return made


def _map(graph: Graph, name: str, tensor: str) -> Any:
    made = schema.TensorMapT()
    made.name, made.tensorIndex = name, _indices(graph, [tensor])[0]
    return made
