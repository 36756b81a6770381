"""A loaded graph: arrays in, arrays out. This is where the runtime is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from inference_core import InvalidModel, ModelClosed, TensorSpec
from inference_onnx_reference.options import Options
from onnx import helper
from onnx.reference import ReferenceEvaluator


class ReferenceSession:
    """A graph in the reference evaluator of the ONNX project.

    The evaluator doesn't say whether threads may share it, so they don't.
    """

    task = None
    device = "cpu"
    thread_safe = False
    device_arrays = None

    def __init__(self, path: Path, options: Options) -> None:
        """Load a model.

        Raises:
            InvalidModel: the file is damaged, or no valid graph.
        """
        self._path = path
        try:
            model = onnx.load(path)
            onnx.checker.check_model(model)
        except (DecodeError, onnx.checker.ValidationError) as error:
            raise InvalidModel(f"{path} is no ONNX model: {error}") from error
        evaluator = ReferenceEvaluator(model, verbose=options.verbose)
        self._evaluator: ReferenceEvaluator | None = evaluator
        self.metadata: Mapping[str, str] = {each.key: each.value for each in model.metadata_props}
        self.inputs = _specs(evaluator.input_names, evaluator.input_types)
        self.outputs = _specs(evaluator.output_names, evaluator.output_types)

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Arrays by output name from arrays by input name, which core has checked.

        Raises:
            ModelClosed: after `close()`.
        """
        evaluator = self._evaluator
        if evaluator is None:
            raise ModelClosed(f"{self._path} was closed")
        arrays = evaluator.run(None, dict(inputs))
        # An output may be a constant of the graph, which the caller must not change.
        return {
            spec.name: np.array(array) for spec, array in zip(self.outputs, arrays, strict=True)
        }

    def close(self) -> None:
        """Give everything back that the session holds. Calling it again does nothing."""
        self._evaluator = None


def _specs(names: list[str], types: list[onnx.TypeProto]) -> tuple[TensorSpec, ...]:
    return tuple(_spec(name, each.tensor_type) for name, each in zip(names, types, strict=True))


def _spec(name: str, tensor: onnx.TypeProto.Tensor) -> TensorSpec:
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    shape = None
    if tensor.HasField("shape"):
        axes = tensor.shape.dim
        shape = tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in axes)
    return TensorSpec(name, "str" if dtype.kind == "O" else dtype.name, shape)


def evaluate_one_node() -> list[float]:
    """What Relu makes of -1 and 2."""
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    model = helper.make_model(graph)
    (answer,) = ReferenceEvaluator(model).run(None, {"x": np.array([-1, 2], np.float32)})
    values: list[float] = answer.tolist()
    return values
