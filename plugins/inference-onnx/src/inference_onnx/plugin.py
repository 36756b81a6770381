"""The onnx backend: the four hooks, each a few lines over the module that does the work.

This is the entry point, so it and what it imports at the top stay light: no numpy, no onnxruntime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inference_core.environment import Environment
from inference_core.hookspecs import hookimpl
from inference_core.package import Artifact, Request
from inference_core.verdict import BackendReport, Verdict

from inference_onnx.install_state import find_install
from inference_onnx.options import OnnxOptions
from inference_onnx.placement import cuda_problem, place

if TYPE_CHECKING:
    from inference_onnx.session import OnnxSession

PLUGIN_API = 1
KIND = "tensor"
OPTIONS = OnnxOptions


@hookimpl
def probe_environment(environment: Environment, deep: bool) -> BackendReport:
    """Which onnxruntime is installed and what it can use; a deep probe runs a tiny model."""
    install = find_install()
    problems = list(install.problems(gpu=bool(environment.gpus)))
    devices: tuple[str, ...] = ()
    if not problems:
        gpus = [f"cuda:{gpu.index}" for gpu in environment.gpus]
        if gpus and (problem := cuda_problem(gpus[0], environment, install)):
            problems.append(problem)
            gpus = []
        devices = (*gpus, "cpu")
        if deep:
            from inference_onnx.deep_probe import run_on_each

            problems += run_on_each(devices, install)
    facts = {
        "onnxruntime": install.version,
        "onnxruntime.package": install.package,
        "onnxruntime.cuda": install.cuda_version,
    }
    return BackendReport(
        runtime=install.package or "onnxruntime",
        runtime_version=install.version,
        devices=devices,
        facts={name: value for name, value in facts.items() if value},
        problems=tuple(problems),
    )


@hookimpl
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    """Every reason why onnxruntime can't run the artifact here, or the device it would run on."""
    # Imported here: reading formats isn't needed to list backends.
    from inference_onnx.artifact_check import artifact_reasons, precision_reasons

    options = request.options or OnnxOptions()
    install = find_install()
    damage = install.problems(gpu=bool(environment.gpus))
    device, device_reasons = place(request.device, options, environment, install)
    reasons = (
        *artifact_reasons(artifact, install.version),
        *damage,
        *(r.reason for r in device_reasons if not (damage and r.needs_install)),
        *precision_reasons(artifact, request.precision),
    )
    if any(reason.code == "broken-install" for reason in reasons):
        return Verdict.broken(*reasons)
    if reasons or device is None:
        return Verdict.reject(*reasons)
    return Verdict.accept(device.name)


@hookimpl
def load(artifact: Artifact, environment: Environment, request: Request) -> OnnxSession:
    """The model in an onnxruntime session, on the device that was asked for."""
    from inference_onnx.loading import load_session

    return load_session(artifact, environment, request)


@hookimpl
def predict(
    session: OnnxSession, inputs: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Arrays by output name from arrays by input name. (All arguments are taken, in the hook's
    order, so that core calls this directly.)"""
    return session.run(inputs)
