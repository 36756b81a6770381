"""The mediapipe backend: the four hooks, each a few lines over the module that does the work.

This is the entry point, so it and what it imports at the top stay light: no numpy, no MediaPipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference_core.environment import Environment
from inference_core.hookspecs import hookimpl
from inference_core.package import Artifact, Request
from inference_core.verdict import BackendReport, Reason, Verdict

from inference_mediapipe.install_state import installed, missing_libraries
from inference_mediapipe.options import MediapipeOptions, lacking

if TYPE_CHECKING:
    from inference_mediapipe.session import TaskSession

PLUGIN_API = 1
KIND = "task"
DEVICES = ("cpu", "gpu")
OPTIONS = MediapipeOptions
FORMATS = ("mediapipe-task", "tflite")


@hookimpl
def probe_environment(environment: Environment, deep: bool) -> BackendReport:
    """Which MediaPipe is installed and what it lacks; a deep probe loads it and runs a tiny model."""
    found = installed()
    problems = [found] if isinstance(found, Reason) else []
    problems += missing_libraries(environment)
    devices: tuple[str, ...] = ()
    if not problems:
        devices = ("cpu", "gpu") if _has_gpu(environment) else ("cpu",)
        if deep:
            from inference_mediapipe.deep_probe import run_tiny_model

            problems += run_tiny_model()
    version = None if isinstance(found, Reason) else found
    return BackendReport(
        runtime="mediapipe",
        runtime_version=version,
        devices=devices,
        facts={"mediapipe": version} if version else {},
        problems=tuple(problems),
    )


@hookimpl
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    """Every reason why MediaPipe can't run the artifact here, or the device it would run on."""
    found = installed()
    reasons = list(_artifact_reasons(artifact, request))
    if isinstance(found, Reason):
        reasons.append(found)
    reasons += missing_libraries(environment)
    reasons += _device_reasons(request.device, environment)
    if any(reason.code == "broken-install" for reason in reasons):
        return Verdict.broken(*reasons)
    if reasons:
        return Verdict.reject(*reasons)
    # The GPU only where it is asked for: not every model's operators run there.
    return Verdict.accept(request.device or "cpu")


@hookimpl
def load(artifact: Artifact, environment: Environment, request: Request) -> TaskSession:
    """The file in a task of MediaPipe, with the CPU or the GPU delegate."""
    from inference_mediapipe.loading import load_session

    return load_session(artifact, environment, request)


@hookimpl
def predict(session: TaskSession, inputs: Any, options: Mapping[str, Any]) -> Any:
    """One of core's results from a picture or a text."""
    return session.run(inputs, options)


def _artifact_reasons(artifact: Artifact, request: Request) -> Iterator[Reason]:
    if artifact.format not in FORMATS:
        yield Reason(
            "format",
            f"mediapipe runs MediaPipe task bundles and TensorFlow Lite files, not {artifact.format}",
        )
        return
    if len(artifact.parts) != 1:
        yield Reason("format", "mediapipe runs one file, and the artifact has several parts")
    # Imported here: telling tasks apart isn't needed to list backends.
    from inference_mediapipe.artifact_check import checked_facts, refusal_of
    from inference_mediapipe.tasks import task_of

    options = request.options or MediapipeOptions()
    facts = checked_facts(artifact)
    task = facts if isinstance(facts, Reason) else task_of(artifact, facts, options.task)
    if isinstance(task, Reason):
        yield task
    elif not isinstance(facts, Reason):
        for name, problem in lacking(task, options).items():
            yield Reason("option", problem, f"leave {name} out")
        if refusal := refusal_of(task, facts, artifact.path):
            yield refusal
    if request.precision not in (None, artifact.precision):
        yield Reason(
            "precision",
            f"{artifact.path.name} holds {artifact.precision or 'weights of unknown precision'}, and "
            f"MediaPipe runs a file as it is, not in {request.precision}",
            "leave precision out",
        )


def _device_reasons(device: str | None, environment: Environment) -> Iterator[Reason]:
    if device in (None, "cpu"):
        return
    if device != "gpu":
        other = 'device="gpu"' if _has_gpu(environment) else 'device="cpu"'
        yield Reason("device", f'mediapipe has the devices "cpu" and "gpu", not {device!r}', other)
    elif not _has_gpu(environment):
        yield Reason(
            "device",
            "MediaPipe's GPU delegate needs a GPU with OpenGL ES (on Linux) or Metal (on macOS), and "
            "none was found",
            'device="cpu"',
        )


def _has_gpu(environment: Environment) -> bool:
    if environment.gpus or environment.os == "macos":
        return True
    return environment.os == "linux" and any(Path("/dev/dri").glob("renderD*"))
