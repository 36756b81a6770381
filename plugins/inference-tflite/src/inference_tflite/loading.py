"""From an artifact to a `TfliteSession`, or a clear error."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Delegate, Interpreter, OpResolverType, load_delegate
from inference_core.environment import Environment
from inference_core.errors import InferenceError
from inference_core.package import Artifact, Facts, Request
from inference_core.session import TensorSpec

from inference_tflite.artifact_check import artifact_reasons, device_reasons, facts_of
from inference_tflite.install_state import installed
from inference_tflite.options import TfliteOptions
from inference_tflite.session import (
    LITERT_ERRORS,
    FirstGraph,
    LaterGraph,
    Ports,
    Runner,
    TfliteSession,
)


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
        # Not by its path: LiteRT maps the file, and whoever overwrites it ends the process.
        make = partial(interpreter_of, path.read_bytes(), options, threads)
        run, inputs, outputs = _runner(make, facts, options.signature)
    except LITERT_ERRORS as error:
        raise InferenceError(f"LiteRT {installed()} can't load {path}: {error}") from error
    return TfliteSession(str(path), facts["metadata"], run, inputs, outputs)


def interpreter_of(content: bytes, options: TfliteOptions, threads: int) -> Interpreter:
    """An interpreter of a file with this content.

    Raises:
        InferenceError: the delegate can't be loaded.
    """
    resolver = OpResolverType.AUTO if options.xnnpack else (
        OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )  # fmt: skip
    return Interpreter(
        model_content=content,
        num_threads=threads,
        experimental_op_resolver_type=resolver,
        experimental_delegates=_delegates(options),
    )


def _runner(
    make: Callable[[], Interpreter], facts: Facts, signature: str | None
) -> tuple[Runner, Ports, Ports]:
    """What runs the first graph or that of a signature, each time from its initial state."""
    interpreter = make()
    inputs, outputs = _ports(interpreter, facts, signature)
    number = facts["tflite.signatures"][signature]["subgraph"] if signature else 0
    stateful = facts["tflite.stateful"]
    reset = stateful == (number,)

    def graph(interpreter: Interpreter) -> Runner:
        if signature and number:
            return LaterGraph(interpreter, signature, reset)
        return FirstGraph(interpreter, inputs, outputs, reset)

    run = graph(interpreter)
    if reset or not stateful:
        return run, inputs, outputs

    def run_anew(feeds: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        # LiteRT resets the variables of all graphs, and fails at one that hasn't run.
        return graph(make())(feeds)

    return run_anew, inputs, outputs


def _ports(interpreter: Interpreter, facts: Facts, signature: str | None) -> tuple[Ports, Ports]:
    """Inputs and outputs of a graph with the names that the reader gives."""
    if signature:
        chosen = facts["tflite.signatures"][signature]
        # Not to be kept where the first graph runs: LiteRT takes it for somebody who holds a tensor.
        runner = interpreter.get_signature_runner(signature)
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        return (
            Ports({spec.name: inputs[spec.name] for spec in chosen["inputs"]}),
            Ports({spec.name: outputs[spec.name] for spec in chosen["outputs"]}),
        )
    return (
        _in_order(facts["inputs"], interpreter.get_input_details()),
        _in_order(facts["outputs"], interpreter.get_output_details()),
    )


def _in_order(specs: Iterable[TensorSpec], details: Iterable[Mapping[str, Any]]) -> Ports:
    """Both are in the order of the graph."""
    return Ports({spec.name: each for spec, each in zip(specs, details, strict=True)})


def _delegates(options: TfliteOptions) -> list[Delegate] | None:
    if options.delegate is None:
        return None
    try:
        ctypes.CDLL(options.delegate)  # LiteRT's own attempt leaves half an object behind
        return [load_delegate(options.delegate, dict(options.delegate_options))]
    except (*LITERT_ERRORS, AttributeError) as error:
        raise InferenceError(f"the delegate {options.delegate} can't be loaded: {error}") from error
