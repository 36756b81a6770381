"""Checks of what a session declares: core, processors and users go by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inference_core.environment import same_device
from inference_core.errors import InferenceError, InvalidInput
from inference_core.session import TensorSpec
from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.subject import Subject

# TensorSpec's names for what numpy lacks, and the dtype of the arrays that stand in for it.
_STAND_INS = {"bfloat16": "float32", "str": "object"}


class DeclarationChecks(Kit):
    """What a session says of itself."""

    def test_the_session_declares_what_core_needs(self, runnable: Subject) -> None:
        with runnable.session() as session:
            kinds = {"thread_safe": bool, "device": str, "metadata": Mapping}
            for name, kind in kinds.items():
                if not isinstance(getattr(session, name), kind):
                    failed(
                        f"session.{name} is {getattr(session, name)!r}",
                        f"make it a {kind.__name__}",
                    )
            if session.device_arrays is not None:
                failed(
                    f"session.device_arrays is {session.device_arrays!r}",
                    "make it None: core passes numpy arrays",
                )
            task = not runnable.is_tensor
            if task != isinstance(session.task, str):
                wanted = "name its task" if task else 'leave it None, or state KIND = "task"'
                failed(f"session.task is {session.task!r}", wanted)

    def test_the_session_runs_where_the_verdict_said(self, runnable: Subject) -> None:
        with runnable.session() as session:
            if not same_device(str(runnable.device), session.device):
                failed(
                    f"can_load accepted for {runnable.device}, and session.device is "
                    f"{session.device}",
                    "ask the runtime where it runs, and raise in load() if that isn't where it was to",
                )

    def test_inputs_and_outputs_are_declared(self, runnable: Subject) -> None:
        with runnable.session() as session:
            for name in ("inputs", "outputs"):
                specs = getattr(session, name)
                if not runnable.is_tensor:
                    if tuple(specs):
                        failed(f"a task session declares {name}", f"make session.{name} ()")
                    continue
                wrong = [each for each in specs if not isinstance(each, TensorSpec)]
                if wrong or not isinstance(specs, tuple):
                    failed(f"session.{name} is {specs!r:.200}", "make it a tuple of TensorSpec")
                names = [spec.name for spec in specs]
                if len(set(names)) < len(names):
                    failed(f"session.{name} has a name twice: {names}", "give each its own")
            if runnable.is_tensor and not session.inputs:
                failed("session.inputs is empty", "declare what the graph takes")

    def test_outputs_have_the_declared_names_dtypes_and_shapes(self, graph: Subject) -> None:
        with graph.session() as session:
            outputs = graph.predicted(session)
            if not isinstance(outputs, Mapping):
                failed(
                    f"predict returns {type(outputs).__name__}",
                    "return a dict of numpy arrays by output name",
                )
            declared = {spec.name: spec for spec in session.outputs}
            if declared and set(outputs) != set(declared):
                failed(
                    f"predict returns {sorted(outputs)}, and session.outputs declares "
                    f"{sorted(declared)}",
                    "let both name the same outputs",
                )
            for name, array in outputs.items():
                if not isinstance(array, np.ndarray):
                    failed(f"output {name!r} is a {type(array).__name__}", "return numpy arrays")
                spec = declared.get(name)
                if spec is not None and not _matches(array, spec):
                    failed(
                        f"output {name!r} is {array.dtype}{array.shape}, and session.outputs "
                        f"declares {spec}",
                        "declare what comes back, with None for the axes that vary",
                    )

    def test_declared_inputs_and_outputs_agree_with_the_facts(self, graph: Subject) -> None:
        role = next(iter(graph.artifact.parts))
        facts = graph.artifact.facts.get(role, {})
        with graph.session() as session:
            for kind in ("inputs", "outputs"):
                stated = {spec.name: spec for spec in facts.get(kind, ())}
                for spec in getattr(session, kind):
                    fact = stated.get(spec.name)
                    if fact is not None and _vaguer(spec, fact):
                        failed(
                            f"session.{kind} declares {spec}, where the file itself says {fact}",
                            "declare what is known: core checks inputs by it before the runtime sees "
                            "them",
                        )

    def test_a_wrong_input_is_named(self, graph: Subject) -> None:
        inputs = dict(graph.sample.inputs)
        name, array = next(iter(inputs.items()))
        other = np.zeros(array.shape, "int16" if array.dtype != np.int16 else "float32")
        deeper = np.zeros((1, 1, *array.shape), array.dtype)
        wrong: dict[str, tuple[dict[str, Any], str]] = {
            "a missing input": ({k: v for k, v in inputs.items() if k != name}, name),
            "an unknown input": ({**inputs, "kit_input": array}, "kit_input"),
            "an input of another dtype": ({**inputs, name: other}, name),
            "an input with two more axes": ({**inputs, name: deeper}, name),
            "a list in place of an array": ({**inputs, name: array.tolist()}, name),
        }
        with graph.model() as model:
            spec = next((each for each in model.inputs if each.name == name), None)
            if spec is None:
                failed(
                    f"the sample gives the input {name!r}, and session.inputs doesn't declare it",
                    "declare name, dtype and shape of every input in session.inputs",
                )
            if spec.dtype == "any":
                del wrong["an input of another dtype"]
            if spec.shape is None:
                del wrong["an input with two more axes"]
            for what, (feeds, named) in wrong.items():
                try:
                    model.predict_tensors(feeds)
                except InvalidInput as error:
                    if named not in str(error):
                        failed(f"the error for {what} doesn't name it: {error}", "name the input")
                except InferenceError as error:
                    failed(
                        f"{what} gets past the check of inputs, and the backend raises {error}",
                        "declare name, dtype and shape of every input in session.inputs",
                    )
                else:
                    failed(
                        f"{what} is taken without an error",
                        "declare name, dtype and shape of every input in session.inputs",
                    )


def _matches(array: np.ndarray, spec: TensorSpec) -> bool:
    dtype = _STAND_INS.get(spec.dtype, spec.dtype)
    text = dtype == "object" and array.dtype.kind in "US"
    if dtype != "any" and not text and array.dtype != np.dtype(dtype):
        return False
    return spec.shape is None or (
        len(spec.shape) == array.ndim
        and all(want in (None, have) for want, have in zip(spec.shape, array.shape, strict=True))
    )


def _vaguer(spec: TensorSpec, fact: TensorSpec) -> bool:
    """Whether a session says less of a tensor than its file."""
    if spec.dtype == "any" and fact.dtype != "any":
        return True
    if fact.shape is None:
        return False
    if spec.shape is None or len(spec.shape) != len(fact.shape):
        return True
    return any(
        axis is None and known is not None
        for axis, known in zip(spec.shape, fact.shape, strict=True)
    )
