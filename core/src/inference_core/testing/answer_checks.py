"""Checks of load and predict: the right answer for whoever asks, however often, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from inference_core.errors import InferenceError
from inference_core.session import TensorSpec
from inference_core.testing.comparison import compare, equal
from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.subject import Subject

_THREADS, _CALLS = 4, 8


class AnswerChecks(Kit):
    """What a loaded model answers."""

    def test_the_sample_is_answered_as_expected(self, runnable: Subject) -> None:
        with runnable.model() as model:
            if runnable.is_tensor:
                compare(runnable.sample, model.predict_tensors(runnable.sample.inputs))
            else:
                parameters = runnable.sample.parameters
                compare(runnable.sample, model.predict(runnable.sample.inputs, **parameters))

    def test_the_hooks_alone_answer_the_same(self, runnable: Subject) -> None:
        with runnable.session() as session:
            compare(runnable.sample, runnable.predicted(session))

    def test_another_input_gets_an_answer_of_its_own(self, graph: Subject) -> None:
        turned = {name: np.flip(array).copy() for name, array in graph.sample.inputs.items()}
        with graph.model() as used, graph.model() as fresh:
            used.predict_tensors(graph.sample.inputs)
            expected = fresh.predict_tensors(turned)
            _same(
                graph,
                expected,
                used.predict_tensors(turned),
                "a session that was used before answers another input with something else than a "
                "new one",
                "keep nothing of a call that changes the answer of the next",
            )

    def test_open_batches_may_have_any_size(self, graph: Subject) -> None:
        sample = graph.sample
        with graph.model() as model:
            count = _batch(model.inputs, sample.inputs)
            if count is None:
                pytest.skip("the graph fixes its batch")
            whole = model.predict_tensors(sample.inputs)
            for size in (1, count + 1):
                feeds = {
                    name: np.concatenate([array, array[-1:]])[:size]
                    for name, array in sample.inputs.items()
                }
                try:
                    outputs = model.predict_tensors(feeds)
                except InferenceError as error:
                    failed(
                        f"session.inputs leaves the first axis open, but {size} rows raise {error}",
                        "declare the size that the graph takes, or let it take any",
                    )
                for name, array in outputs.items():
                    rows = whole[name]
                    if rows.ndim and array.ndim and len(rows) == count and len(array) == size:
                        known = min(size, count)
                        _same(
                            graph,
                            {name: rows[:known]},
                            {name: array[:known]},
                            f"with {size} rows instead of {count}, the answers of the same rows "
                            "differ",
                            "see that rows of a batch don't mix, and that buffers fit its size",
                        )

    def test_inputs_may_be_read_only_and_strided(self, graph: Subject) -> None:
        odd: dict[str, Any] = {}
        for name, array in graph.sample.inputs.items():
            wide = np.empty((*array.shape, 2), array.dtype)
            wide[..., 0] = array
            odd[name] = wide[..., 0]
            odd[name].flags.writeable = False
        with graph.model() as model:
            try:
                compare(graph.sample, model.predict_tensors(odd))
            except InferenceError as error:
                failed(
                    f"read-only, non-contiguous arrays raise {error}",
                    "copy with numpy.ascontiguousarray where the runtime needs it",
                )

    def test_inputs_are_left_as_they_are(self, graph: Subject) -> None:
        given = {name: array.copy() for name, array in graph.sample.inputs.items()}
        with graph.model() as model:
            model.predict_tensors(given)
        for name, array in graph.sample.inputs.items():
            if not np.array_equal(given[name], array):
                failed(
                    f"predict changes the caller's input {name!r}",
                    "copy what the runtime writes to",
                )

    def test_outputs_belong_to_the_caller(self, graph: Subject) -> None:
        with graph.model() as model:
            first = model.predict_tensors(graph.sample.inputs)
            for array in first.values():
                if array.flags.writeable and array.dtype.kind in "fiu":
                    array[...] = 1  # what a caller may do with its own arrays
            kept = {name: array.copy() for name, array in first.items()}
            compare(graph.sample, model.predict_tensors(graph.sample.inputs))
        for name, array in first.items():
            if not np.array_equal(kept[name], array):
                failed(
                    f"a second call overwrites the output {name!r} of the first",
                    "return arrays that the session doesn't use again",
                )

    def test_two_sessions_live_side_by_side(self, runnable: Subject) -> None:
        with runnable.session() as first:
            with runnable.session() as second:
                compare(runnable.sample, runnable.predicted(second))
                compare(runnable.sample, runnable.predicted(first))
            try:
                compare(runnable.sample, runnable.predicted(first))
            except Exception as error:  # noqa: BLE001 - whatever the plugin raises
                failed(
                    f"closing one session breaks another: {type(error).__name__}: {error}",
                    "keep nothing that sessions share, or count who uses it",
                )

    def test_threads_may_call_as_declared(self, runnable: Subject) -> None:
        """A thread-safe session from several threads at once, any other through core's lock."""
        with runnable.session() as session:
            safe = session.thread_safe
        errors: list[BaseException] = []
        start = threading.Barrier(_THREADS)

        def calls(run: Any) -> None:
            try:
                start.wait(60)
                for _ in range(_CALLS):
                    compare(runnable.sample, run())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the test's thread
                errors.append(error)

        def together(run: Any) -> None:
            threads = [
                threading.Thread(target=calls, args=(run,), daemon=True) for _ in range(_THREADS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(runnable.plugin.timeout)
            if any(thread.is_alive() for thread in threads):
                failed(
                    f"{_THREADS} threads at once wait for each other for ever",
                    "look for locks that predict() takes; core's own lock lets one in at a time where "
                    "thread_safe is False",
                )

        if safe:
            with runnable.session() as session:
                together(lambda: runnable.predicted(session))
        else:
            sample = runnable.sample
            with runnable.model() as model:
                if runnable.is_tensor:
                    together(lambda: model.predict_tensors(sample.inputs))
                else:
                    together(lambda: model.predict(sample.inputs, **sample.parameters))
        if errors:
            failed(
                f"{_THREADS} threads at once fail: {_first_line(errors[0])}",
                "make predict safe for several threads, or declare thread_safe = False: core then "
                "lets one in at a time"
                if safe
                else "keep what predict needs in the session, not in variables that sessions or "
                "threads share",
            )

    def test_a_stream_can_be_read_and_closed(self, runnable: Subject) -> None:
        sample = runnable.sample
        if runnable.is_tensor or not sample.stream:
            pytest.skip("the sample doesn't stream")
        with runnable.model() as model:
            pieces = list(model.predict(sample.inputs, **{**sample.parameters, "stream": True}))
            if not pieces:
                failed("stream=True gives nothing", "yield the answer piece by piece")
            stream = model.predict(sample.inputs, **{**sample.parameters, "stream": True})
            next(iter(stream))
            stream.close()
            compare(sample, model.predict(sample.inputs, **sample.parameters))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\nWhat to change")[0]


def _batch(specs: tuple[TensorSpec, ...], inputs: Mapping[str, Any]) -> int | None:
    """The rows of the sample, where every input leaves the first axis open."""
    if not all(spec.shape and spec.shape[0] is None for spec in specs):
        return None
    counts = {len(array) for array in inputs.values() if array.ndim}
    return counts.pop() if len(counts) == 1 else None


def _same(
    subject: Subject, expected: Mapping[str, Any], got: Mapping[str, Any], problem: str, change: str
) -> None:
    for name, array in expected.items():
        if not equal(subject.sample, array, got[name]):
            failed(f"{problem}: {name!r} is\n{got[name]!r:.300}\nand\n{array!r:.300}", change)
