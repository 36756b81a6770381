"""The conformance kit of inference-core: what every backend has to do, checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from inference_core.testing import BackendConformance, Sample
from onnx import TensorProto, helper, numpy_helper


class TestConformance(BackendConformance):
    backend = "onnx-reference"

    def make_sample(self, folder: Path) -> Sample:
        """relu(x @ weight + bias)"""
        weight = np.array([[1, -1], [0, 2], [3, 0]], np.float32)
        bias = np.array([10, -20], np.float32)
        x = np.array([[1, 2, 3], [0, 12, 0]], np.float32)
        graph = helper.make_graph(
            [
                helper.make_node("Gemm", ["x", "weight", "bias"], ["sum"]),
                helper.make_node("Relu", ["sum"], ["y"]),
            ],
            "layer",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
            [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.save(model, folder / "layer.onnx")
        y = np.maximum(x @ weight + bias, 0)
        return Sample(folder / "layer.onnx", inputs={"x": x}, outputs={"y": y})
