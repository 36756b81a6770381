"""A real, small tensor backend for core's tests: y = x @ weight.T + bias, described by a JSON file.

As light as a backend must be: numpy is imported inside `load`.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference_core import hookimpl
from inference_core.environment import Environment
from inference_core.package import Artifact, Request
from inference_core.verdict import BackendReport, Reason, Verdict

PLUGIN_API = 1
KIND = "tensor"


@dataclass(frozen=True, slots=True)
class OPTIONS:
    """Load options."""

    threads: int = 1
    fail: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError("threads must be at least 1")


@hookimpl
def probe_environment(environment: Environment, deep: bool) -> BackendReport:
    return BackendReport(
        "linear-runtime", "2.0", ("cpu",), {"linear": "2.0", "linear.deep": str(deep)}
    )


@hookimpl
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    if artifact.format != "linear":
        return Verdict.reject(Reason("format", f"linear runs linear files, not {artifact.format}"))
    reasons = []
    if request.device not in (None, "cpu"):
        reasons.append(Reason("device", f"linear has no {request.device}", 'device="cpu"'))
    if request.precision not in (None, "fp32"):
        reasons.append(Reason("precision", f"linear has no {request.precision}"))
    return Verdict.reject(*reasons) if reasons else Verdict.accept("cpu")


@hookimpl
def load(artifact: Artifact, environment: Environment, request: Request) -> object:
    from linear_session import LinearSession

    if request.options.fail:
        raise RuntimeError("asked to fail")
    return LinearSession(artifact.path)


@hookimpl
def predict(session, inputs, options):
    return session.run(inputs)
