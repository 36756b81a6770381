"""Models made in code, and machines made up for the tests."""

from __future__ import annotations

import onnx
import pytest
from inference_core.environment import Cpu, Environment, Gpu
from inference_core.package import Artifact, Request
from inference_core.readers import onnx_file
from inference_onnx import plugin
from inference_onnx.options import OnnxOptions
from onnx import TensorProto, helper


def identity(dtype: int = TensorProto.FLOAT, shape=("n", 3), opset: int = 18, ir: int = 10):
    """y = x."""
    tensors = [helper.make_tensor_value_info(name, dtype, shape) for name in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "graph", tensors[:1], tensors[1:]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def matmul(weights: TensorProto, shape=("n", 3)):
    """y = x @ weights, with weights of float(3, 2)."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", weights.data_type, shape)],
        [helper.make_tensor_value_info("y", weights.data_type, [shape[0], 2])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"task": "multiply"})
    return model


@pytest.fixture
def save(tmp_path):
    """Write a model; the artifact that core's reader makes of it."""

    def write(model: onnx.ModelProto, name: str = "model.onnx") -> Artifact:
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return onnx_file.read(path)

    return write


@pytest.fixture
def machine():
    """A machine without a GPU."""
    return Environment("linux", "6", "x86_64", "3.11", Cpu("cpu", 2, 2, ()), 2**33)


@pytest.fixture
def gpu_machine():
    """A machine that claims a GPU."""
    gpu = Gpu(0, "NVIDIA L4", 24 * 2**30, "8.9")
    return Environment(
        "linux", "6", "x86_64", "3.11", Cpu("cpu", 2, 2, ()), 2**33, "580.1", "13.0", (gpu,)
    )


@pytest.fixture
def load(machine):
    """Load an artifact with options; sessions are closed at the end."""
    sessions = []

    def with_options(artifact: Artifact, device: str | None = None, **options):
        request = Request(device=device, options=OnnxOptions(**options))
        session = plugin.load(artifact, machine, request)
        sessions.append(session)
        return session

    yield with_options
    for session in sessions:
        session.close()
