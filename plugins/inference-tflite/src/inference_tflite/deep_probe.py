"""The deep probe: import LiteRT, run a tiny graph, compare the result.

Core calls it in a child process with a time limit, so a crash or a hang costs only the probe.
"""

from __future__ import annotations

from collections.abc import Iterator

from inference_core.verdict import Reason

from inference_tflite.install_state import installed


def problems_of_a_tiny_model() -> Iterator[Reason]:
    """What is wrong with LiteRT."""
    try:
        got = run_tiny_model()
    except (ImportError, OSError, AttributeError, RuntimeError, ValueError) as error:
        message = f"ai-edge-litert {installed()} is there, but running it fails: {error!r}"
        yield Reason("broken-install", message)
        return
    if got != [2.0, 4.0, -1.0]:
        yield Reason("device", f"LiteRT says [1, 2, -0.5] doubled is {got}")


def run_tiny_model() -> list[float]:
    """[1, 2, -0.5] doubled by LiteRT."""
    import numpy as np

    from inference_tflite.loading import interpreter_of
    from inference_tflite.options import TfliteOptions

    interpreter = interpreter_of(tiny_model(), TfliteOptions(), threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.array([1, 2, -0.5], np.float32))
    interpreter.invoke()
    return [float(number) for number in interpreter.get_tensor(1)]


def tiny_model() -> bytes:
    """A model of one operator, y = x + x with x float32(3), by the schema that LiteRT brings."""
    import flatbuffers  # a requirement of LiteRT
    from ai_edge_litert import schema_py_generated as schema

    tensors = []
    for name in ("x", "y"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, [3], schema.TensorType.FLOAT32
        tensors.append(tensor)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 0], [1]
    operator.builtinOptionsType = schema.BuiltinOptions.AddOptions
    operator.builtinOptions = schema.AddOptionsT()
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = tensors, [0], [1]
    graph.operators = [operator]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]  # by convention the first is empty
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
