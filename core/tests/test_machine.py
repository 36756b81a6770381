"""What this machine is: really read here, and with a stand-in for NVML, for want of a GPU."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import pytest
from inference_core import machine
from inference_core.environment import Gpu, is_device_name


class NvmlError(Exception):
    pass


class NotSupported(NvmlError):
    pass


class Nvml(types.ModuleType):
    """The functions of `pynvml` that are used, for two GPUs."""

    NVMLError = NvmlError
    NVMLError_NotSupported = NotSupported

    def __init__(self, **changes) -> None:
        super().__init__("pynvml")
        self.shut_down = 0
        answers = {
            "nvmlInit": lambda: None,
            "nvmlSystemGetDriverVersion": lambda: "550.54.15",
            "nvmlSystemGetCudaDriverVersion_v2": lambda: 12040,
            "nvmlDeviceGetCount": lambda: 2,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetUUID": lambda handle: f"GPU-{handle}abc",
            "nvmlDeviceGetCudaComputeCapability": lambda handle: (8, 9 - handle),
            "nvmlDeviceGetName": lambda handle: f"NVIDIA Test {handle}",
            "nvmlDeviceGetMemoryInfo": lambda handle: types.SimpleNamespace(total=24 << 30),
        }
        for name, answer in {**answers, **changes}.items():
            setattr(self, name, answer)

    def nvmlShutdown(self) -> None:
        self.shut_down += 1


@pytest.fixture
def nvml(monkeypatch):
    def install(**changes):
        module = Nvml(**changes)
        monkeypatch.setitem(sys.modules, "pynvml", module)
        monkeypatch.setattr(machine, "_driver_library_exists", lambda: True)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        return module

    return install


def nvidia():
    problems = []
    return (*machine._nvidia(problems), problems)


def raising(error):
    def call(*_):
        raise error

    return call


def test_this_machine_is_read_without_a_problem():
    environment = machine.current()
    assert environment.os in ("linux", "macos", "windows")
    assert environment.cpu.model
    assert 1 <= environment.cpu.cores <= environment.cpu.threads
    assert environment.memory_bytes > 1 << 28
    facts = environment.facts()
    assert all(isinstance(value, (str, tuple)) for value in facts.values())
    assert facts["python"].count(".") >= 2


def test_no_gpu_is_no_error(monkeypatch):
    monkeypatch.setattr(machine, "_driver_library_exists", lambda: False)
    assert nvidia() == (None, None, (), [])


def test_gpus_that_differ_may_be_numbered_otherwise(nvml, monkeypatch):
    nvml()
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    *_, (problem,) = nvidia()
    assert problem.fix == "export CUDA_DEVICE_ORDER=PCI_BUS_ID"


def test_driver_cuda_version_and_gpus(nvml):
    module = nvml()
    driver, cuda, gpus, problems = nvidia()
    assert (driver, cuda) == ("550.54.15", "12.4")
    assert gpus[0] == Gpu(0, "NVIDIA Test 0", 24 << 30, "8.9")
    assert gpus[1].compute_capability == "8.8"
    assert problems == []
    assert module.shut_down == 1


@pytest.mark.parametrize(("number", "text"), [(11080, "11.8"), (13000, "13.0"), (12010, "12.1")])
def test_the_cuda_version_is_made_of_one_number(nvml, number, text):
    nvml(nvmlSystemGetCudaDriverVersion_v2=lambda: number)
    assert nvidia()[1] == text


def test_older_bindings_answer_in_bytes(nvml):
    nvml(nvmlSystemGetDriverVersion=lambda: b"470.1", nvmlDeviceGetName=lambda handle: b"NVIDIA")
    driver, _, gpus, _ = nvidia()
    assert (driver, gpus[0].name) == ("470.1", "NVIDIA")


def test_memory_that_is_shared_with_the_cpu_is_unknown_and_no_error(nvml):
    nvml(nvmlDeviceGetMemoryInfo=raising(NotSupported("Jetson")))
    _, _, gpus, problems = nvidia()
    assert [gpu.memory_bytes for gpu in gpus] == [0, 0]
    assert problems == []


def test_a_driver_that_does_not_answer_is_a_problem(nvml):
    nvml(nvmlInit=raising(NvmlError("Driver/library version mismatch")))
    driver, cuda, gpus, (problem,) = nvidia()
    assert (driver, cuda, gpus) == (None, None, ())
    assert "version mismatch" in problem.message


def test_a_gpu_that_does_not_answer_is_a_problem_and_the_others_are_kept(nvml):
    def capability(handle):
        if handle == 1:
            raise NvmlError("GPU is lost")
        return (8, 9)

    module = nvml(nvmlDeviceGetCudaComputeCapability=capability)
    driver, _, gpus, (problem,) = nvidia()
    assert driver == "550.54.15"
    assert [gpu.index for gpu in gpus] == [0]
    assert "GPU is lost" in problem.message
    assert module.shut_down == 1


def test_a_binding_that_cannot_be_imported_is_a_problem(monkeypatch):
    monkeypatch.setattr(machine, "_driver_library_exists", lambda: True)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    (problem,) = nvidia()[3]
    assert problem.code == "broken-install"


@pytest.mark.parametrize(
    ("text", "release"),
    [("# R36 (release), REVISION: 4.3, GCID: 1, BOARD: x", "36.4.3"),
     ("# R32 (release), REVISION: 7.1", "32.7.1"), ("", None), ("something else", None)],
)  # fmt: skip
def test_the_release_of_a_jetson(monkeypatch, text, release):
    monkeypatch.setattr(machine, "_read", lambda path, limit: text)
    assert machine._jetson_l4t() == release


@pytest.fixture
def gpu_machine(plain_machine):
    gpus = (Gpu(0, "NVIDIA T4", 16 << 30, "7.5"), Gpu(1, "NVIDIA L4", 24 << 30, "8.9"))
    return replace(plain_machine, cuda_driver="550.1", cuda_version="12.4", gpus=gpus)


def test_facts_of_a_gpu_are_those_of_the_device_in_question(gpu_machine):
    assert gpu_machine.facts("cuda:1")["gpu.name"] == "NVIDIA L4"
    assert gpu_machine.facts("cuda")["gpu.compute_capability"] == "7.5"
    for device in ("cpu", None, "cuda:7"):
        facts = gpu_machine.facts(device)
        assert not any(name.startswith("gpu.") and name != "gpu.count" for name in facts)
        assert (facts["cuda"], facts["cuda.driver"], facts["gpu.count"]) == ("12.4", "550.1", "2")


def test_why_a_device_is_not_to_be_had(gpu_machine, plain_machine):
    assert gpu_machine.device_problem("cuda:1") is None
    assert plain_machine.device_problem("cpu") is None
    missing = gpu_machine.device_problem("cuda:2")
    assert "only cuda:0, cuda:1" in missing.message
    assert missing.fix == 'device="cuda:0"'
    none = plain_machine.device_problem("cuda")
    assert none.message == "cuda isn't here: no NVIDIA driver is installed"
    assert none.fix == 'device="cpu"'
    empty = replace(plain_machine, cuda_driver="550.1")
    assert "shows no GPU" in empty.device_problem("cuda:0").message
    assert "no Apple-silicon Mac" in plain_machine.device_problem("mps").message
    mac = replace(plain_machine, os="macos", architecture="arm64")
    assert mac.device_problem("mps") is None


def test_the_form_of_a_device_name():
    for name in ("cpu", "cuda", "cuda:0", "cuda:12", "mps", "npu:1"):
        assert is_device_name(name)
    for name in ("", "cuda:", "cuda:x", "CUDA", "cuda:0,1", "cuda 0", "cuda:0\n", ":0"):
        assert not is_device_name(name)
