"""What can_load says, and that it says everything at once."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from inference_core import InferenceError
from inference_core.environment import Environment
from inference_core.install import pip_command
from inference_core.package import Artifact, Request
from inference_onnx import artifact_check, plugin
from inference_onnx.install_state import Install, find_install
from inference_onnx.options import OnnxOptions
from onnx import TensorProto, helper, numpy_helper

from .conftest import identity, matmul

with_cpu_package = pytest.mark.skipif(
    find_install().cuda, reason="about the CPU package of onnxruntime; the GPU package is installed"
)

WEIGHTS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
GPU_INSTALL = Install(
    owners=(("onnxruntime-gpu", "1.31.1"),),
    regular=True,
    native=True,
    package="onnxruntime-gpu",
    version="1.31.1",
    cuda=True,
    cuda_version="13.0",
)


@pytest.fixture
def artifact(save):
    return save(matmul(numpy_helper.from_array(WEIGHTS, "w")))


@pytest.fixture
def with_gpu_package(monkeypatch):
    monkeypatch.setattr(plugin, "find_install", lambda: GPU_INSTALL)


@pytest.fixture
def known_release(monkeypatch):
    """Whatever is installed takes itself for a release that the table of opsets has."""
    known = dataclasses.replace(find_install(), version="1.31.1")
    monkeypatch.setattr(plugin, "find_install", lambda: known)


def judge(artifact: Artifact, machine: Environment, **request):
    options = OnnxOptions(**request.pop("options", {}))
    return plugin.can_load(artifact, machine, Request(options=options, **request))


def reasons(verdict):
    return {reason.code: reason for reason in verdict.reasons}


def test_a_sound_model_is_accepted_on_the_cpu(artifact, machine):
    verdict = judge(artifact, machine)
    assert (verdict.status, verdict.device, verdict.reasons) == ("accept", "cpu", ())


def test_the_same_question_has_the_same_answer(artifact, machine):
    assert judge(artifact, machine, device="cuda") == judge(artifact, machine, device="cuda")


def test_all_reasons_come_at_once(save, machine, tmp_path, known_release):
    weights = external("gone.bin")
    model = matmul(weights)
    model.opset_import[0].version = 27
    model.ir_version = 14
    verdict = judge(save(model), machine, device="cuda", precision="fp16")
    text = " ".join(map(str, verdict.reasons))
    assert verdict.status == "reject"
    for part in ("opset 27", "IR version 14", "gone.bin", "cuda isn't here", "fp16 was asked"):
        assert part in text.replace("cuda:0", "cuda")


def test_another_format_is_not_ours(tmp_path, machine):
    verdict = judge(Artifact("gguf", {"model": tmp_path / "m.gguf"}), machine)
    assert "not gguf" in reasons(verdict)["format"].message


def test_a_missing_file_is_said(tmp_path, machine):
    verdict = judge(Artifact("onnx", {"model": tmp_path / "gone.onnx"}), machine)
    assert "gone.onnx can't be read" in reasons(verdict)["error"].message


@pytest.mark.parametrize("content", [b"garbage" * 50, b"\x08\x0a\x3a\xff\x7f"])
def test_a_damaged_file_is_said(tmp_path, machine, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    verdict = judge(Artifact("onnx", {"model": path}), machine)
    assert "model.onnx is no sound ONNX file" in reasons(verdict)["format"].message


def test_every_part_is_judged(artifact, machine, tmp_path):
    both = dataclasses.replace(
        artifact, parts={"encoder": artifact.path, "decoder": tmp_path / "gone.onnx"}, facts={}
    )
    (reason,) = judge(both, machine).reasons
    assert "gone.onnx" in reason.message


@pytest.mark.parametrize(("asked", "accepted"), [("fp32", True), ("fp16", False), (None, True)])
def test_a_graph_runs_only_in_its_own_precision(save, machine, asked, accepted):
    artifact = save(matmul(weights_of(1000)))
    verdict = judge(artifact, machine, precision=asked)
    assert (verdict.status == "accept") is accepted
    if not accepted:
        assert reasons(verdict)["precision"].fix == 'precision="fp32"'


def weights_of(rows: int) -> TensorProto:
    return numpy_helper.from_array(np.ones((rows, 2), np.float32), "w")


def external(location: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def test_external_data_beside_the_model_is_loaded(save, machine, load, tmp_path):
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    artifact = save(matmul(external("weights.bin")))
    assert judge(artifact, machine).status == "accept"
    array = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(load(artifact).run({"x": array})["y"], array @ WEIGHTS)


def test_missing_external_data_is_named(save, machine):
    verdict = judge(save(matmul(external("weights.bin"))), machine)
    assert "'weights.bin', which isn't in" in reasons(verdict)["error"].message


@pytest.mark.parametrize("location", ["../x.bin", "sub/../../x.bin", "/x.bin", "link.bin"])
def test_external_data_outside_the_folder_is_refused(save, machine, tmp_path, location):
    folder = tmp_path / "package"
    folder.mkdir()
    (tmp_path / "x.bin").write_bytes(WEIGHTS.tobytes())
    (folder / "link.bin").symlink_to("../x.bin")
    verdict = judge(save(matmul(external(location)), "package/model.onnx"), machine)
    assert "outside its own folder" in reasons(verdict)["error"].message


def test_external_data_outside_the_folder_is_refused_inside_nodes_too(save, machine, tmp_path):
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    model = matmul(numpy_helper.from_array(WEIGHTS, "w"))
    del model.graph.initializer[:]
    constant = helper.make_node("Constant", [], ["w"], value=external("../secret.bin"))
    model.graph.node.insert(0, constant)
    (tmp_path / "package").mkdir()
    verdict = judge(save(model, "package/model.onnx"), machine)
    assert verdict.status == "reject"
    assert "'../secret.bin', outside its own folder" in reasons(verdict)["error"].message


@pytest.mark.parametrize("location", ["a\0b", "x" * 5000])
def test_impossible_names_of_external_data_are_a_reason(save, machine, location):
    verdict = judge(save(matmul(external(location))), machine)
    assert verdict.status == "reject"
    assert "keeps weights in" in reasons(verdict)["error"].message


@pytest.mark.parametrize("dtype", ["INT4", "FLOAT8E4M3FN", "COMPLEX64"])
def test_tensors_that_are_no_arrays_are_refused(save, machine, dtype):
    artifact = save(identity(TensorProto.DataType.Value(dtype), opset=21))
    assert "can't exchange as an array" in reasons(judge(artifact, machine))["format"].message


def test_the_newest_opset_and_ir_known_to_load_are_accepted_and_do_load(save, machine, load):
    version = find_install().version
    release = tuple(map(int, version.split(".")[:2]))
    opset, ir = artifact_check._LIMITS.get(release, artifact_check._LIMITS[(1, 32)])
    artifact = save(identity(opset=opset, ir=ir))
    assert list(artifact_check.artifact_reasons(artifact, version)) == []
    load(artifact)


def test_a_release_that_is_not_in_the_table_is_left_to_judge_itself(save):
    artifact = save(identity(opset=99, ir=99))
    assert list(artifact_check.artifact_reasons(artifact, "9.0.0")) == []
    assert list(artifact_check.artifact_reasons(artifact, None)) == []
    assert len(list(artifact_check.artifact_reasons(artifact, "1.20.1"))) == 2


def test_a_newer_opset_names_the_one_to_export_with(save, machine, known_release):
    reason = reasons(judge(save(identity(opset=27)), machine))["format"]
    assert reason.fix == "opset_version=26"


def test_cuda_without_a_gpu_says_so(artifact, machine):
    reason = reasons(judge(artifact, machine, device="cuda"))["device"]
    assert "no NVIDIA driver" in reason.message
    assert reason.fix == 'device="cpu"'


@with_cpu_package
def test_cuda_with_only_the_cpu_package_names_the_gpu_package(artifact, gpu_machine):
    verdict = judge(artifact, gpu_machine, device="cuda")
    reason = reasons(verdict)["device"]
    assert "has no CUDA in it" in reason.message
    assert reason.fix.startswith(
        f"{pip_command()} uninstall -y onnxruntime && {pip_command()} install"
    )
    assert "inference-onnx[gpu]" in reason.fix


@with_cpu_package
def test_with_a_gpu_but_the_cpu_package_the_cpu_is_taken(artifact, gpu_machine):
    assert judge(artifact, gpu_machine).device == "cpu"


def test_with_a_gpu_and_its_package_the_gpu_is_taken(artifact, gpu_machine, with_gpu_package):
    assert judge(artifact, gpu_machine).device == "cuda:0"
    assert judge(artifact, gpu_machine, device="cuda").device == "cuda:0"
    assert judge(artifact, gpu_machine, device="cpu").device == "cpu"
    assert "only cuda:0" in reasons(judge(artifact, gpu_machine, device="cuda:1"))["device"].message


def test_a_driver_too_old_for_the_package_is_a_reason(artifact, gpu_machine, with_gpu_package):
    old = dataclasses.replace(gpu_machine, cuda_version="12.8", cuda_driver="570.1")
    reason = reasons(judge(artifact, old, device="cuda"))["device"]
    assert "built for CUDA 13.0" in reason.message
    assert judge(artifact, old).device == "cpu"


@pytest.mark.parametrize("device", ["mps", "xpu", "cpu:3"])
def test_other_devices_say_what_there_is(artifact, machine, device):
    reason = reasons(judge(artifact, machine, device=device))["device"]
    assert 'only "cpu" and "cuda:N"' in reason.message
    assert '"providers" with, say, "CoreMLExecutionProvider"' in reason.message
    assert reason.fix == 'device="cpu"'


def test_providers_decide_the_device(artifact, machine, gpu_machine, with_gpu_package):
    options = {"providers": (("CUDAExecutionProvider", {"device_id": 0}), "CPUExecutionProvider")}
    assert judge(artifact, gpu_machine, options=options).device == "cuda:0"
    assert "device" in reasons(judge(artifact, machine, options=options))
    assert (
        judge(artifact, machine, options={"providers": "CoreMLExecutionProvider"}).device
        == "coreml"
    )
    assert reasons(judge(artifact, machine, device="cpu", options=options)).keys() == {"option"}


def test_a_model_on_the_cpu_cannot_rule_out_the_cpu(
    artifact, machine, gpu_machine, with_gpu_package
):
    options = {"disable_cpu_fallback": True}
    assert reasons(judge(artifact, machine, options=options)).keys() == {"option"}
    assert judge(artifact, gpu_machine, options=options).device == "cuda:0"


def test_without_a_runtime_all_else_is_still_said(save, machine, monkeypatch):
    monkeypatch.setattr(plugin, "find_install", Install)
    verdict = judge(save(matmul(external("gone.bin"))), machine, device="cuda")
    assert verdict.status == "reject"
    assert set(reasons(verdict)) == {"not-installed", "error", "device"}


def test_a_damaged_runtime_makes_the_verdict_broken(artifact, machine, monkeypatch):
    both = Install(owners=(("onnxruntime", "1"), ("onnxruntime-gpu", "1")))
    monkeypatch.setattr(plugin, "find_install", lambda: both)
    assert judge(artifact, machine).status == "broken"


@with_cpu_package
def test_the_silent_fallback_to_the_cpu_is_an_error(artifact, gpu_machine):
    with pytest.raises(InferenceError, match=r"model\.onnx can't be loaded: .*no CUDA in it"):
        plugin.load(artifact, gpu_machine, Request(device="cuda"))


def test_a_session_that_lost_its_provider_is_an_error(artifact, load):
    from inference_onnx.loading import checked_device
    from inference_onnx.placement import Placement

    cpu_session = load(artifact)._session
    placement = Placement("cuda:0", (("CUDAExecutionProvider", {}),))
    with pytest.raises(
        InferenceError, match="couldn't start CUDAExecutionProvider and silently took"
    ):
        checked_device(cpu_session, placement, "model.onnx")


def test_a_provider_that_is_not_in_the_package_is_an_error(artifact, load):
    with pytest.raises(InferenceError, match="CoreMLExecutionProvider isn't in the installed"):
        load(artifact, providers="CoreMLExecutionProvider")


def test_a_model_that_onnxruntime_refuses_names_the_file_and_keeps_the_cause(save, load):
    model = identity()
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(
        InferenceError, match=r"can't load .*model\.onnx: .*NoSuchOperator"
    ) as caught:
        load(save(model), log_severity=4)
    assert caught.value.__cause__ is not None


def test_a_library_of_operators_that_is_not_there_is_an_error(artifact, load, tmp_path):
    with pytest.raises(InferenceError, match="refuses an option"):
        load(artifact, custom_op_libraries=(tmp_path / "none.so",))


@with_cpu_package
def test_the_probe_reports_version_devices_and_facts(machine, gpu_machine):
    report = plugin.probe_environment(machine, False)
    assert report.runtime == "onnxruntime"
    assert report.devices == ("cpu",)
    assert report.facts["onnxruntime"] == report.runtime_version
    assert report.problems == ()
    (problem,) = plugin.probe_environment(gpu_machine, False).problems
    assert "NVIDIA L4" in problem.message


def test_the_deep_probe_runs_the_runtime(machine):
    assert plugin.probe_environment(machine, True).problems == ()


def test_the_deep_probe_reports_a_wrong_result_and_a_wrong_version(monkeypatch):
    from inference_onnx import deep_probe

    monkeypatch.setattr(deep_probe, "run_tiny_model", lambda device: [0.0, 0.0, 0.0])
    problems = list(deep_probe.run_on_each(["cpu"], Install(version="0.1")))
    assert [problem.code for problem in problems] == ["broken-install", "device"]


@with_cpu_package
def test_the_deep_probe_reports_a_device_that_fails():
    from inference_onnx import deep_probe

    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        (problem,) = deep_probe.run_on_each(["cuda:0"], find_install())
    assert problem.code == "device"


def test_the_entry_point_is_light():
    code = (
        "import sys, inference_onnx.plugin\n"
        "heavy = {'numpy', 'onnxruntime', 'pydantic', 'onnx'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_judging_imports_no_runtime(artifact):
    code = (
        "import sys; from pathlib import Path\n"
        "from inference_core.machine import current\n"
        "from inference_core.package import Artifact, Request\n"
        "from inference_onnx import plugin\n"
        f"artifact = Artifact('onnx', {{'model': Path({str(artifact.path)!r})}})\n"
        "assert plugin.can_load(artifact, current(), Request(device='cpu')).status == 'accept'\n"
        "assert not {'numpy', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
