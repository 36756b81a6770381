"""What can_load says, and that it says everything at once; options, the probe, the README."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from inference_core import InferenceError, InvalidArgument
from inference_core.arguments import build_options
from inference_core.package import Artifact, Request
from inference_tflite import artifact_check, install_state, plugin
from inference_tflite.deep_probe import problems_of_a_tiny_model, tiny_model
from inference_tflite.options import TfliteOptions

from .conftest import identity
from .models import Graph, Operator, Tensor, reshape, tflite

README = Path(__file__).parents[1].joinpath("README.md").read_text()


def judge(artifact: Artifact, machine, **request):
    options = TfliteOptions(**request.pop("options", {}))
    return plugin.can_load(artifact, machine, Request(options=options, **request))


def custom(*names: str) -> bytes:
    tensors = [Tensor("x", (1,)), Tensor("y", (1,))]
    operators = [Operator("CUSTOM", ["x"], ["y"], custom=name) for name in names]
    return tflite(Graph(tensors, ["x"], ["y"], operators))


def test_a_sound_model_is_accepted_on_the_cpu(save, machine):
    verdict = judge(save(identity()), machine)
    assert (verdict.status, verdict.device, verdict.reasons) == ("accept", "cpu", ())


def test_facts_are_read_where_the_artifact_carries_none(save, machine):
    artifact = dataclasses.replace(save(identity("bfloat16")), facts={})
    assert "of type bfloat16" in judge(artifact, machine).reasons[0].message


def test_all_reasons_come_at_once(save, machine):
    artifact = save(custom("FlexErf", "TransformLandmarks", "edgetpu-custom-op"))
    options = {"signature": "serve"}
    verdict = judge(artifact, machine, device="cuda", precision="int8", options=options)
    text = " ".join(map(str, verdict.reasons))
    assert verdict.status == "reject"
    for part in (
        "operators of TensorFlow itself (FlexErf)",
        "only MediaPipe brings: TransformLandmarks",
        "compiled for an Edge TPU",
        "no signature 'serve'; it has none",
        "cuda isn't here",
        "int8 was asked for",
    ):
        assert part in text


def test_a_signature_that_is_misspelt_is_suggested(save, machine):
    ends = [Tensor("x", (1,)), Tensor("y", (1,))]
    signatures = {"encode": ({"x": "x"}, {"y": "y"})}
    artifact = save(tflite(Graph(ends, ["x"], ["y"], (), signatures)))
    (reason,) = judge(artifact, machine, options={"signature": "encoed"}).reasons
    assert reason.code == "option"
    assert "did you mean 'encode'?" in reason.message


@pytest.mark.parametrize("dtype", ["int4", "bfloat16"])
def test_the_tensors_of_the_chosen_signature_are_judged(save, machine, dtype):
    def graph(key, dtype):
        ends = [Tensor("p", (2,), dtype), Tensor("q", (2,), dtype)]
        named = {key: ({"f": "p"}, {"s": "q"})}
        return Graph(ends, ["p"], ["q"], [reshape("p", "q", (2,))], named)

    artifact = save(tflite(graph("plain", "float32"), graph("odd", dtype)))
    assert judge(artifact, machine).status == "accept"
    assert judge(artifact, machine, options={"signature": "plain"}).status == "accept"
    reasons = judge(artifact, machine, options={"signature": "odd"}).reasons
    assert [reason.code for reason in reasons] == ["format"] * 2
    assert f"has 'f' of type {dtype} among its inputs" in reasons[0].message
    other = save(tflite(graph("odd", dtype), graph("plain", "float32")))
    assert judge(other, machine, options={"signature": "plain"}).status == "accept"


def test_an_operator_that_litert_has_not_got_is_named_unless_a_delegate_may_bring_it(save, machine):
    artifact = save(custom("TFLite_Detection_PostProcess", "MyOp"))
    (reason,) = judge(artifact, machine).reasons
    assert "custom operators that LiteRT hasn't got ('MyOp')" in reason.message
    assert judge(artifact, machine, options={"delegate": "my.so"}).status == "accept"


def test_an_operator_that_only_xnnpack_runs_needs_it(save, machine):
    artifact = save(custom("Convolution2DTransposeBias"))
    assert judge(artifact, machine).status == "accept"
    (reason,) = judge(artifact, machine, options={"xnnpack": False}).reasons
    assert "only XNNPACK runs: Convolution2DTransposeBias" in reason.message
    assert reason.fix == 'options={"xnnpack": True}'


@pytest.mark.parametrize("name", ["MyOp", *sorted(artifact_check._REGISTERED)])
def test_litert_has_the_operators_that_it_is_said_to_have(name):
    """An operator that it hasn't got says so; what it has may crash without the inputs it wants."""
    code = (
        "import sys; from ai_edge_litert.interpreter import Interpreter\n"
        "Interpreter(model_content=sys.stdin.buffer.read()).allocate_tensors()"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, input=custom(name), capture_output=True, check=False)
    assert ran.returncode != 0
    assert (b"unresolved custom op: " + name.encode() in ran.stderr) is (name == "MyOp")


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "tpu"])
def test_a_device_that_is_there_is_still_not_litert_s(save, gpu_machine, load, device):
    (reason,) = judge(save(identity()), gpu_machine, device=device).reasons
    assert reason.code == "device"
    assert f"runs on the CPU, not on {device}" in reason.message
    with pytest.raises(InferenceError, match="can't be loaded: device"):
        load(save(identity()), device=device)


@pytest.mark.parametrize("dtype", ["int4", "bfloat16", "variant"])
def test_tensors_that_are_no_arrays_are_refused(save, machine, dtype):
    verdict = judge(save(identity(dtype)), machine)
    assert {reason.code for reason in verdict.reasons} == {"format"}
    assert f"has 'x' of type {dtype} among its inputs" in verdict.reasons[0].message


def test_fp16_weights_are_computed_with_in_fp32(save, machine):
    artifact = dataclasses.replace(save(identity()), precision="fp16")
    assert judge(artifact, machine, precision="fp32").status == "accept"
    assert judge(artifact, machine, precision="fp16").status == "accept"
    assert judge(artifact, machine, precision="bf16").reasons[0].fix == 'precision="fp16"'


def test_another_format_and_a_missing_file_are_said(tmp_path, machine):
    other = judge(Artifact("onnx", {"model": tmp_path / "m.onnx"}), machine)
    assert "runs .tflite files, not onnx" in other.reasons[0].message
    gone = judge(Artifact("tflite", {"model": tmp_path / "gone.tflite"}), machine)
    assert "gone.tflite can't be read: No such file" in gone.reasons[0].message


def test_the_probe_reports_the_runtime_and_runs_a_tiny_model(machine):
    report = plugin.probe_environment(machine, deep=True)
    assert (report.runtime, report.devices, report.problems) == ("ai-edge-litert", ("cpu",), ())
    assert report.facts == {"litert": report.runtime_version}
    assert list(problems_of_a_tiny_model()) == []


@pytest.mark.parametrize(
    ("files", "metadata", "code", "message"),
    [
        ((), False, "not-installed", "isn't installed"),
        ((), True, "broken-install", "the folder ai_edge_litert is gone"),
        (("other.py",), True, "broken-install", "empty of its code"),
        (("__init__.py",), True, "broken-install", "lacks interpreter.py"),
        (("__init__.py", "interpreter.py"), True, "broken-install", "lacks the native library"),
    ],
)
def test_every_state_of_an_installation_is_told_without_importing_it(
    tmp_path, monkeypatch, machine, save, files, metadata, code, message
):
    for name in files:
        (tmp_path / "site" / "ai_edge_litert").mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / "ai_edge_litert" / name).write_text("raise SystemExit('imported')")
    if metadata:
        folder = tmp_path / "site" / "ai_edge_litert-2.3.0.dist-info"
        folder.mkdir(parents=True)
        text = "Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: 2.3.0\n"
        (folder / "METADATA").write_text(text)
    for name in [each for each in sys.modules if each.split(".")[0] == "ai_edge_litert"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    reason = install_state.installed()
    assert reason.code == code
    assert message in reason.message
    verdict = judge(save(identity()), machine)
    assert verdict.status == ("reject" if code == "not-installed" else "broken")
    assert plugin.probe_environment(machine, deep=False).problems == (reason,)


def test_the_entry_point_loads_neither_numpy_nor_litert():
    code = (
        "import sys; before = set(sys.modules)\n"
        "from inference_core.machine import current\n"
        "from inference_tflite import plugin\n"
        "plugin.probe_environment(current(), False)\n"
        "assert not {'numpy', 'ai_edge_litert', 'flatbuffers'} & (set(sys.modules) - before)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"thread": 2}, "did you mean 'threads'"),
        ({"threads": 0}, "threads=0 must be 1 to 1024"),
        ({"signature": ""}, "signature must be the name"),
        ({"delegate": ""}, "delegate must be the path"),
        ({"delegate_options": {"a": 1}}, "name its library, too"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(values, message):
    with pytest.raises(InvalidArgument, match=message):
        build_options(TfliteOptions, values, "backend 'tflite'")


def test_text_becomes_numbers_and_flags():
    options = build_options(TfliteOptions, {"threads": "4", "xnnpack": "false"}, "tflite")
    assert (options.threads, options.xnnpack) == (4, False)


def test_the_sample_of_the_readme_runs(save, monkeypatch, tmp_path):
    save(tiny_model())
    monkeypatch.chdir(tmp_path)
    sample = re.search(r"```python\n(import.*?)```", README, re.DOTALL)
    namespace: dict = {}
    exec(sample[1], namespace)
    assert namespace["outputs"]["y"].tolist() == [2, 2, 2]


def test_every_option_is_in_the_table_of_the_readme():
    rows = re.findall(r"^\| `(\w+)` \|", README, re.M)
    assert set(rows) == {field.name for field in dataclasses.fields(TfliteOptions)}
