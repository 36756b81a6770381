"""Checks of load and predict: the right answer, as declared, for whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from inference_core.environment import same_device
from inference_core.errors import InferenceError, InvalidInput
from inference_core.session import Session, TensorSpec
from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.sample import Sample
from inference_core.testing.subject import Subject

_THREADS, _CALLS = 4, 8
# TensorSpec's names for what numpy lacks, and the dtype of the arrays that stand in for it.
_STAND_INS = {"bfloat16": "float32", "str": "object"}


class AnswerChecks(Kit):
    """What a loaded model answers."""

    def test_the_sample_is_answered_as_expected(self, subject: Subject) -> None:
        with subject.model() as model:
            if subject.backend.kind == "tensor":
                compare(subject.sample, model.predict_tensors(subject.sample.inputs))
            else:
                parameters = subject.sample.parameters
                compare(subject.sample, model.predict(subject.sample.inputs, **parameters))

    def test_the_hooks_alone_answer_the_same(self, subject: Subject) -> None:
        with subject.session() as session:
            compare(subject.sample, _predicted(subject, session))

    def test_the_session_declares_what_core_needs(self, subject: Subject) -> None:
        with subject.session() as session:
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
            task = subject.backend.kind == "task"
            if task != isinstance(session.task, str):
                wanted = "name its task" if task else 'leave it None, or state KIND = "task"'
                failed(f"session.task is {session.task!r}", wanted)

    def test_the_session_runs_where_the_verdict_said(self, subject: Subject) -> None:
        with subject.session() as session:
            if not same_device(str(subject.verdict.device), session.device):
                failed(
                    f"can_load accepted for {subject.verdict.device}, and session.device is "
                    f"{session.device}",
                    "ask the runtime where it runs, and raise in load() if that isn't where it was to",
                )

    def test_inputs_and_outputs_are_declared(self, subject: Subject) -> None:
        with subject.session() as session:
            for name in ("inputs", "outputs"):
                specs = getattr(session, name)
                if subject.backend.kind == "task":
                    if tuple(specs):
                        failed(f"a task session declares {name}", f"make session.{name} ()")
                    continue
                wrong = [each for each in specs if not isinstance(each, TensorSpec)]
                if wrong or not isinstance(specs, tuple):
                    failed(f"session.{name} is {specs!r:.200}", "make it a tuple of TensorSpec")
                names = [spec.name for spec in specs]
                if len(set(names)) < len(names):
                    failed(f"session.{name} has a name twice: {names}", "give each its own")
            if subject.backend.kind == "tensor" and not session.inputs:
                failed("session.inputs is empty", "declare what the graph takes")

    def test_outputs_have_the_declared_names_dtypes_and_shapes(self, subject: Subject) -> None:
        _tensor_only(subject)
        with subject.session() as session:
            outputs = _predicted(subject, session)
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

    def test_a_wrong_input_is_named(self, subject: Subject) -> None:
        _tensor_only(subject)
        inputs = dict(subject.sample.inputs)
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
        with subject.model() as model:
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

    def test_inputs_may_be_read_only_and_strided(self, subject: Subject) -> None:
        _tensor_only(subject)
        odd: dict[str, Any] = {}
        for name, array in subject.sample.inputs.items():
            wide = np.empty((*array.shape, 2), array.dtype)
            wide[..., 0] = array
            odd[name] = wide[..., 0]
            odd[name].flags.writeable = False
        with subject.model() as model:
            try:
                compare(subject.sample, model.predict_tensors(odd))
            except InferenceError as error:
                failed(
                    f"read-only, non-contiguous arrays raise {error}",
                    "copy with numpy.ascontiguousarray where the runtime needs it",
                )

    def test_inputs_are_left_as_they_are(self, subject: Subject) -> None:
        _tensor_only(subject)
        given = {name: array.copy() for name, array in subject.sample.inputs.items()}
        with subject.model() as model:
            model.predict_tensors(given)
        for name, array in subject.sample.inputs.items():
            if not np.array_equal(given[name], array):
                failed(
                    f"predict changes the caller's input {name!r}",
                    "copy what the runtime writes to",
                )

    def test_outputs_belong_to_the_caller(self, subject: Subject) -> None:
        _tensor_only(subject)
        with subject.model() as model:
            first = model.predict_tensors(subject.sample.inputs)
            for array in first.values():
                if array.flags.writeable and array.dtype.kind in "fiu":
                    array[...] = 1  # what a caller may do with its own arrays
            kept = {name: array.copy() for name, array in first.items()}
            compare(subject.sample, model.predict_tensors(subject.sample.inputs))
        for name, array in first.items():
            if not np.array_equal(kept[name], array):
                failed(
                    f"a second call overwrites the output {name!r} of the first",
                    "return arrays that the session doesn't use again",
                )

    def test_two_sessions_live_side_by_side(self, subject: Subject) -> None:
        with subject.session() as first:
            with subject.session() as second:
                compare(subject.sample, _predicted(subject, second))
                compare(subject.sample, _predicted(subject, first))
            try:
                compare(subject.sample, _predicted(subject, first))
            except Exception as error:  # noqa: BLE001 - whatever the plugin raises
                failed(
                    f"closing one session breaks another: {type(error).__name__}: {error}",
                    "keep nothing that sessions share, or count who uses it",
                )

    def test_threads_may_call_as_declared(self, subject: Subject) -> None:
        """A thread-safe session from several threads at once, any other through core's lock."""
        with subject.session() as session:
            safe = session.thread_safe
        errors: list[BaseException] = []
        start = threading.Barrier(_THREADS)

        def calls(run: Any) -> None:
            try:
                start.wait(60)
                for _ in range(_CALLS):
                    compare(subject.sample, run())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the test's thread
                errors.append(error)

        def together(run: Any) -> None:
            threads = [threading.Thread(target=calls, args=(run,)) for _ in range(_THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        if safe:
            with subject.session() as session:
                together(lambda: _predicted(subject, session))
        else:
            sample = subject.sample
            with subject.model() as model:
                if subject.backend.kind == "tensor":
                    together(lambda: model.predict_tensors(sample.inputs))
                else:
                    together(lambda: model.predict(sample.inputs, **sample.parameters))
        if errors:
            failed(
                f"{_THREADS} threads at once get wrong answers: {_first_line(errors[0])}",
                "make predict safe for several threads, or declare thread_safe = False: core then "
                "lets one in at a time"
                if safe
                else "keep what predict needs in the session, not in variables that sessions or "
                "threads share",
            )

    def test_a_stream_can_be_read_and_closed(self, subject: Subject) -> None:
        sample = subject.sample
        if subject.backend.kind == "tensor" or not sample.stream:
            pytest.skip("the sample doesn't stream")
        with subject.model() as model:
            pieces = list(model.predict(sample.inputs, **{**sample.parameters, "stream": True}))
            if not pieces:
                failed("stream=True gives nothing", "yield the answer piece by piece")
            stream = model.predict(sample.inputs, **{**sample.parameters, "stream": True})
            next(iter(stream))
            stream.close()
            compare(sample, model.predict(sample.inputs, **sample.parameters))


def compare(sample: Sample, answer: Any) -> None:
    """Fail the test unless the answer is what the sample says."""
    expected = sample.outputs
    if callable(expected):
        try:
            expected(answer)
        except Exception as error:  # noqa: BLE001 - an AssertionError, or what a wrong answer causes
            failed(
                f"the sample's answer is wrong: {answer!r:.500}: {error}",
                "mend predict(), or the sample's `outputs` if they are wrong",
            )
    elif not isinstance(expected, Mapping) or not isinstance(answer, Mapping):
        if answer != expected:
            failed(
                f"the sample's answer is {answer!r:.500} instead of {expected!r:.500}",
                "mend predict(), or the sample's `outputs` if they are wrong",
            )
    else:
        _compare_arrays(sample, expected, answer)


def _compare_arrays(sample: Sample, expected: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    for name, wanted in expected.items():
        if name not in answer:
            failed(
                f"the answer has {sorted(answer)}, but no {name!r}",
                "return every output by the name that the sample expects",
            )
        got = np.asarray(answer[name])
        if got.dtype.kind in "OUS" or np.asarray(wanted).dtype.kind in "OUS":
            same = np.array_equal(got, wanted)
        else:
            same = got.shape == np.shape(wanted) and np.allclose(
                got, wanted, sample.rtol, sample.atol, equal_nan=True
            )
        if not same:
            failed(
                f"output {name!r} is\n{got!r:.500}\ninstead of\n{wanted!r:.500}",
                "mend load() or predict(), or the sample's `outputs` if they are wrong",
            )


def _predicted(subject: Subject, session: Session) -> Any:
    """The sample's answer by the hook itself."""
    sample, options = subject.sample, subject.sample.parameters
    declared = getattr(session, "call_options", None)
    if declared is not None:
        typed = declared(**options)
        options = {name: getattr(typed, name) for name in typed.__dataclass_fields__}
    return subject.backend.predict()(session, sample.inputs, options)


def _matches(array: np.ndarray, spec: TensorSpec) -> bool:
    dtype = _STAND_INS.get(spec.dtype, spec.dtype)
    text = dtype == "object" and array.dtype.kind in "US"
    if dtype != "any" and not text and array.dtype != np.dtype(dtype):
        return False
    return spec.shape is None or (
        len(spec.shape) == array.ndim
        and all(want in (None, have) for want, have in zip(spec.shape, array.shape, strict=True))
    )


def _tensor_only(subject: Subject) -> None:
    if subject.backend.kind != "tensor":
        pytest.skip("a task backend takes no tensors")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\nWhat to change")[0]
