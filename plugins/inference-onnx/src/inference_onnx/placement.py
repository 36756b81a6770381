"""Which device a model would run on, and by which execution providers.

The answer is the same in `can_load`, which reports it, and in `load`, which demands it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from inference_core.environment import Environment
from inference_core.install import install_command, pip_command
from inference_core.verdict import Reason

from inference_onnx.install_state import Install
from inference_onnx.options import OnnxOptions, Setting

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

# Providers whose device isn't called as they are.
_KINDS = {
    CUDA: "cuda",
    "TensorrtExecutionProvider": "cuda",
    "NvTensorRTRTXExecutionProvider": "cuda",
}


@dataclass(frozen=True, slots=True)
class Placement:
    """A device by name ("cpu", "cuda:0", "coreml") and the providers with settings that make it."""

    name: str
    providers: tuple[tuple[str, dict[str, str]], ...]


class DeviceReason(NamedTuple):
    """Why a device can't be had; `needs_install` if it follows from what is installed."""

    reason: Reason
    needs_install: bool = False


def place(
    device: str | None, options: OnnxOptions, environment: Environment, install: Install
) -> tuple[Placement | None, Sequence[DeviceReason]]:
    """The placement, or None and why there is none.

    Args:
        device: what the caller asked for; None for the best there is.
        options: `providers` replaces the choice, `provider_options` sets up the chosen one.
        environment: this machine.
        install: the onnxruntime that is installed.
    """
    if wanted := options.provider_list():
        placement = _from_providers(wanted)
        if device is not None and _full_name(device) != placement.name:
            message = f"device={device!r} was asked for, but providers= begins with {wanted[0][0]}"
            return None, [DeviceReason(Reason("option", message, f'device="{placement.name}"'))]
    else:
        name = _full_name(device) if device else _best(environment, install)
        kind, _, index = name.partition(":")
        settings = {key: _text(value) for key, value in options.provider_options.items()}
        if kind == "cuda":
            # onnxruntime itself adds the CPU for operators that CUDA lacks.
            placement = Placement(name, ((CUDA, {"device_id": index, **settings}),))
        elif name == "cpu":
            placement = Placement(name, ((CPU, settings),))
        else:
            return None, [DeviceReason(_unknown_device(name))]
    if options.disable_cpu_fallback and CPU in dict(placement.providers):
        message = f"disable_cpu_fallback rules out the CPU, but {placement.name} was to use it"
        return None, [DeviceReason(Reason("option", message, "disable_cpu_fallback=False"))]
    if placement.name.startswith("cuda"):
        if problem := environment.device_problem(placement.name):
            return None, [DeviceReason(problem)]
        if problem := cuda_problem(placement.name, environment, install):
            return None, [DeviceReason(problem, needs_install=True)]
    return placement, ()


def cuda_problem(device: str, environment: Environment, install: Install) -> Reason | None:
    """Why the installed onnxruntime can't use an NVIDIA GPU that is there, or None if it can."""
    gpu = environment.gpu(device)
    if not install.cuda:
        owner = install.owners[0][0] if install.owners else None
        replaced = f"{pip_command()} uninstall -y {owner} && " if owner else ""
        return Reason(
            "device",
            f"{device} ({gpu.name if gpu else 'GPU'}) is there, but the installed "
            f"{install.package or 'onnxruntime'} has no CUDA in it",
            replaced + install_command("inference-onnx[gpu]"),
        )
    built, offered = install.cuda_version, environment.cuda_version
    if built and offered and _major(built) > _major(offered):
        return Reason(
            "device",
            f"{install.package} {install.version} is built for CUDA {built}, but the NVIDIA driver "
            f"{environment.cuda_driver} runs no newer CUDA than {offered}; update the driver or take "
            f"an onnxruntime-gpu built for CUDA {_major(offered)}",
        )
    return None


def _from_providers(wanted: list[tuple[str, dict[str, Setting]]]) -> Placement:
    providers = tuple((n, {k: _text(v) for k, v in settings.items()}) for n, settings in wanted)
    first, settings = providers[0]
    kind = _KINDS.get(first, first.removesuffix("ExecutionProvider").lower())
    name = f"cuda:{settings.get('device_id', '0')}" if kind == "cuda" else kind
    return Placement(name, providers)


def _best(environment: Environment, install: Install) -> str:
    for gpu in environment.gpus[:1]:
        name = f"cuda:{gpu.index}"
        if cuda_problem(name, environment, install) is None:
            return name
    return "cpu"


def _full_name(device: str) -> str:
    return "cuda:0" if device == "cuda" else device


def _unknown_device(device: str) -> Reason:
    return Reason(
        "device",
        f'the onnx backend has no device {device!r}, only "cpu" and "cuda:N"; other accelerators are '
        'reached by their execution provider, without a device: the option "providers" with, say, '
        '"CoreMLExecutionProvider"',
        'device="cpu"',
    )


def _text(value: Setting) -> str:
    """A provider setting as onnxruntime parses it: booleans are "1" and "0"."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _major(version: str) -> int:
    major = version.partition(".")[0]
    return int(major) if major.isdigit() else 0
