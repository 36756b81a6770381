"""`infer why`: each answer says what is the matter and what to do about it."""

from __future__ import annotations

import json
import re

import pytest


def plain_onnx(path, metadata=None):
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.TensorProto.FLOAT
    x, y = (helper.make_tensor_value_info(name, tensor, ["n", 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    helper.set_model_props(model, metadata or {})
    path.write_bytes(model.SerializeToString())
    return path


def fixes(ended):
    return re.findall(r"fix: (.+)", ended.out)


def test_an_onnx_file_with_the_runtime_missing(infer, environment_without, tmp_path):
    python = environment_without("onnxruntime")
    ended = infer("why", plain_onnx(tmp_path / "m.onnx"), python=python)
    assert ended.code == 0, ended.err
    assert "not-installed" in ended.out
    assert "onnxruntime" in ended.out
    assert any("pip install" in fix for fix in fixes(ended))
    ended = infer("predict", tmp_path / "m.onnx", tmp_path / "m.onnx", python=python)
    assert ended.code == 1
    assert "onnxruntime" in ended.err


def test_an_onnx_file_with_the_backend_missing(infer, environment_without, tmp_path):
    ended = infer(
        "why", plain_onnx(tmp_path / "m.onnx"), python=environment_without("inference_onnx")
    )
    assert ended.code == 0, ended.err
    assert "inference-onnx isn't installed" in ended.out
    assert any("inference-onnx[cpu]" in fix for fix in fixes(ended))


def test_an_onnx_file_whose_processor_is_not_installed(infer, environment_without, tmp_path):
    metadata = {"task": "detect", "names": "{0: 'thing'}", "stride": "32", "imgsz": "[64, 64]"}
    path = plain_onnx(tmp_path / "yolo.onnx", metadata)
    ended = infer("why", path, python=environment_without("inference_vision"))
    assert ended.code == 0, ended.err
    assert (
        "processor: the model needs the processor 'yolo', and inference-vision isn't installed"
        in (ended.out)
    )
    assert any("inference-vision" in fix for fix in fixes(ended))
    assert "chosen" not in ended.out


def test_the_bundled_name_without_the_distribution_that_bundles_it(infer, environment_without):
    ended = infer("why", "shapes", python=environment_without("inference_vision"))
    assert ended.code == 1
    assert re.search(r"comes with inference-vision: .*pip install", ended.err)


def test_a_gpu_that_this_machine_lacks(infer, shapes):
    from inference_core import machine

    if machine.current().gpus:
        pytest.skip("this machine has a GPU")
    ended = infer("why", "shapes", "--device", "cuda")
    assert ended.code == 0, ended.err
    assert re.search(r"device: cuda\S* isn't here: no NVIDIA driver is installed", ended.out)
    assert "--device cpu" in fixes(ended)
    assert "chosen" not in ended.out
    ended = infer("demo", "--device", "cuda")
    assert ended.code == 1
    assert "no NVIDIA driver" in ended.err


def test_a_package_whose_only_artifact_is_an_engine_for_another_machine(infer, tmp_path):
    (tmp_path / "m.engine").write_bytes(b"engine")
    requires = {"tensorrt": "==10.9.*", "gpu.compute_capability": ["8.9", "9.0"], "os": "plan9"}
    artifact = {"format": "tensorrt", "parts": {"model": "m.engine"}, "requires": requires}
    manifest = {
        "schema_version": 1,
        "name": "fast",
        "task": "object-detection",
        "artifacts": [artifact],
    }
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    ended = infer("why", tmp_path)
    assert ended.code == 0, ended.err
    for text in (
        "wants tensorrt ==10.9.*; found nothing",
        "wants gpu.compute_capability 8.9 or 9.0; found",
        "wants os plan9; found",
        "inference-trt isn't installed",
        "m.engine",
    ):
        assert text in ended.out
    assert infer("why", tmp_path, "--json").json()["chosen"] is None


@pytest.mark.parametrize(
    ("make", "argument", "message"),
    [
        (lambda folder: (folder / "notes.txt").write_text("Dear diary,\n"), "notes.txt",
         r"notes\.txt is no model that is known here \(it is a text file\); known suffixes are"),
        (lambda folder: (folder / "empty").mkdir(), "./empty", r"is an empty folder: .*model\.json"),
        (lambda folder: (folder / "model.onnx").touch(), "./modle.onnx",
         r"modle\.onnx doesn't exist in .*; close to it: model\.onnx"),
        (lambda folder: None, "no/such/folder/model.onnx", r"there is no folder no/such/folder"),
        (lambda folder: None, "shaeps", r"no bundled model.*did you mean 'shapes'\?"),
    ],
    ids=["text file", "empty folder", "missing path", "missing folder", "misspelt name"],
)  # fmt: skip
def test_what_is_no_model_is_told_in_one_sentence(infer, tmp_path, make, argument, message):
    make(tmp_path)
    ended = infer("why", argument)
    assert (ended.code, ended.out) == (1, "")
    assert re.search(message, ended.err), ended.err
    assert len(ended.err.splitlines()) == 1
    assert re.search(message, infer("why", argument, "--json").json()["error"]["message"])
