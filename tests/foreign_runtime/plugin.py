"""The onnx-reference backend: its four hooks.

This is the entry point, so it and what it imports at the top stay light: no numpy, no runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from inference_core import (
    Artifact,
    BackendReport,
    Environment,
    Reason,
    Request,
    Verdict,
    hookimpl,
    install_command,
)
from inference_onnx_reference.options import Options

if TYPE_CHECKING:
    from inference_onnx_reference.session import ReferenceSession

PLUGIN_API = 1
KIND = "tensor"
OPTIONS = Options

RUNTIME = "onnx"
FORMAT = "onnx"

# What numpy has: the evaluator would take ml_dtypes for the others.
DTYPES = {
    *("str", "bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
}


@hookimpl
def probe_environment(environment: Environment, deep: bool) -> BackendReport:
    """Which onnx is installed; a deep probe evaluates one node."""
    version = _runtime_version()
    problems = tuple(_runtime_problems(deep))
    devices = () if problems else ("cpu",)
    return BackendReport(RUNTIME, version, devices, {RUNTIME: version} if version else {}, problems)


@hookimpl
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    """Every reason why the artifact can't be evaluated here; the evaluator knows the CPU only."""
    if artifact.format != FORMAT:
        message = f"this backend runs {FORMAT} files, not {artifact.format}"
        return Verdict.reject(Reason("format", message))
    reasons = [*_artifact_reasons(artifact), *_runtime_problems(deep=False)]
    if request.device not in (None, "cpu"):
        reasons.append(Reason("device", f"{RUNTIME} has no {request.device}", 'device="cpu"'))
    if request.precision not in (None, artifact.precision):
        message = f"{RUNTIME} evaluates a graph as it is, not in {request.precision}"
        reasons.append(Reason("precision", message, "precision=None"))
    return Verdict.reject(*reasons) if reasons else Verdict.accept("cpu")


@hookimpl
def load(artifact: Artifact, environment: Environment, request: Request) -> ReferenceSession:
    """The graph in an evaluator."""
    from inference_onnx_reference.session import ReferenceSession

    return ReferenceSession(artifact.path, request.options or Options())


@hookimpl
def predict(
    session: ReferenceSession, inputs: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Arrays by output name from arrays by input name."""
    return session.run(inputs)


def _artifact_reasons(artifact: Artifact) -> Iterator[Reason]:
    for role, path in artifact.parts.items():
        try:
            path.open("rb").close()
        except OSError as error:
            yield Reason("format", f"{path} can't be read: {error.strerror or error}")
        facts = artifact.facts.get(role, {})
        for spec in (*facts.get("inputs", ()), *facts.get("outputs", ())):
            if spec.dtype not in DTYPES:
                yield Reason("format", f"{path} has {spec}, which is no array of numpy")


def _runtime_version() -> str | None:
    try:
        return metadata.version(RUNTIME)
    except metadata.PackageNotFoundError:
        return None


def _runtime_problems(deep: bool) -> Iterator[Reason]:
    """What keeps the runtime from working: told by metadata, or if `deep` by trying it."""
    version = _runtime_version()
    if version is None:
        yield Reason("not-installed", f"{RUNTIME} isn't installed", install_command(RUNTIME))
    elif deep:
        try:
            from inference_onnx_reference.session import evaluate_one_node

            fault = "" if evaluate_one_node() == [0, 2] else "it evaluates wrongly"
        except Exception as error:  # noqa: BLE001 - whatever a damaged installation raises
            fault = f"{type(error).__name__}: {error}"
        if fault:
            fix = install_command("--force-reinstall", "--no-deps", f"{RUNTIME}=={version}")
            yield Reason("broken-install", f"{RUNTIME} {version} doesn't work: {fault}", fix)
