"""A pipeline: reading and each stage on a thread of its own, in order, with little room between them.

A thread begins with something only when what it made last is taken, or about to be: so one slow
stage holds up those before it, and nothing piles up. The first stage takes all inputs that wait
by then, up to a batch. Where a later stage is the slowest they are many, where reading is it is
always one, and none is ever waited for.

A live pipeline never holds up its inputs: what waits when something newer comes is dropped and counted.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Stage = Callable[[Any], Any]

# Seconds to wait for a source that gives nothing, as a queue or a camera that is gone; at the end of
# the program, for any thread.
_PATIENCE = 5.0


class Tally:
    """How many inputs of a live pipeline were dropped so far."""

    dropped = 0


class ResultStream:
    """The iterator that `Model.stream` returns: (input, result) pairs, in order.

    Closing it, or leaving its loop, stops reading and frees what it holds.
    """

    def __init__(self, pairs: Generator[tuple[Any, Any]], tally: Tally) -> None:
        self._pairs, self._tally = pairs, tally

    @property
    def dropped(self) -> int:
        """How many inputs were dropped so far, as newer ones came before the model was free for them;
        always 0 unless the stream is live. It may still be read after the end."""
        return self._tally.dropped

    def __iter__(self) -> ResultStream:
        return self

    def __next__(self) -> tuple[Any, Any]:
        return next(self._pairs)

    def close(self) -> None:
        """Stop reading, wait for what is being worked on, and close the inputs. Again, it does
        nothing."""
        self._pairs.close()


def in_one(stages: Iterable[Stage]) -> Stage:
    """One stage that does what these do one after another."""
    each = tuple(stages)

    def stage(value: Any) -> Any:
        for step in each:
            value = step(value)
        return value

    return stage


def pipelined(
    inputs: Iterable[Any], stages: Iterable[Stage], batch: int = 1, live: Tally | None = None
) -> Generator[tuple[Any, Any]]:
    """(input, result) for each input, in order.

    Not more than `(number of stages + 2) * batch - 1` inputs are read ahead of those handed out.
    Closing the iterator, or leaving its loop, stops reading, waits for the stages to finish what they
    are at, and closes the iterator of `inputs` if that can be closed. Nothing can wake a thread that
    waits in `inputs` itself: after 5 seconds it is left to itself. When that wakes, it drops what it
    has read and closes the iterator; until then `inputs` are not to be read or closed elsewhere.

    Args:
        inputs: read by a thread of its own, not before the first result is asked for.
        stages: each is called with what the one before it returned, the first with a list of inputs;
            the last returns the list of their results.
        batch: how many inputs the first stage may be called with.
        live: read `inputs` as fast as they come, whatever the stages do. Of those that wait for the
            first stage only the newest is kept; the others are dropped, and counted here.

    Raises:
        Exception: what a stage raised, in the place of the input that was the cause (its batch is
            repeated one by one to find it), or what reading `inputs` raised.
    """
    pipeline = _Pipeline(inputs, tuple(stages), batch, live)
    try:
        yield from pipeline.results()
    finally:
        pipeline.close()


@dataclass(frozen=True, slots=True)
class _Work:
    """Some inputs and what the stages have made of them so far; without inputs, the end of them."""

    inputs: tuple[Any, ...] = ()
    value: Any = None
    error: BaseException | None = None


class _Pipeline:
    def __init__(
        self, inputs: Iterable[Any], stages: tuple[Stage, ...], batch: int, live: Tally | None
    ) -> None:
        self._inputs = iter(inputs)
        self._stages = stages
        self._batch = batch
        self._live = live
        # What waits for each stage, and at last for the caller; and whether that is at work.
        self._waiting: list[deque[_Work]] = [deque() for _ in range(len(stages) + 1)]
        self._busy = [False] * (len(stages) + 1)
        self._changed = threading.Condition()
        self._stopped = False
        self._at_source = False  # whether the reader is in code of `inputs` that may wait for ever
        self._left = False  # whether the reader was left there
        self._closing_error: BaseException | None = None
        self._reader = threading.Thread(target=self._read, name="inference-stream-read")
        self._workers = [
            threading.Thread(target=self._run, args=(index,), name=f"inference-stream-{index}")
            for index in range(len(stages))
        ]
        for thread in (self._reader, *self._workers):
            thread.daemon = True  # else a stream left open would keep the program from ending
            thread.start()
        _open.add(self)

    def results(self) -> Iterator[tuple[Any, Any]]:
        while True:
            work = self._next(len(self._stages))
            if work is None:
                return
            if work.error is not None:
                raise work.error
            if not work.inputs:
                return
            yield from zip(work.inputs, work.value, strict=True)

    def close(self, patience: float | None = None) -> None:
        """Stop the threads and wait for them, at most `patience` seconds for each."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._workers:
            _join(thread, patience)
        _join(self._reader, _PATIENCE)
        if not self._at_source:  # but closing it, which ends
            _join(self._reader, patience)
        _open.discard(self)
        with self._changed:
            self._left = self._reader.is_alive()
            error, self._closing_error = self._closing_error, None
        if error is not None:
            raise error

    def _read(self) -> None:
        try:
            while self._reading():
                work = self._input()
                with self._changed:
                    # The end, and an error, come after the newest input and not instead of it.
                    if self._live and work.inputs and self._waiting[0]:
                        self._waiting[0].popleft()
                        self._live.dropped += 1
                    self._waiting[0].append(work)
                    self._changed.notify_all()
                if not work.inputs:
                    return
        finally:
            self._close_inputs()

    def _reading(self) -> bool:
        """Wait until there is room for another input; False if the pipeline is stopped."""
        with self._changed:
            if not self._live:
                self._changed.wait_for(lambda: self._stopped or len(self._waiting[0]) < self._batch)
            return not self._stopped

    def _input(self) -> _Work:
        self._at_source = True
        try:
            value = next(self._inputs)
        except StopIteration:
            return _Work()
        except BaseException as error:  # noqa: BLE001 - it is raised again in its place
            return _Work(error=error)
        finally:
            self._at_source = False
        return _Work((value,), [value])

    def _close_inputs(self) -> None:
        """A generator can only be closed here, in the thread that runs it."""
        try:
            if hasattr(self._inputs, "close"):
                self._inputs.close()
        except BaseException as error:
            with self._changed:
                if self._left:
                    raise  # nobody else would tell of it
                self._closing_error = error  # raised again by `close`

    def _run(self, index: int) -> None:
        done: list[_Work] = []
        while True:
            work = self._next(index, done)
            if work is None:
                return
            done = self._advanced(index, work)
            if not work.inputs:
                with self._changed:
                    self._waiting[index + 1].extend(done)
                    self._changed.notify_all()
                return

    def _next(self, index: int, done: Iterable[_Work] = ()) -> _Work | None:
        """Hand on what is done and take what waits for stage `index`; None if the pipeline is stopped.

        Both in one go: a thread that let the lock go in between would wait for those that it woke,
        which then hold Python's own lock.
        """
        with self._changed:
            self._busy[index] = False
            if index < len(self._stages):
                self._waiting[index + 1].extend(done)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._stopped or (self._waiting[index] and self._room(index))
            )
            if self._stopped:
                return None
            self._busy[index] = True
            self._changed.notify_all()
            return self._take(index)

    def _room(self, index: int) -> bool:
        """Whether there is room for what stage `index` would make."""
        if index == len(self._stages) or not self._waiting[index + 1]:
            return True
        # One is there, but not for long: the thread that will take it is only waking up.
        coming = len(self._waiting[index + 1]) == 1 and not self._busy[index + 1]
        return coming and self._room(index + 1)

    def _take(self, index: int) -> _Work:
        waiting = self._waiting[index]
        work = waiting.popleft()
        if index or not work.inputs:
            return work
        inputs = list(work.inputs)
        while waiting and waiting[0].inputs and len(inputs) < self._batch:
            inputs += waiting.popleft().inputs
        return _Work(tuple(inputs), inputs)

    def _advanced(self, index: int, work: _Work) -> list[_Work]:
        if work.error is not None or not work.inputs:
            return [work]
        advanced = _called(self._stages[index], work)
        if advanced.error is None or len(work.inputs) == 1:
            return [advanced]
        # Each alone tells which of them it was, and those before it get their results.
        alone = []
        for value in work.inputs:
            single = _Work((value,), [value])
            for stage in self._stages[: index + 1]:
                single = _called(stage, single)
            alone.append(single)
            if single.error is not None:
                return alone
        return [advanced]  # no single one: it fails as a batch


def _join(thread: threading.Thread, patience: float | None) -> None:
    if thread is not threading.current_thread():  # which may be collecting garbage
        thread.join(patience)


def _called(stage: Stage, work: _Work) -> _Work:
    if work.error is not None:
        return work
    try:
        return _Work(work.inputs, stage(work.value))
    except BaseException as error:  # noqa: BLE001 - it is raised again in its place
        return _Work(work.inputs, error=error)


_open: weakref.WeakSet[_Pipeline] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Before Python ends, which would freeze threads in the middle of a framework's code."""
    for pipeline in list(_open):
        pipeline.close(_PATIENCE)
