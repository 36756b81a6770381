"""Streams that are left or closed, from wherever, and those that several threads use."""

from __future__ import annotations

import itertools
import threading
import time
import weakref

import pytest
from inference_core.streaming import pipelined

from .streams import Input, each, live, no_thread_is_left, threads

__all__ = ["no_thread_is_left"]  # a fixture that this module's tests use


def test_an_early_end_stops_reading_closes_the_source_and_leaves_no_thread():
    ended = []

    def inputs():
        try:
            yield from range(1000)
        finally:
            ended.append(threading.current_thread().name)

    stream = pipelined(inputs(), [each(str)])
    next(stream)
    stream.close()
    assert ended == ["inference-stream-read"]
    assert threads() == set()
    assert list(stream) == []


def test_leaving_the_loop_is_enough():
    ended = threading.Event()

    def inputs():
        try:
            yield from range(1000)
        finally:
            ended.set()

    for _ in pipelined(inputs(), [each(str)]):
        break
    assert ended.wait(10)


class Endless:
    """Numbers without an end, and whether they were closed."""

    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        try:
            yield from itertools.count()
        finally:
            self.closed.set()


def streamed(inputs, kind):
    return live(inputs, list) if kind == "live" else pipelined(inputs, [list])


each_kind = pytest.mark.parametrize("kind", ["live", "all"])


@each_kind
def test_the_end_of_with_stops_a_stream_that_has_a_name(kind):
    inputs = Endless()
    with streamed(inputs, kind) as stream:
        for _ in stream:
            break
        assert not inputs.closed.is_set()
    assert inputs.closed.is_set()
    assert threads() == set()
    assert next(stream, None) is None


@each_kind
def test_without_with_a_stream_that_has_a_name_goes_on_after_its_loop_until_it_is_let_go(kind):
    inputs = Endless()
    stream = streamed(inputs, kind)
    seen = []
    for _ in range(2):
        for value, _ in stream:
            seen.append(value)
            break
    assert seen[0] < seen[1]
    assert not inputs.closed.is_set()
    del stream
    assert inputs.closed.is_set()
    assert threads() == set()


@each_kind
def test_a_stream_that_nobody_read_closes_its_inputs_too(kind):
    class Inputs:
        closed = 0

        def __iter__(self):
            return self

        def __next__(self):
            raise AssertionError("nobody asked")

        def close(self):
            self.closed += 1

    inputs = Inputs()
    with streamed(inputs, kind) as stream:
        pass
    stream.close()
    assert inputs.closed == 1
    assert list(stream) == []


@each_kind
@pytest.mark.parametrize("where", ["inputs", "stage"])
def test_another_thread_may_close_a_stream_and_who_waits_for_its_results_gets_no_more(kind, where):
    taken, asleep, go, ended = threading.Event(), threading.Event(), threading.Event(), []

    def wait(value):
        if taken.is_set():
            asleep.set()
            assert go.wait(10)
        return value

    def inputs():
        for value in itertools.count():
            yield wait(value) if where == "inputs" else value

    stage = each(wait if where == "stage" else int)
    stream = live(inputs(), stage) if kind == "live" else pipelined(inputs(), [stage])
    next(stream)
    taken.set()

    def consume():
        ended.append(len(list(stream)))
        go.set()  # what is awaited ends only after the loop has

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert asleep.wait(10)
    stream.close()
    consumer.join(10)
    assert len(ended) == 1
    assert ended[0] <= 3  # those that were ready before
    assert threads() == set()


def test_a_stage_may_close_its_own_stream():
    streams, asked, closed = [], threading.Event(), []

    def stage(batch):
        if batch == [3]:
            asked.wait(10)
            streams[0].close()  # which can't wait for the stage
            closed.append(batch)
        return batch

    streams.append(pipelined(range(1000), [stage]))
    stream = streams[0]
    assert [next(stream), next(stream)] == [(0, 0), (1, 1)]
    asked.set()
    assert list(stream) in ([], [(2, 2)])
    stream.close()
    assert closed == [[3]]
    assert threads() == set()


@pytest.mark.parametrize("batch", [1, 4])
def test_each_result_goes_to_one_of_the_threads_that_ask(batch):
    stream, taken = pipelined(range(200), [list, list], batch), [[], [], []]
    consumers = [threading.Thread(target=each.extend, args=(stream,)) for each in taken]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(10)
    assert sorted(pair for each in taken for pair in each) == [(n, n) for n in range(200)]
    assert all(each == sorted(each) for each in taken)


def test_threads_that_ask_share_a_batch():
    working, asked, end, taken = (*(threading.Event() for _ in range(3)), [])

    def inputs():
        yield 0
        assert working.wait(10)
        yield from (1, 2, 3)
        assert end.wait(10)

    def second(batch):
        working.set()
        assert asked.wait(10)
        return batch

    stream = pipelined(inputs(), [list, second], batch=4)
    # 0 and 1 go as soon as they are there, and 2 and 3 together.
    consumers = [
        threading.Thread(target=lambda: taken.append(next(stream)), daemon=True) for _ in range(4)
    ]
    for consumer in consumers:
        consumer.start()
    time.sleep(0.05)  # whoever may wait does it now
    asked.set()
    for consumer in consumers:
        consumer.join(5)
    end.set()
    assert sorted(taken) == [(n, n) for n in range(4)]
    assert list(stream) == []


def test_a_stream_that_is_being_closed_gives_and_then_holds_nothing_more():
    """Of the batch that was taken last, the rest isn't handed out; the source wakes after the end."""
    made = weakref.WeakSet()
    working, read, go = threading.Event(), threading.Event(), threading.Event()

    def new(value):
        made.add(one := Input(value))
        return one

    def inputs():
        yield new(0)
        assert working.wait(10)
        for value in range(1, 5):
            yield new(value)
        read.set()
        assert go.wait(10)
        yield new(5)

    def second(batch):
        working.set()
        assert read.wait(10)
        return [None] * len(batch)

    stream = pipelined(inputs(), [list, second], batch=4)
    # 1 goes as soon as it is there, and 2, 3 and 4 together.
    assert [next(stream)[0].value for _ in range(3)] == [0, 1, 2]
    closing = threading.Thread(target=stream.close)
    closing.start()
    while not stream._pipeline._stopped:
        time.sleep(0.001)
    assert closing.is_alive()  # for the source sleeps
    assert list(stream) == []
    go.set()
    closing.join(10)
    assert len(made) == 0


def test_one_of_the_threads_that_ask_gets_the_error_and_the_others_the_end():
    def inputs():
        yield 1
        raise OSError("the camera is gone")

    stream, ends = pipelined(inputs(), [list]), []

    def consume():
        try:
            ends.append(list(stream))
        except OSError as error:
            ends.append(str(error))

    assert next(stream) == (1, 1)
    consumers = [threading.Thread(target=consume) for _ in range(3)]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(10)
    assert sorted(ends, key=str) == [[], [], "the camera is gone"]


@each_kind
def test_after_an_error_nothing_more_is_worked_on(kind):
    worked, taken, failed = [], threading.Event(), threading.Event()

    def stage(batch):
        worked.extend(batch)
        if batch == [1]:
            failed.set()
            raise ValueError("not this one")
        return batch

    def inputs():
        yield 0
        assert taken.wait(10)
        yield 1
        assert failed.wait(10)
        yield from (2, 3)

    stream = live(inputs(), stage) if kind == "live" else pipelined(inputs(), [stage, list])
    assert next(stream) == (0, 0)
    taken.set()
    assert failed.wait(10)
    time.sleep(0.05)  # whoever may work on does it now
    with pytest.raises(ValueError, match="not this one"):
        next(stream)
    assert worked == [0, 1]
    assert list(stream) == []
