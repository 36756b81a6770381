"""The tflite backend: the four hooks, each a few lines over the module that does the work.

This is the entry point, so it and what it imports at the top stay light: no numpy, no LiteRT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inference_core.environment import Environment
from inference_core.hookspecs import hookimpl
from inference_core.package import Artifact, Request
from inference_core.verdict import BackendReport, Reason, Verdict

from inference_tflite.install_state import installed
from inference_tflite.options import TfliteOptions

if TYPE_CHECKING:
    from inference_tflite.session import TfliteSession

PLUGIN_API = 1
KIND = "tensor"
OPTIONS = TfliteOptions


@hookimpl
def probe_environment(environment: Environment, deep: bool) -> BackendReport:
    """Which LiteRT is installed; a deep probe runs a tiny model."""
    version = installed()
    if isinstance(version, Reason):
        return BackendReport(runtime="ai-edge-litert", problems=(version,))
    problems: tuple[Reason, ...] = ()
    if deep:
        from inference_tflite.deep_probe import problems_of_a_tiny_model

        problems = tuple(problems_of_a_tiny_model())
    facts = {"litert": version}
    return BackendReport("ai-edge-litert", version, ("cpu",), facts, problems)


@hookimpl
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    """Every reason why LiteRT can't run the artifact here, or the device it would run on."""
    # Imported here: reading formats isn't needed to list backends.
    from inference_tflite.artifact_check import artifact_reasons, device_reasons, precision_reasons

    options = request.options or TfliteOptions()
    version = installed()
    reasons = (
        *artifact_reasons(artifact, options),
        *((version,) if isinstance(version, Reason) else ()),
        *device_reasons(request.device, environment),
        *precision_reasons(artifact, request.precision),
    )
    if any(reason.code == "broken-install" for reason in reasons):
        return Verdict.broken(*reasons)
    return Verdict.reject(*reasons) if reasons else Verdict.accept("cpu")


@hookimpl
def load(artifact: Artifact, environment: Environment, request: Request) -> TfliteSession:
    """The model in an interpreter of LiteRT."""
    from inference_tflite.loading import load_session

    return load_session(artifact, environment, request)


@hookimpl
def predict(
    session: TfliteSession, inputs: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Arrays by output name from arrays by input name. (All arguments are taken, in the hook's
    order, so that core calls this directly.)"""
    return session.run(inputs)
