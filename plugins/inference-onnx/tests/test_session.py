"""Running graphs: dtypes, shapes, threads, closing, options."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from inference_core import InferenceError, ModelClosed, Session, TensorSpec
from inference_core.machine import current
from inference_core.package import Request
from inference_onnx import plugin
from inference_onnx.install_state import find_install
from inference_onnx.options import OnnxOptions
from onnx import TensorProto, helper, numpy_helper

from .conftest import identity, matmul

WEIGHTS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
X = np.array([[1, 0, 2], [0, 1, 1]], np.float32)


@pytest.fixture
def artifact(save):
    return save(matmul(numpy_helper.from_array(WEIGHTS, "w")))


@pytest.mark.parametrize(
    "dtype",
    [
        *("float16", "float32", "float64", "bool"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    ],
)
def test_arrays_of_every_numpy_dtype_go_through_unchanged(save, load, dtype):
    artifact = save(identity(helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))
    session = load(artifact)
    assert session.inputs == (TensorSpec("x", dtype, (None, 3)),)
    array = np.array([[0, 1, 2], [1, 0, 100]]).astype(dtype)
    result = session.run({"x": array})["y"]
    assert result.dtype == array.dtype
    assert (result == array).all()


def test_strings_go_through_unchanged(save, load):
    session = load(save(identity(TensorProto.STRING)))
    assert session.inputs[0].dtype == "str"
    array = np.array([["a", "größer", ""]], object)
    assert session.run({"x": array})["y"].tolist() == array.tolist()


def test_bfloat16_is_given_and_returned_as_rounded_float32(save, load):
    session = load(save(identity(TensorProto.BFLOAT16)))
    assert session.inputs[0].dtype == session.outputs[0].dtype == "bfloat16"
    # 1 + 2^-8 is halfway between two bfloat16 numbers: ties go to the even one.
    array = np.array([[1, 1 + 2**-8, 1 + 3 * 2**-8], [np.inf, np.nan, -3.14159]], np.float32)
    result = session.run({"x": array})["y"]
    expected = np.array([[1, 1, 1 + 2**-6], [np.inf, np.nan, -3.140625]], np.float32)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)


def test_bfloat16_results_outlive_the_session(save, load):
    session = load(save(identity(TensorProto.BFLOAT16)))
    array = np.arange(3000, dtype=np.float32).reshape(-1, 3) // 256 * 256
    result = session.run({"x": array})["y"]
    session.close()
    gc.collect()
    np.testing.assert_array_equal(result, array)
    assert load(save(identity(TensorProto.BFLOAT16))).run({"x": array[:0]})["y"].shape == (0, 3)


def test_a_session_keeps_the_protocol_and_says_what_it_is(artifact, load):
    session = load(artifact)
    assert isinstance(session, Session)
    assert session.inputs == (TensorSpec("x", "float32", (None, 3)),)
    assert session.outputs == (TensorSpec("y", "float32", (None, 2)),)
    assert session.metadata == {"task": "multiply"}
    assert (session.device, session.task, session.device_arrays) == ("cpu", None, None)


def test_several_outputs_keep_their_names(save, load):
    tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 3]) for n in "xba"]
    nodes = [helper.make_node("Neg", ["x"], ["b"]), helper.make_node("Abs", ["x"], ["a"])]
    graph = helper.make_graph(nodes, "graph", tensors[:1], tensors[1:])
    opsets = [helper.make_opsetid("", 18)]
    session = load(save(helper.make_model(graph, opset_imports=opsets, ir_version=10)))
    result = session.run({"x": X})
    assert list(result) == ["b", "a"]
    np.testing.assert_array_equal(result["b"], -X)
    np.testing.assert_array_equal(result["a"], X)


def test_a_static_batch_is_reported(save, load):
    session = load(save(matmul(numpy_helper.from_array(WEIGHTS, "w"), shape=(4, 3))))
    assert session.inputs[0].shape == (4, 3)


def test_an_unknown_rank_is_not_taken_for_a_scalar(save, load):
    assert load(save(identity(shape=None))).inputs[0].shape is None
    assert load(save(identity(shape=()), "scalar.onnx")).inputs[0].shape == ()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threads": 2, "inter_op_threads": 2, "execution_mode": "parallel"},
        {"graph_optimization": "disable", "spinning": False},
        {"graph_optimization": "basic", "memory_arena": False, "memory_pattern": False},
        {"graph_optimization": "extended", "deterministic": True, "log_severity": 4},
        {"providers": "CPUExecutionProvider"},
        {"providers": (("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"}),)},
        {"free_dimensions": {"n": 2}},
        {"session_config": {"session.intra_op.allow_spinning": "0"}},
        {"io_binding": True},
    ],
)
def test_options_change_how_but_not_what(artifact, load, options):
    np.testing.assert_allclose(load(artifact, **options).run({"x": X})["y"], X @ WEIGHTS)


def test_options_reach_onnxruntime(artifact, load, tmp_path):
    target = tmp_path / "optimised.onnx"
    session = load(artifact, threads=2, optimized_model_path=target, free_dimensions={"n": 2})
    assert session._session.get_session_options().intra_op_num_threads == 2
    assert session.inputs[0].shape == (2, 3)
    assert target.is_file()


def test_a_profile_is_complete_after_close(artifact, load, tmp_path):
    session = load(artifact, profile_prefix=str(tmp_path / "profile"))
    session.run({"x": X})
    session.close()
    (profile,) = tmp_path.glob("profile*.json")
    assert "MatMul" in profile.read_text()


def test_bound_runs_follow_changing_shapes_and_keep_old_results(artifact, load):
    session = load(artifact, io_binding=True)
    first = session.run({"x": X})["y"]
    before = first.copy()
    for array in (X * 2, X[:1], np.asfortranarray(np.vstack([X, X])), X):
        np.testing.assert_allclose(session.run({"x": array})["y"], array @ WEIGHTS)
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("dtype", [TensorProto.STRING, TensorProto.BFLOAT16])
def test_what_cannot_be_bound_is_refused_at_load(save, load, dtype):
    with pytest.raises(InferenceError, match="leave io_binding out"):
        load(save(identity(dtype)), io_binding=True)


@pytest.mark.parametrize("io_binding", [False, True])
def test_eight_threads_get_what_one_gets(artifact, load, io_binding):
    session = load(artifact, threads=1, io_binding=io_binding)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1 + i % 5, 3)).astype(np.float32) for i in range(160)]
    serial = [session.run({"x": array})["y"] for array in arrays]
    with ThreadPoolExecutor(8) as pool:
        barrier = threading.Barrier(8, timeout=10)

        def some(start: int):
            barrier.wait()
            return [session.run({"x": array})["y"] for array in arrays[start::8]]

        for start, results in enumerate(pool.map(some, range(8))):
            for got, expected in zip(results, serial[start::8], strict=True):
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("io_binding", [False, True])
def test_closing_frees_the_runtime_session_and_may_be_repeated(artifact, load, io_binding):
    session = load(artifact, io_binding=io_binding)
    session.run({"x": X})
    inner = weakref.ref(session._session)
    session.close()
    session.close()
    gc.collect()
    assert inner() is None
    with pytest.raises(ModelClosed, match=r"model\.onnx was closed"):
        session.run({"x": X})


def test_a_failing_run_names_the_file_and_keeps_the_cause(artifact, load):
    with pytest.raises(InferenceError, match=r"failed to run .*model\.onnx") as caught:
        load(artifact, log_severity=4).run({"x": np.zeros((2, 5), np.float32)})
    assert caught.value.__cause__ is not None


def test_the_hook_passes_arrays_by_name(artifact, load):
    result = plugin.predict(load(artifact), {"x": X}, {})
    assert list(result) == ["y"]


@pytest.mark.gpu
@pytest.mark.parametrize("io_binding", [False, True])
def test_cuda_agrees_with_the_cpu(artifact, io_binding):
    here = current()
    install = find_install()
    if not here.gpus or not install.cuda:
        pytest.skip("needs an NVIDIA GPU and onnxruntime-gpu")
    request = Request(device="cuda", options=OnnxOptions(io_binding=io_binding))
    session = plugin.load(artifact, here, request)
    assert session.device == "cuda:0"
    for array in (X, X[:1], X * 2):
        np.testing.assert_allclose(session.run({"x": array})["y"], array @ WEIGHTS, rtol=1e-2)
    session.close()
