"""The doctr backend: the four hooks, each a few lines over the module that does the work.

This is the entry point, so it and what it imports at the top stay light: no numpy, no onnxtr.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inference_core.environment import Environment
from inference_core.hookspecs import hookimpl
from inference_core.package import Artifact, Request
from inference_core.verdict import BackendReport, Reason, Verdict
from inference_onnx.install_state import find_install
from inference_onnx.options import OnnxOptions
from inference_onnx.placement import cuda_problem, place

from inference_doctr.install_state import onnxtr_version, problems
from inference_doctr.options import DoctrOptions

if TYPE_CHECKING:
    from inference_core.results import Document

    from inference_doctr.session import DoctrSession

PLUGIN_API = 1
KIND = "task"
OPTIONS = DoctrOptions


@hookimpl
def probe_environment(environment: Environment, deep: bool) -> BackendReport:
    """Which onnxtr is installed and what it can use; a deep probe imports it."""
    runtime = find_install()
    gpu = bool(environment.gpus)
    found: list[Reason] = [*problems(gpu), *runtime.problems(gpu)]
    devices: tuple[str, ...] = ()
    if not found:
        names = [f"cuda:{each.index}" for each in environment.gpus]
        if names and (problem := cuda_problem(names[0], environment, runtime)):
            found.append(problem)
            names = []
        devices = (*names, "cpu")
        if deep:
            import onnxtr.models  # noqa: F401 - what this raises, core reports
    version = onnxtr_version()
    facts = {"onnxtr": version} if version else {}
    return BackendReport("onnxtr", version, devices, facts, tuple(found))


@hookimpl
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    """Every reason why this can't read documents here, or the device it would do it on."""
    # Imported here: reading formats isn't needed to list backends.
    from inference_onnx.artifact_check import precision_reasons

    from inference_doctr.artifact_check import format_reason, graph_reasons

    if reason := format_reason(artifact):
        return Verdict.reject(reason)
    runtime = find_install()
    gpu = bool(environment.gpus)
    damage = (*problems(gpu), *runtime.problems(gpu))
    device, device_reasons = place(request.device, OnnxOptions(), environment, runtime)
    reasons = (
        *graph_reasons(artifact, runtime.version),
        *damage,
        *(each.reason for each in device_reasons if not (damage and each.needs_install)),
        *precision_reasons(artifact, request.precision),
    )
    if any(reason.code == "broken-install" for reason in reasons):
        return Verdict.broken(*reasons)
    if reasons or device is None:
        return Verdict.reject(*reasons)
    return Verdict.accept(device.name)


@hookimpl
def load(artifact: Artifact, environment: Environment, request: Request) -> DoctrSession:
    """The detector and the recogniser, on the device that was asked for."""
    from inference_doctr.loading import load_session

    return load_session(artifact, environment, request)


@hookimpl
def predict(session: DoctrSession, inputs: Any, options: Mapping[str, Any]) -> Document:
    """The pages of a picture or PDF, with their text."""
    return session.read(inputs, options)
