"""The conformance kit of inference-core, run on this backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from inference_core.testing import BackendConformance, Sample
from onnx import TensorProto, helper, numpy_helper


class TestConformance(BackendConformance):
    backend = "onnx"

    def make_sample(self, folder: Path) -> Sample:
        """y = relu(x @ weight)."""
        weight = np.arange(-3, 3, dtype=np.float32).reshape(3, 2)
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "weight"], ["product"]),
                helper.make_node("Relu", ["product"], ["y"]),
            ],
            "layer",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
            [numpy_helper.from_array(weight, "weight")],
        )
        opset = [helper.make_opsetid("", 18)]
        path = folder / "layer.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
        x = np.array([[1, 2, 3], [-1, 0.5, 0], [4, -4, 1], [0, 0, 0]], np.float32)
        return Sample(path, {"x": x}, {"y": np.maximum(x @ weight, 0)})
