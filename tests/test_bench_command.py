"""`infer bench` on the bundled model: every stage of a picture's way, a picture, every backend."""

from __future__ import annotations

import json

import pytest

vision = pytest.importorskip("inference_vision")
pytest.importorskip("inference_onnx")
pytest.importorskip("onnxruntime")
QUICK = ("--runs", "3", "--warm-up", "1")


def test_a_picture_is_measured_from_file_to_result_and_drawn(infer, pictures, tmp_path):
    run = infer(
        "bench", "shapes", pictures[0], *QUICK, "--backend", "onnx", "--batch-size", "2", "--json",
        "--save", "drawn/times.png", "-p", "confidence=0.5", OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert (run.code, run.err) == (0, "")
    report = run.json()
    (onnx,) = report["backends"]
    assert list(onnx["stages"]) == ["read", "preprocess", "run", "postprocess", "all"]
    assert (onnx["batch"], report["parameters"]) == (2, {"confidence": 0.5})
    means = {name: figures["mean_ms"] for name, figures in onnx["stages"].items()}
    assert means.pop("all") == pytest.approx(sum(means.values()))
    assert vision.read_image(tmp_path / "drawn" / "times.png").size[0] == 900


@pytest.fixture
def batch_of_four(tmp_path):
    """A classifier of the mean colour, which takes four pictures at a time and no fewer."""
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["images"], ["scores"], axes=[2, 3], keepdims=0)],
        "mean colour",
        [helper.make_tensor_value_info("images", tensor, [4, 3, 32, 32])],
        [helper.make_tensor_value_info("scores", tensor, [4, 3])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "model.onnx")
    manifest = {
        "schema_version": 1,
        "name": "colours",
        "labels": ["red", "green", "blue"],
        "processor": {"name": "classification"},
        "artifacts": [{"format": "onnx", "parts": {"model": "model.onnx"}}],
    }
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    return tmp_path


def test_a_graph_of_a_fixed_batch_is_measured_with_whole_batches(infer, batch_of_four, pictures):
    first = ("bench", batch_of_four, pictures[0], *QUICK, "--backend", "onnx")
    run = infer(*first, "--json", "--save", "times.png", OMP_NUM_THREADS="1")
    assert (run.code, run.err) == (0, "")
    (onnx,) = run.json()["backends"]
    assert (onnx["batch"], onnx["runs"]) == (4, 3)
    for figures in onnx["stages"].values():
        assert figures["per_second"] == pytest.approx(1e3 / figures["mean_ms"])
    run = infer(*first, OMP_NUM_THREADS="1")
    assert run.out.splitlines()[0].endswith(f"on {pictures[0]} · 4 per call, times per input")
    assert "model.onnx: 3 runs of 4 inputs, loaded in" in run.out
    run = infer(*first, "--batch-size", "2")
    assert run.code == 1
    assert "this artifact takes exactly 4 at once" in run.err


def test_without_an_input_a_sample_picture_is_taken_and_each_backend_measured(infer):
    pytest.importorskip("inference_torch")
    pytest.importorskip("torch")
    run = infer("bench", "shapes", *QUICK, "--json", OMP_NUM_THREADS="1")
    assert (run.code, run.err) == (0, "")
    report = run.json()
    assert {each["backend"] for each in report["backends"]} >= {"onnx", "torch"}
    assert report["input"].endswith(vision.sample_paths()[0].name)
    assert report["fastest"]["sure"] is None  # of three runs


def test_a_wrong_option_is_wrong_usage_with_its_suggestion(infer):
    run = infer("bench", "shapes", *QUICK, "--backend", "onnx", "-p", "confidense=0.5")
    assert (run.code, run.out) == (2, "")
    assert "did you mean 'confidence'" in run.err
