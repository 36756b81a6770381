"""A pipeline: reading and each stage on a thread of its own, in order, with little room between them.

A thread begins with something only when what it made last is taken, or about to be: so one slow
stage holds up those before it, and nothing piles up. The first stage takes all inputs that wait
by then, up to a batch. Where a later stage is the slowest they are many, where reading is it is
always one, and none is ever waited for.
"""

from __future__ import annotations

import atexit
import math
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Stage = Callable[[Any], Any]

# Seconds to wait for a source that gives nothing, as a queue or a camera that is gone; at the end of
# the program, for all threads together.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Work:
    """Some inputs and what the stages have made of them so far; without inputs, the end of them."""

    inputs: tuple[Any, ...] = ()
    value: Any = None
    error: BaseException | None = None

    @property
    def last(self) -> bool:
        """Whether nothing that comes after it is wanted."""
        return not self.inputs or self.error is not None


class Pipeline:
    """Inputs on their way through stages; `streaming.pipelined` says what each is.

    Any thread may take results, one after another, and any may close it.

    Attributes:
        dropped: how many inputs were dropped so far.
    """

    def __init__(self, inputs: Iterable[Any], stages: tuple[Stage, ...], batch: int) -> None:
        self.dropped = 0
        self._inputs = iter(inputs)
        self._stages = stages
        self._batch = batch
        # What waits for each stage, and at last for the caller; and whether that is at work.
        self._waiting: list[deque[Work]] = [deque() for _ in range(len(stages) + 1)]
        self._busy = [False] * (len(stages) + 1)
        # Taken by itself: in the condition's methods, which are Python, a signal handler that raises
        # would leave it locked. Reentrant, as such a handler may close the stream anywhere.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._taking = threading.Lock()
        self._pairs: Iterator[tuple[Any, Any]] = iter(())  # what is left of the batch taken last
        self._begun = self._stopped = False
        self._inside: set[int] = set()  # the threads in `take` or `close`
        self._unfinished = False  # whether `close` was left to a thread in `take`
        self._at_source = False  # whether the reader is in code of `inputs` that may wait for ever
        self._left = False  # whether a thread was left running, so that nobody waits for it again
        self._closing_error: BaseException | None = None
        # Daemons, or a stream left open would keep the program from ending.
        self._reader = threading.Thread(
            target=self._read, name="inference-stream-read", daemon=True
        )
        self._workers = [
            threading.Thread(
                target=self._run, args=(index,), name=f"inference-stream-{index}", daemon=True
            )
            for index in range(len(stages))
        ]

    def take(self) -> tuple[Any, Any]:
        """The next input and its result.

        Raises:
            StopIteration: there is none, or the pipeline was closed, maybe while this waited.
            Exception: what a stage or reading raised; there is no more after it.
        """
        me = threading.get_ident()
        try:
            self._inside.add(me)
            with self._taking:
                return self._pair()
        finally:
            self._inside.discard(me)
            if self._unfinished:
                self.close()

    def _pair(self) -> tuple[Any, Any]:
        pair = None if self._stopped else next(self._pairs, None)
        if pair is not None:
            return pair
        self._begin()
        work = self._next(len(self._stages))
        if work is None:
            raise StopIteration
        if work.last:
            self.close()
            raise work.error or StopIteration
        self._pairs = pairs = zip(work.inputs, work.value, strict=True)
        return next(pairs)

    def close(self, patience: float = math.inf) -> None:
        """Stop the threads and wait for them, at most `patience` seconds in all.

        A signal handler that interrupts `take` or this can't wait, as the threads may need a lock that
        is held there: what it interrupted does so when it goes on. Nor can a stage wait for itself.

        Raises:
            BaseException: what closing the inputs raised.
        """
        deadline = time.monotonic() + patience
        me = threading.get_ident()
        interrupting = me in self._inside
        self._unfinished |= interrupting
        try:
            self._inside.add(me)
            self.stop()
            # One of the threads itself: a stage closes its stream, or it collects garbage.
            within = interrupting or threading.current_thread() in self._threads
            if not within and not self._left:
                self.finish(deadline)
        finally:
            if not interrupting:
                self._inside.discard(me)

    def stop(self) -> None:
        """Have the threads end, without waiting for them."""
        with self._lock:
            begun, self._begun = self._begun, True
            self._stopped = True
            self._changed.notify_all()
        if not begun:
            self._close_inputs()

    def finish(self, deadline: float) -> None:
        """Wait until the threads have ended, or up to a time of `time.monotonic`.

        Raises:
            BaseException: what closing the inputs raised.
        """
        for thread in self._workers:
            _join(thread, deadline)
        _join(self._reader, min(deadline, time.monotonic() + _PATIENCE))
        if not self._at_source:  # but closing it, which ends
            _join(self._reader, deadline)
        if not any(thread.is_alive() for thread in self._workers):
            _open.discard(self)
        with self._lock:
            self._left = any(thread.is_alive() for thread in self._threads)
            error, self._closing_error = self._closing_error, None
            self._pairs = iter(())
            for waiting in self._waiting:
                waiting.clear()
        if error is not None:
            raise error

    @property
    def _threads(self) -> tuple[threading.Thread, ...]:
        return (self._reader, *self._workers)

    def _begin(self) -> None:
        with self._lock:
            begun, self._begun = self._begun, True  # in one step, for a signal handler too
            if begun:
                return
            _open.add(self)
            for thread in self._threads:
                thread.start()

    def _read(self) -> None:
        try:
            while self._reading():
                work = self._input()
                with self._lock:
                    if self._stopped:
                        return
                    self._put(0, work)
                    self._changed.notify_all()
                if work.last:
                    return
        finally:
            with self._lock:
                self._changed.notify_all()  # see `_next`
            self._close_inputs()

    def _reading(self) -> bool:
        """Wait until there is room for another input; False if the pipeline is stopped."""
        with self._lock:
            self._changed.wait_for(lambda: self._stopped or self._wanting())
            return not self._stopped

    def _wanting(self) -> bool:
        """Whether there is room for another input."""
        return len(self._waiting[0]) < self._batch

    def _put(self, index: int, work: Work) -> None:
        self._waiting[index].append(work)

    def _input(self) -> Work:
        self._at_source = True
        try:
            value = next(self._inputs)
        except StopIteration:
            return Work()
        except BaseException as error:  # noqa: BLE001 - it is raised again in its place
            return Work(error=error)
        finally:
            self._at_source = False
        return Work((value,), [value])

    def _close_inputs(self) -> None:
        """A generator can only be closed in the thread that runs it, once one does."""
        try:
            if hasattr(self._inputs, "close"):
                self._inputs.close()
        except BaseException as error:
            with self._lock:
                if self._left:
                    raise  # nobody else would tell of it
                self._closing_error = error  # raised again by `close`

    def _run(self, index: int) -> None:
        done: list[Work] = []
        while not (done and done[-1].last):
            work = self._next(index, done)
            if work is None:
                return
            done = self._advanced(index, work)
        with self._lock:
            self._hand_on(index, done)

    def _hand_on(self, index: int, done: Iterable[Work]) -> None:
        for work in done:
            self._put(index + 1, work)
        self._changed.notify_all()

    def _next(self, index: int, done: Iterable[Work] = ()) -> Work | None:
        """Hand on what is done and take what waits for stage `index`; None if the pipeline is stopped.

        Both in one go: a thread that let the lock go in between would wait for those that it woke,
        which then hold Python's own lock.
        """
        with self._lock:
            self._busy[index] = False
            self._hand_on(index, done)
            try:
                self._changed.wait_for(
                    lambda: self._stopped or (self._waiting[index] and self._room(index))
                )
            finally:  # an interrupt ends the waiting too
                self._busy[index] = True
            # Stopped too: a signal handler or the garbage collector may have done that in a thread that
            # was about to wait, after it looked, and only another can wake it then.
            self._changed.notify_all()
            return None if self._stopped else self._taken(index)

    def _room(self, index: int) -> bool:
        """Whether there is room for what stage `index` would make."""
        if index == len(self._stages) or not self._waiting[index + 1]:
            return True
        # One is there, but not for long: the thread that will take it is only waking up.
        coming = len(self._waiting[index + 1]) == 1 and not self._busy[index + 1]
        return coming and self._room(index + 1)

    def _taken(self, index: int) -> Work:
        waiting = self._waiting[index]
        work = waiting.popleft()
        if index or not work.inputs:
            return work
        inputs = list(work.inputs)
        while waiting and waiting[0].inputs and len(inputs) < self._batch:
            inputs += waiting.popleft().inputs
        return Work(tuple(inputs), inputs)

    def _advanced(self, index: int, work: Work) -> list[Work]:
        if work.error is not None or not work.inputs:
            return [work]
        advanced = _called(self._stages[index], work)
        if advanced.error is None or len(work.inputs) == 1:
            return [advanced]
        # Each alone tells which of them it was, and those before it get their results.
        alone = []
        for value in work.inputs:
            single = Work((value,), [value])
            for stage in self._stages[: index + 1]:
                single = _called(stage, single)
            alone.append(single)
            if single.error is not None:
                return alone
        return [advanced]  # no single one: it fails as a batch


def _join(thread: threading.Thread, deadline: float) -> None:
    if thread.is_alive():  # it may never have begun
        thread.join(min(max(deadline - time.monotonic(), 0.0), threading.TIMEOUT_MAX))


def _called(stage: Stage, work: Work) -> Work:
    if work.error is not None:
        return work
    try:
        return Work(work.inputs, stage(work.value))
    except BaseException as error:  # noqa: BLE001 - it is raised again in its place
        return Work(work.inputs, error=error)


_open: weakref.WeakSet[Pipeline] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Before Python ends, which would freeze threads in the middle of a framework's code."""
    pipelines, deadline = list(_open), time.monotonic() + _PATIENCE
    for pipeline in pipelines:
        pipeline.stop()
    for pipeline in pipelines:
        try:
            pipeline.finish(deadline)
        except Exception:  # noqa: BLE001 - it is told, and the others are waited for
            sys.excepthook(*sys.exc_info())
