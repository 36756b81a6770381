"""What can_load says of artifacts, with all reasons at once, and what the resolution makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from inference_core import AutoModel, InferenceError, NoBackendFound
from inference_core.package import Artifact, Request
from inference_core.readers import onnx_file
from inference_doctr import loading, plugin
from inference_doctr.options import DoctrOptions

from . import drawn
from .conftest import write_package


@pytest.fixture
def artifact(package) -> Artifact:
    (only,) = AutoModel.resolve(package).package.artifacts
    return only


def judge(artifact, machine, **request):
    return plugin.can_load(artifact, machine, Request(options=DoctrOptions(), **request))


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


def with_part(artifact: Artifact, role: str, path) -> Artifact:
    facts = {**artifact.facts, role: onnx_file.read(path).facts["model"]}
    return replace(artifact, parts={**artifact.parts, role: path}, facts=facts)


def test_a_sound_model_is_accepted_on_the_cpu(artifact, machine):
    verdict = judge(artifact, machine)
    assert (verdict.status, verdict.device, verdict.reasons) == ("accept", "cpu", ())


def test_it_is_chosen_before_the_backend_that_would_give_arrays(package):
    resolution = AutoModel.resolve(package)
    assert resolution.chosen.backend == "doctr"
    assert [each.backend for each in resolution.accepted] == ["doctr"]
    with pytest.raises(NoBackendFound, match="states parameters but no processor"):
        AutoModel.from_pretrained(package, backend="onnx")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "torchscript"},
        {"parts": ("model",)},
        {"parts": ("detection",)},
        {"parts": ("detection", "recognition", "layout")},
    ],
)
def test_what_is_no_ocr_model_is_refused_for_its_format_alone(artifact, machine, change):
    if roles := change.get("parts"):
        path = artifact.parts["detection"]
        change = {"parts": dict.fromkeys(roles, path), "facts": {}}
    verdict = judge(replace(artifact, **change), machine, device="cuda")
    assert codes(verdict) == ["format"]
    assert "detection and recognition" in verdict.reasons[0].message


def test_another_task_is_a_reason(artifact, machine):
    verdict = judge(replace(artifact, task="object-detection"), machine)
    assert codes(verdict) == ["task"]


def test_all_reasons_come_at_once(artifact, machine, tmp_path):
    flexible = drawn.save_detector(tmp_path / "d.onnx", size="side")
    verdict = judge(with_part(artifact, "detection", flexible), machine, device="cuda:0")
    assert sorted(codes(verdict)) == ["device", "format"]
    (reason,) = (each for each in verdict.reasons if each.code == "format")
    assert "d.onnx, the part detection, takes pictures of any size" in reason.message


@pytest.mark.parametrize("batch", [4, 64])
def test_a_fixed_batch_of_several_is_refused(artifact, machine, tmp_path, batch):
    fixed = drawn.save_recogniser(tmp_path / "r.onnx", batch=batch)
    verdict = judge(with_part(artifact, "recognition", fixed), machine)
    assert f"takes exactly {batch} pictures at once" in verdict.reasons[0].message


def test_a_fixed_batch_of_one_is_read_one_by_one(tmp_path):
    write_package(tmp_path)
    drawn.save_recogniser(tmp_path / "recognition.onnx", batch=1)
    drawn.save_detector(tmp_path / "detection.onnx", batch=1)
    page = drawn.blank()
    for top, text in ((60, "abc"), (130, "head"), (300, "gag")):
        drawn.write(page, text, 40, top)
    with AutoModel.from_pretrained(tmp_path) as model:
        document = model((page, page, page), color_format="rgb")
    assert [each.text.split() for each in document] == [["abc", "head", "gag"]] * 3


def test_swapped_parts_are_told_by_their_outputs(artifact, machine):
    parts, facts = artifact.parts, artifact.facts
    swap = {"detection": "recognition", "recognition": "detection"}
    swapped = replace(
        artifact,
        parts={role: parts[other] for role, other in swap.items()},
        facts={role: facts[other] for role, other in swap.items()},
    )
    verdict = judge(swapped, machine)
    assert codes(verdict) == ["format", "format"]
    assert "the part detection, gives y" in verdict.reasons[0].message


def test_a_gpu_without_a_runtime_for_it_says_what_to_install(artifact, gpu_machine):
    verdict = judge(artifact, gpu_machine, device="cuda")
    assert codes(verdict) == ["device"]
    assert "inference-onnx[gpu]" in verdict.reasons[0].fix
    assert judge(artifact, gpu_machine).device == "cpu"


def test_a_precision_that_the_files_lack_is_refused(artifact, machine):
    assert codes(judge(artifact, machine, precision="fp16")) == ["precision"]


def test_a_damaged_recogniser_is_found_before_it_is_loaded(tmp_path):
    write_package(tmp_path)
    path = tmp_path / "recognition.onnx"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InferenceError, match=r"recognition\.onnx"):
        AutoModel.from_pretrained(tmp_path)


def test_options_out_of_range_are_refused(package):
    for options in ({"threads": 0}, {"detection_batch": 0}, {"recognition_batch": 5000}):
        with pytest.raises(InferenceError, match=next(iter(options))):
            AutoModel.from_pretrained(package, backend="doctr", options=options)


def test_batches_and_threads_change_nothing_in_the_answer(package, model):
    page = drawn.blank()
    for top, text in ((60, "abc"), (130, "head"), (300, "gag")):
        drawn.write(page, text, 40, top)
    options = {"threads": 1, "detection_batch": 1, "recognition_batch": 2}
    with AutoModel.from_pretrained(package, options=options) as other:
        assert (
            other(page, color_format="rgb").to_dict() == model(page, color_format="rgb").to_dict()
        )


def test_the_threads_are_those_of_the_load(package, monkeypatch):
    found = []
    config = loading.EngineConfig

    def spy(providers, options):
        found.append(options.intra_op_num_threads)
        return config(providers, options)

    monkeypatch.setattr(loading, "EngineConfig", spy)
    for threads in (1, 3):
        AutoModel.from_pretrained(package, options={"threads": threads}).close()
    assert found == [1, 1, 3, 3]


def test_a_deep_probe_imports_onnxtr_and_finds_nothing_wrong(machine):
    code = (
        "import json; from inference_core import machine; from inference_doctr import plugin\n"
        "report = plugin.probe_environment(machine.current(), True)\n"
        "import sys; print(json.dumps(['onnxtr' in sys.modules, len(report.problems)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, 0]
