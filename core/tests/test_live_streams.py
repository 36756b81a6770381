"""Live streams: what they drop and count, and how old their results may be."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core import AutoModel, InvalidArgument

from .streams import live, no_thread_is_left

__all__ = ["no_thread_is_left"]  # a fixture that this module's tests use


def test_a_live_stream_drops_what_comes_while_it_is_busy_and_counts_it():
    """The stage is held at its first input until the source has given all of them."""
    read, busy, done = [], threading.Event(), threading.Event()

    def inputs():
        yield 0
        assert busy.wait(5)
        for value in range(1, 10):
            read.append(value)
            yield value
        done.set()

    def stage(batch):
        busy.set()
        assert done.wait(5)
        return batch

    stream = live(inputs(), stage)
    assert stream.dropped == 0
    assert list(stream) == [(0, 0), (9, 9)]
    assert read == list(range(1, 10))  # none was held back
    assert stream.dropped == 8


def test_a_live_stream_that_keeps_up_drops_nothing():
    wanted = threading.Semaphore(1)

    def inputs():
        for value in range(20):
            assert wanted.acquire(timeout=5)
            yield value

    stream, pairs = live(inputs(), list), []
    for pair in stream:
        pairs.append(pair)
        wanted.release()
    assert pairs == [(value, value) for value in range(20)]
    assert stream.dropped == 0


def test_a_live_loop_that_takes_its_time_gets_the_newest_result_and_the_others_are_counted():
    """Nobody asks for a result while the stage is at work on nine inputs, one after the other."""
    begun = [threading.Event() for _ in range(11)]

    def stage(batch):
        begun[batch[0]].set()
        return batch

    def inputs():
        for value, each in enumerate(begun):
            yield value
            assert each.wait(10)  # nothing is replaced before the stage

    with live(inputs(), stage) as stream:
        assert next(stream) == (0, 0)
        assert begun[10].wait(10)
        assert next(stream)[0] >= 9  # the last may be on its way
        list(stream)
        assert stream.dropped in (8, 9)


@given(
    count=st.integers(0, 40),
    naps=st.lists(st.sampled_from([0, 0, 0.0005, 0.002]), min_size=1, max_size=7),
    loop=st.lists(st.sampled_from([0, 0, 0.001, 0.003, 0.02]), min_size=1, max_size=7),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_pace_a_live_stream_keeps_the_order_the_age_the_last_and_the_count(
    count, naps, loop
):
    """Ages are told by what came before what, not by a clock."""
    came, floor, begun = -1, -1, []

    def inputs():
        nonlocal came
        for value in range(count):
            time.sleep(naps[value % len(naps)])
            yield value
            came = value  # the reader has it, and asks for the next

    def stage(batch):
        nonlocal floor
        assert batch[0] >= floor  # the newest of those that had come when the last run ended
        begun.extend(batch)
        time.sleep(naps[-1 - batch[0] % len(naps)])
        floor = came
        return [value * 10 for value in batch]

    stream, seen = live(inputs(), stage), []
    while True:
        ready = begun[-2] if len(begun) > 1 else -1  # what was begun before the last has a result
        value, result = next(stream, (None, None))
        if value is None:
            break
        assert value >= ready
        assert result == value * 10
        seen.append(value)
        time.sleep(loop[value % len(loop)])
    assert seen == sorted(set(seen))
    assert seen[-1:] == ([count - 1] if count else [])
    assert len(seen) + stream.dropped == count


def test_an_error_of_live_inputs_comes_after_the_newest_of_them():
    busy, done = threading.Event(), threading.Event()

    def inputs():
        yield 0
        assert busy.wait(5)
        yield 1
        yield 2
        done.set()
        raise OSError("the camera is gone")

    def stage(batch):
        busy.set()
        assert done.wait(5)
        return batch

    stream = live(inputs(), stage)
    assert [next(stream), next(stream)] == [(0, 0), (2, 2)]
    with pytest.raises(OSError, match="the camera is gone"):
        next(stream)
    assert stream.dropped == 1


def test_a_model_streams_live_one_at_a_time(linear):
    package = linear.package(graph={"delay": 0.02})
    with AutoModel.from_pretrained(package, batch_size=3) as model:
        stream = model.stream(((i, 0) for i in range(50)), live=True)
        pairs = list(stream)
        assert pairs[-1] == ((49, 0), [59.0, 167.0])
        assert len(pairs) + stream.dropped == 50
        assert stream.dropped > 0
        assert set(linear.sessions[-1].batches) == {1}
        with pytest.raises(InvalidArgument, match="live='yes' must be True or False"):
            model.stream([], live="yes")


def test_leaving_the_loop_of_a_live_stream_stops_it_and_the_camera(linear):
    closed = threading.Event()

    def camera():
        try:
            for index in itertools.count():
                time.sleep(0.001)
                yield (index, 0)
        finally:
            closed.set()

    with AutoModel.from_pretrained(linear.package()) as model:
        for _ in model.stream(camera(), live=True):
            break
        assert closed.is_set()
        closed.clear()
        with model.stream(camera(), live=True) as stream:
            for _ in stream:
                break
        assert closed.is_set()
