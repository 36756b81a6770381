"""From an artifact to an `OnnxSession` on the device that was asked for, or a clear error.

onnxruntime falls back to the CPU without an exception when a provider can't start, so what the
session reports is compared with what was asked.
"""

from __future__ import annotations

import contextlib
import sys

import onnxruntime as ort
from inference_core.environment import Environment
from inference_core.errors import InferenceError
from inference_core.install import install_command
from inference_core.package import Artifact, Facts, Request
from inference_core.session import TensorSpec

from inference_onnx.install_state import find_install
from inference_onnx.options import OnnxOptions
from inference_onnx.placement import CUDA, Placement, place
from inference_onnx.session import ORT_ERRORS, OnnxSession

# onnxruntime's type names to those of TensorSpec.
_DTYPES = {"float": "float32", "double": "float64", "string": "str"}

_LEVELS = {
    "disable": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_MODES = {
    "sequential": ort.ExecutionMode.ORT_SEQUENTIAL,
    "parallel": ort.ExecutionMode.ORT_PARALLEL,
}


def load_session(artifact: Artifact, environment: Environment, request: Request) -> OnnxSession:
    """Load an artifact of one part.

    Raises:
        InferenceError: the device can't be had, isn't the one that was got, or onnxruntime refuses
            the model (its exception is the cause).
    """
    options = request.options or OnnxOptions()
    (role, path) = next(iter(artifact.parts.items()))
    placement, reasons = place(request.device, options, environment, find_install())
    if placement is None:
        raise InferenceError(f"{path} can't be loaded: {'; '.join(str(r.reason) for r in reasons)}")
    _check_available(placement)
    if placement.name.startswith("cuda") and hasattr(ort, "preload_dlls"):
        # Finds CUDA libraries that were installed as wheels. It prints what it misses: to stderr,
        # since stdout may be someone's JSON.
        with contextlib.redirect_stdout(sys.stderr):
            ort.preload_dlls()
    try:
        session = ort.InferenceSession(
            str(path),
            session_options(options),
            providers=list(placement.providers),
            enable_fallback=0,
        )
    except ORT_ERRORS as error:
        raise InferenceError(f"onnxruntime {ort.__version__} can't load {path}: {error}") from error
    facts = artifact.facts.get(role, {})
    return OnnxSession(
        session,
        str(path),
        device=checked_device(session, placement, str(path)),
        inputs=_specs(session.get_inputs(), facts, "inputs"),
        outputs=_specs(session.get_outputs(), facts, "outputs"),
        io_binding=options.io_binding,
    )


def session_options(options: OnnxOptions) -> ort.SessionOptions:
    """The options as onnxruntime takes them.

    Raises:
        InferenceError: onnxruntime refuses one, such as a library it can't load.
    """
    result = ort.SessionOptions()
    result.intra_op_num_threads = options.threads or 0
    result.inter_op_num_threads = options.inter_op_threads or 0
    result.graph_optimization_level = _LEVELS[options.graph_optimization]
    result.execution_mode = _MODES[options.execution_mode]
    result.use_deterministic_compute = options.deterministic
    result.enable_cpu_mem_arena = options.memory_arena
    result.enable_mem_pattern = options.memory_pattern
    result.log_severity_level = options.log_severity
    if options.optimized_model_path:
        result.optimized_model_filepath = str(options.optimized_model_path)
    if options.profile_prefix:
        result.enable_profiling = True
        result.profile_file_prefix = options.profile_prefix
    entries = dict(options.session_config)
    if options.spinning is not None:
        for pool in ("intra_op", "inter_op"):
            entries[f"session.{pool}.allow_spinning"] = str(int(options.spinning))
    if options.disable_cpu_fallback:
        entries["session.disable_cpu_ep_fallback"] = "1"
    try:
        for key, value in entries.items():
            result.add_session_config_entry(key, value)
        for axis, size in options.free_dimensions.items():
            result.add_free_dimension_override_by_name(axis, size)
        for library in options.custom_op_libraries:
            result.register_custom_ops_library(str(library))
    except ORT_ERRORS as error:
        raise InferenceError(f"onnxruntime refuses an option: {error}") from error
    return result


def checked_device(session: ort.InferenceSession, placement: Placement, path: str) -> str:
    """The device the session runs on, by its own report.

    Raises:
        InferenceError: a provider that was asked for isn't in the session.
    """
    got = session.get_providers()
    missing = [name for name, _ in placement.providers if name not in got]
    if missing:
        libraries = install_command("onnxruntime-gpu[cuda,cudnn]")
        raise InferenceError(
            f"{path} was to run on {placement.name}, but onnxruntime couldn't start "
            f"{' and '.join(missing)} and silently took {' and '.join(got)}. Its reason is in the "
            f"lines it wrote to stderr; for CUDA it is mostly a missing CUDA or cuDNN library, "
            f'which comes with: {libraries}. To run on the CPU, say device="cpu"'
        )
    if placement.name.startswith("cuda"):
        first = placement.providers[0][0]
        index = session.get_provider_options()[first].get("device_id", "0")
        if f"cuda:{index}" != placement.name:
            raise InferenceError(f"{path} was to run on {placement.name}, but is on cuda:{index}")
    return placement.name


def _check_available(placement: Placement) -> None:
    available = ort.get_available_providers()
    for name, _ in placement.providers:
        if name not in available:
            fix = f" Fix: {install_command('inference-onnx[gpu]')}" if name == CUDA else ""
            raise InferenceError(
                f"{name} isn't in the installed onnxruntime {ort.__version__}, which has "
                f"{', '.join(available)}.{fix}"
            )


def _specs(args: list[ort.NodeArg], facts: Facts, what: str) -> tuple[TensorSpec, ...]:
    """What the session reports. It shows an unknown rank like a scalar; the file's facts don't."""
    unknown = {spec.name for spec in facts.get(what, ()) if spec.shape is None}
    specs = []
    for arg in args:
        kind = arg.type.removeprefix("tensor(").removesuffix(")")
        axes = tuple(a if isinstance(a, int) and a >= 0 else None for a in arg.shape or ())
        shape = None if not axes and arg.name in unknown else axes
        specs.append(TensorSpec(arg.name, _DTYPES.get(kind, kind), shape))
    return tuple(specs)
