"""The four hooks without running a model: what the backend says about machines and files."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument
from inference_core.install import install_command
from inference_core.package import Artifact
from inference_core.readers import torch_file
from inference_torch import install_state, judgement, plugin
from inference_torch.install_state import InstalledTorch
from inference_torch.options import TorchOptions


def codes(verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


@pytest.fixture
def pretend(monkeypatch):
    """`pretend(cuda="12.8")`: judge as if another torch were installed."""

    def install(version="2.13.0", build="", cuda=None, hip=None, schema=8) -> InstalledTorch:
        torch = InstalledTorch(version, build, cuda, hip, schema)
        monkeypatch.setattr(judgement, "installed", lambda: torch)
        monkeypatch.setattr(plugin, "installed", lambda: torch)
        return torch

    return install


def fake_torch(folder: Path, version: str = "2.13.0+cu128", cuda: str = "'12.8'") -> Path:
    package = folder / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('must never be imported')")
    (package / "version.py").write_text(
        f"__version__ = {version!r}\ncuda: str = {cuda}\nhip = None\n"
    )
    (package / f"_C{install_state.importlib.machinery.EXTENSION_SUFFIXES[0]}").touch()
    return package


def test_the_entry_point_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, inference_torch.plugin as p; from pathlib import Path\n"
        "from inference_core.package import Artifact, Request\n"
        "from inference_core.machine import current\n"
        "p.probe_environment(current(), False)\n"
        "p.can_load(Artifact('torch-export', {'model': Path('none.pt2')}), current(), Request())\n"
        "print([m for m in ('torch', 'numpy', 'pydantic', 'sympy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_installed_build_is_read_as_torch_itself_states_it() -> None:
    import torch

    found = install_state.installed()
    assert isinstance(found, InstalledTorch)
    assert torch.__version__ == found.version + (f"+{found.build}" if found.build else "")
    assert (found.cuda, found.hip) == (torch.version.cuda, torch.version.hip)
    assert found.schema == 8


def test_a_missing_torch_is_not_installed_and_comes_with_the_command(monkeypatch, machine) -> None:
    monkeypatch.setattr(install_state.importlib.util, "find_spec", lambda name: None)
    report = plugin.probe_environment(machine(), False)
    assert report.runtime_version is None
    assert report.problems[0].code == "not-installed"
    assert report.problems[0].fix == install_command("torch>=2.6")


def test_a_missing_torch_does_not_hide_the_other_reasons(monkeypatch, files, judge) -> None:
    monkeypatch.setattr(install_state.importlib.util, "find_spec", lambda name: None)
    verdict = judge(files / "module.pt", device="cuda", precision="int8")
    assert codes(verdict) == ["not-installed", "precision", "trust", "device"]


@pytest.mark.parametrize("damage", ["no version", "no compiled part", "hollow", "two versions"])
def test_a_damaged_torch_is_a_broken_install(damage, tmp_path, monkeypatch, files, judge) -> None:
    package = fake_torch(tmp_path, "2.13.0" if damage != "two versions" else "2.9.1")
    if damage == "no version":
        (package / "version.py").write_text("__version__ = compute()")
    if damage == "no compiled part":
        next(package.glob("_C*")).unlink()
    if damage == "hollow":
        for file in package.iterdir():
            file.unlink()
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(
        sys, "path", [str(tmp_path), *sys.path] if damage != "hollow" else [str(tmp_path)]
    )
    verdict = judge(files / "dynamic.pt2")
    assert verdict.status == "broken"
    assert codes(verdict) == ["broken-install"]
    assert "--force-reinstall" in verdict.reasons[0].fix


def test_a_cpu_build_beside_a_gpu_is_a_problem_with_the_matching_build(pretend, machine) -> None:
    pretend(build="cpu")
    report = plugin.probe_environment(machine(gpus=1), False)
    assert report.devices == ("cpu",)
    words = shlex.split(report.problems[0].fix)
    assert words[:3] == ["uv", "pip", "install"]
    assert words[3:] == ["--reinstall-package", "torch", "--torch-backend=cu128", "torch>=2.6"]
    assert "<" not in report.problems[0].fix, "nothing is left to fill in"
    assert "PyTorch's index for cu128" in report.problems[0].message, "the way with pip"
    older = machine(gpus=1, cuda_version="12.5")
    assert "--torch-backend=cu124" in plugin.probe_environment(older, False).problems[0].fix
    unknown = machine(gpus=1, cuda_version=None)
    assert "--torch-backend=auto" in plugin.probe_environment(unknown, False).problems[0].fix


def test_a_cuda_build_uses_the_gpus_and_says_which_cuda(pretend, machine, files, judge) -> None:
    pretend(build="cu128", cuda="12.8")
    report = plugin.probe_environment(machine(gpus=2), False)
    assert report.devices == ("cuda:0", "cuda:1", "cpu")
    assert report.facts == {"torch": "2.13.0", "torch.cuda": "12.8"}
    assert report.problems == ()
    assert judge(files / "dynamic.pt2", machine(gpus=1)).device == "cuda:0"
    assert judge(files / "dynamic.pt2", machine(gpus=2), device="cuda:1").device == "cuda:1"
    assert judge(files / "dynamic.pt2", machine(gpus=1), device="cpu").device == "cpu"


def test_a_mac_gets_mps(pretend, machine, files, judge) -> None:
    pretend()
    mac = machine(os="macos", architecture="arm64")
    assert judge(files / "dynamic.pt2", mac).device == "mps"


def test_a_device_that_is_not_there_is_refused_with_every_cause(files, judge, machine) -> None:
    verdict = judge(files / "dynamic.pt2", device="cuda")
    assert codes(verdict) == ["device", "device"]
    assert "driver" in verdict.reasons[0].message
    assert "without CUDA" in verdict.reasons[1].message
    with_gpu = judge(files / "dynamic.pt2", machine(gpus=1), device="cuda")
    assert codes(with_gpu) == ["device"]
    assert "--torch-backend=cu128" in with_gpu.reasons[0].fix
    assert "PyTorch's index for cu128" in with_gpu.reasons[0].message
    assert codes(judge(files / "dynamic.pt2", device="mps")) == ["device"]
    assert codes(judge(files / "dynamic.pt2", device="npu")) == ["device"]


def test_int8_is_no_cast_and_the_float_precisions_are(files, judge) -> None:
    assert codes(judge(files / "dynamic.pt2", precision="int8")) == ["precision"]
    for precision in ("fp32", "fp16", "bf16"):
        assert judge(files / "dynamic.pt2", precision=precision).status == "accept"


def test_an_archive_that_this_torch_cannot_read_is_refused(pretend, files, judge) -> None:
    pretend(version="2.7.1")
    assert codes(judge(files / "dynamic.pt2")) == ["requirement"]
    pretend(schema=9)
    assert "schema" in judge(files / "dynamic.pt2").reasons[0].message
    pretend(version="2.4.0")
    assert codes(judge(files / "dynamic.pt2")) == ["requirement", "requirement"]


def test_weights_alone_are_a_matter_of_format_even_with_allow_code(files, judge) -> None:
    verdict = judge(files / "weights.pt", allow_code=True)
    assert codes(verdict) == ["format"]
    assert "torch.export.save" in verdict.reasons[0].message


def test_other_formats_are_refused(machine, files) -> None:
    from inference_core.package import Request

    artifact = Artifact("onnx", {"model": files / "model.onnx"})
    assert codes(plugin.can_load(artifact, machine(), Request())) == ["format"]


def test_the_verdict_is_the_same_when_asked_again(files, judge) -> None:
    for path in files.iterdir():
        assert judge(path) == judge(path)


def test_torchscript_cannot_be_compiled(torchscript, judge) -> None:
    verdict = judge(torchscript, options=TorchOptions(compile=True), allow_code=True)
    assert codes(verdict) == ["option"]


@pytest.mark.parametrize(
    "values",
    [{"threads": 0}, {"interop_threads": 5000}, {"compile_mode": "fastest"},
     {"compile_mode": "max-autotune"}, {"thread": 2}, {"compile": "perhaps"}],
)  # fmt: skip
def test_options_outside_their_range_are_refused(values) -> None:
    with pytest.raises(InvalidArgument):
        build_options(TorchOptions, values, "torch")


def test_options_may_come_as_text() -> None:
    assert build_options(
        TorchOptions, {"threads": "2", "compile": "true"}, "torch"
    ) == TorchOptions(threads=2, compile=True)


def test_the_deep_probe_computes_on_the_cpu_and_reports_a_missing_device(machine) -> None:
    from inference_torch.deep_probe import device_problems

    assert plugin.probe_environment(machine(), True).problems == ()
    assert [problem.code for problem in device_problems(["cuda:0"])] == ["device"]


def test_the_reader_and_torch_agree_on_real_archives(files, torchscript) -> None:
    dynamic = torch_file.read(files / "dynamic.pt2")
    assert (dynamic.format, dynamic.batch, dynamic.precision) == ("torch-export", (1, 8), "fp32")
    assert dynamic.facts["model"]["metadata"] == {"task": "detect"}
    assert [str(spec) for spec in dynamic.facts["model"]["inputs"]] == [
        "images: float32(?, 3, 8, 8)"
    ]
    assert torch_file.read(files / "static.pt2").batch == (1, 1)
    assert torch_file.read(files / "bfloat16.pt2").precision == "bf16"
    script = torch_file.read(torchscript)
    assert script.format == "torchscript"
    assert script.facts["model"]["metadata"]["names"] == "{0: 'cat'}"
    for name in ("weights.pt", "legacy.pt", "module.pt"):
        assert torch_file.read(files / name).format == "torch-checkpoint"


SHAPES = (
    Path(__file__).parents[2] / "inference-vision/src/inference_vision/models/shapes/shapes.pt2"
)


@pytest.mark.skipif(not SHAPES.exists(), reason="the bundled shapes.pt2 isn't in this checkout")
def test_the_bundled_model_is_accepted_without_allow_code(judge, open_session) -> None:
    assert judge(SHAPES).status == "accept"
    session = open_session(SHAPES)
    assert session.inputs == torch_file.read(SHAPES).facts["model"]["inputs"]
