"""`infer bench` on the bundled model: every stage of a picture's way, a picture, every backend."""

from __future__ import annotations

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
    assert (report["batch"], report["parameters"]) == (2, {"confidence": 0.5})
    means = {name: figures["mean_ms"] for name, figures in onnx["stages"].items()}
    assert means.pop("all") == pytest.approx(sum(means.values()))
    assert vision.read_image(tmp_path / "drawn" / "times.png").size[0] == 900


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
