"""The example backend: its four hooks.

This is the entry point, so it and what it imports at the top stay light: no numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from inference_core import (
    Artifact,
    BackendReport,
    Environment,
    InvalidModel,
    Reason,
    Request,
    Verdict,
    hookimpl,
    install_command,
)

from inference_example.options import ACTIVATIONS, ExampleOptions
from inference_example.weights import Mlp, read_mlp

if TYPE_CHECKING:
    from inference_example.session import MlpSession

PLUGIN_API = 1
KIND = "tensor"
OPTIONS = ExampleOptions

REQUIREMENT = "numpy>=1.26"  # as in pyproject.toml


@hookimpl
def probe_environment(environment: Environment, deep: bool) -> BackendReport:
    """Which numpy is installed; a deep probe also lets it multiply."""
    version = _numpy_version()
    problems = tuple(_numpy_problems(deep))
    devices = () if problems else ("cpu",)
    return BackendReport("numpy", version, devices, {"numpy": version} if version else {}, problems)


@hookimpl
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    """Every reason why numpy can't run the artifact, or where it would run."""
    if artifact.format != "safetensors":
        # Most of what is asked about is for other backends, and needs no more reasons.
        message = f"the example backend runs safetensors files, not {artifact.format}"
        return Verdict.reject(Reason("format", message))
    options = request.options or ExampleOptions()
    reasons = [*_artifact_reasons(artifact, options), *_numpy_problems(deep=False)]
    if request.device not in (None, "cpu"):
        reasons.append(Reason("device", f"numpy has no {request.device}", 'device="cpu"'))
    if request.precision not in (None, "fp32"):
        message = f"the example backend computes in fp32, not in {request.precision}"
        reasons.append(Reason("precision", message, 'precision="fp32"'))
    return Verdict.reject(*reasons) if reasons else Verdict.accept("cpu")


@hookimpl
def load(artifact: Artifact, environment: Environment, request: Request) -> MlpSession:
    """The MLP, with its weights in memory."""
    from inference_example.session import MlpSession

    mlp = read_mlp(artifact.path)
    activation = _activation(mlp, request.options or ExampleOptions())
    if activation not in ACTIVATIONS:
        raise InvalidModel(f"{artifact.path}: {_activation_reason(activation)}")
    return MlpSession(artifact.path, mlp, activation)


@hookimpl
def predict(
    session: MlpSession, inputs: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Arrays by output name from arrays by input name."""
    return session.run(inputs)


def _artifact_reasons(artifact: Artifact, options: ExampleOptions) -> Iterator[Reason]:
    for path in artifact.parts.values():
        try:
            activation = _activation(read_mlp(path), options)
        except InvalidModel as error:
            yield Reason("format", str(error))
        else:
            if activation not in ACTIVATIONS:
                yield _activation_reason(activation)


def _activation(mlp: Mlp, options: ExampleOptions) -> str | None:
    """What stands between the layers, None if nobody says so: a guess could give wrong numbers."""
    unstated = "none" if len(mlp.layers) == 1 else None
    return options.activation or mlp.metadata.get("activation", unstated)


def _activation_reason(stated: str | None) -> Reason:
    known = ", ".join(ACTIVATIONS)
    if stated is None:
        message = f"the file doesn't state which activation it was trained with: one of {known}"
        return Reason("option", message, 'options={"activation": "relu"}')
    return Reason("format", f"its activation {stated!r} isn't one of {known}")


def _numpy_version() -> str | None:
    try:
        return metadata.version("numpy")
    except metadata.PackageNotFoundError:
        return None


def _numpy_problems(deep: bool) -> Iterator[Reason]:
    """What keeps numpy from working, by its metadata; if `deep`, by importing and trying it."""
    version = _numpy_version()
    if version is None:
        yield Reason("not-installed", "numpy isn't installed", install_command(REQUIREMENT))
    elif deep:
        try:
            import numpy as np

            fault = "" if (np.eye(2) @ np.ones((2, 2)) == 1).all() else "numpy multiplies wrongly"
        except Exception as error:  # noqa: BLE001 - a damaged one may raise anything
            fault = f"numpy raised {type(error).__name__}: {error}"
        if fault:
            fix = install_command("--force-reinstall", "--no-deps", f"numpy=={version}")
            yield Reason("broken-install", fault, fix)
