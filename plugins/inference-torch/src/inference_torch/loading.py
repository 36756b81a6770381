"""Turns an artifact that `judgement` accepted into a session: the first place that imports torch.

The file is read once, judged again from those very bytes, and torch gets the same bytes: what was
judged is what runs, even if the file changes meanwhile.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import torch
from inference_core.environment import Environment
from inference_core.errors import InferenceError, InvalidModel
from inference_core.package import Artifact, Precision, Request

from inference_torch import programs
from inference_torch.archive_scan import scan_archive
from inference_torch.judgement import ALLOW_CODE, described, judge
from inference_torch.options import TorchOptions
from inference_torch.pickle_scan import ALLOWED_GLOBALS
from inference_torch.session import TorchSession

_DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
# torch.export.load keeps what it is reading in a global of its module, and refuses a second reader.
_loading = threading.Lock()


def load_session(artifact: Artifact, environment: Environment, request: Request) -> TorchSession:
    """Load the artifact's one part.

    Raises:
        InvalidModel: the file can't be loaded, or could run code and that isn't allowed.
        InferenceError: torch can't provide the device, precision or option asked for.
    """
    verdict = judge(artifact, environment, request)
    if verdict.device is None:
        raise InvalidModel(f"{artifact.path}: {'; '.join(map(str, verdict.reasons))}")
    options = request.options if isinstance(request.options, TorchOptions) else TorchOptions()
    _set_threads(options)
    path, device = artifact.path, torch.device(verdict.device)
    cast = request.precision not in (None, artifact.precision)
    dtype = _DTYPES[request.precision] if cast and request.precision else None
    loaded = _load_program(artifact, request, device, dtype)
    _check_device(path, loaded.module, device)
    stateless = loaded.stateless and not options.compile  # compiled code keeps state of its own
    memory = loaded.memory() if stateless else None
    if options.compile:
        loaded.module = torch.compile(loaded.module, mode=options.compile_mode)
    if (cast or options.compile) and loaded.example:
        _try(path, loaded, request.precision, options)
    return TorchSession(
        program=loaded.program,
        inputs=loaded.inputs,
        outputs=loaded.outputs,
        metadata=loaded.metadata,
        device=str(device),
        # Measured on the CPU for exported graphs.
        thread_safe=stateless and device.type == "cpu",
        compute=dtype,
        memory=memory,
        writes_inputs=loaded.writes_inputs,
    )


def _load_program(
    artifact: Artifact, request: Request, device: torch.device, dtype: torch.dtype | None
) -> programs.Loaded:
    path = artifact.path
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error
    if artifact.format == "torch-export" and not request.allow_code:
        _check_again(path, data)
    load = {
        "torch-export": programs.load_export,
        "torchscript": programs.load_torchscript,
        "torch-checkpoint": programs.load_checkpoint,
    }[artifact.format]
    try:
        with _loading:
            return load(path, io.BytesIO(data), device, dtype)
    except InferenceError:
        raise
    except Exception as error:  # torch lets through whatever its many parts raise
        raise InvalidModel(
            f"torch {torch.__version__} can't load {path}: {type(error).__name__}: {error}"
        ) from error


def _check_again(path: Path, data: bytes) -> None:
    """The scan of `can_load` on the bytes that torch will get, and against this torch's own list."""
    from torch._weights_only_unpickler import _get_allowed_globals

    findings = scan_archive(io.BytesIO(data), ALLOWED_GLOBALS & set(_get_allowed_globals()))
    if findings:
        raise InvalidModel(f"{path} {described(findings)}. Pass {ALLOW_CODE} if you trust it")


def _set_threads(options: TorchOptions) -> None:
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if options.interop_threads not in (None, torch.get_num_interop_threads()):
        try:
            torch.set_num_interop_threads(options.interop_threads)
        except RuntimeError as error:
            raise InferenceError(
                f"interop_threads={options.interop_threads} comes too late: torch takes it once per "
                "process, before its first parallel work. Set it with the first model, or leave it out"
            ) from error


def _check_device(path: Path, module: Any, device: torch.device) -> None:
    for tensor in (*module.parameters(), *module.buffers()):
        found = tensor.device
        if found.type != device.type or (
            device.index is not None and found.index not in (None, device.index)
        ):
            raise InferenceError(
                f"{path}: {device} was asked for, but torch put weights on {found}"
            )


def _try(path: Path, loaded: programs.Loaded, precision: str | None, options: TorchOptions) -> None:
    """One run on the example inputs, so that a cast or a compilation that can't work fails here."""
    try:
        with torch.inference_mode():
            loaded.program(loaded.example)
    except Exception as error:  # compilers and kernels raise every kind
        if options.compile:
            what = "torch.compile can't compile it (on a CPU it needs a C++ compiler such as g++)"
            fix = 'options={"compile": False}'
        else:
            what, fix = f"it doesn't run in {precision}", "precision=None"
        raise InferenceError(
            f"{path}: {what}: {type(error).__name__}: {error}. Fix: {fix}"
        ) from error
