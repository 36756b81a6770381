"""From an artifact to a `TfliteSession`, or a clear error."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Delegate, Interpreter, OpResolverType, load_delegate
from inference_core.environment import Environment
from inference_core.errors import InferenceError
from inference_core.package import Artifact, Facts, Request

from inference_tflite.artifact_check import artifact_reasons, device_reasons, facts_of
from inference_tflite.install_state import installed
from inference_tflite.options import TfliteOptions
from inference_tflite.session import LITERT_ERRORS, Ports, Runner, TfliteSession, WholeGraph


def load_session(artifact: Artifact, environment: Environment, request: Request) -> TfliteSession:
    """Load an artifact of one part.

    Raises:
        InferenceError: the device or the delegate can't be had, or LiteRT refuses the model (its
            exception is the cause).
    """
    options = request.options or TfliteOptions()
    path = artifact.path
    reasons = [*artifact_reasons(artifact, options), *device_reasons(request.device, environment)]
    if reasons:
        raise InferenceError(f"{path} can't be loaded: {'; '.join(map(str, reasons))}")
    facts = facts_of(artifact)
    threads = options.threads or max(1, environment.cpu.cores)
    try:
        interpreter = interpreter_of(path, options, threads)
        run, inputs, outputs = (
            _signature(interpreter, options.signature)
            if options.signature
            else _first_graph(interpreter, facts)
        )
    except LITERT_ERRORS as error:
        raise InferenceError(f"LiteRT {installed()} can't load {path}: {error}") from error
    return TfliteSession(str(path), facts["metadata"], run, inputs, outputs)


def interpreter_of(model: Path | bytes, options: TfliteOptions, threads: int) -> Interpreter:
    """An interpreter of a file, or of the content of one.

    Raises:
        InferenceError: the delegate can't be loaded.
    """
    resolver = OpResolverType.AUTO if options.xnnpack else (
        OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )  # fmt: skip
    return Interpreter(
        model_path=str(model) if isinstance(model, Path) else None,
        model_content=model if isinstance(model, bytes) else None,
        num_threads=threads,
        experimental_op_resolver_type=resolver,
        experimental_delegates=_delegates(options),
    )


def _first_graph(interpreter: Interpreter, facts: Facts) -> tuple[Runner, Ports, Ports]:
    """What a plain interpreter runs, with the names that the reader chose."""
    inputs = _named(facts["inputs"], interpreter.get_input_details())
    outputs = _named(facts["outputs"], interpreter.get_output_details())
    return WholeGraph(interpreter, inputs, outputs), inputs, outputs


def _named(specs: Iterable[Any], details: Iterable[Mapping[str, Any]]) -> Ports:
    """Both are in the order of the graph."""
    return Ports({spec.name: each for spec, each in zip(specs, details, strict=True)})


def _signature(interpreter: Interpreter, name: str) -> tuple[Runner, Ports, Ports]:
    runner = interpreter.get_signature_runner(name)
    inputs, outputs = Ports(runner.get_input_details()), Ports(runner.get_output_details())
    return (lambda feeds: runner(**feeds)), inputs, outputs


def _delegates(options: TfliteOptions) -> list[Delegate] | None:
    if options.delegate is None:
        return None
    try:
        ctypes.CDLL(options.delegate)  # LiteRT's own attempt leaves half an object behind
        return [load_delegate(options.delegate, dict(options.delegate_options))]
    except (*LITERT_ERRORS, AttributeError) as error:
        raise InferenceError(f"the delegate {options.delegate} can't be loaded: {error}") from error
