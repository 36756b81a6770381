"""What becomes of a stream's inputs when they wait, fail or take their time at its end."""

from __future__ import annotations

import queue
import threading
import time
import weakref

import pytest
from inference_core import pipeline
from inference_core.streaming import pipelined

from .streams import Input, each, no_thread_is_left, threads

__all__ = ["no_thread_is_left"]  # a fixture that this module's tests use


def woken_after_the_end(inputs, asleep, wake, monkeypatch):
    """Leave the loop over inputs when they are asleep, and only then wake them."""
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.05)
    seen = []

    def consume():
        for value, _ in pipelined(inputs, [each(str)]):
            seen.append(value)
            asleep.wait(10)
            break

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    consumer.join(10)
    ended = not consumer.is_alive()
    stages = {thread.name for thread in threads()} - {"inference-stream-read"}
    left = threads()
    wake()
    for thread in left:
        thread.join(10)
    assert ended
    assert seen == [1]
    assert stages == set()
    assert len(left) == 1


def test_leaving_the_loop_does_not_wait_for_ever_for_a_source_that_waits(monkeypatch):
    waiting, asleep = queue.Queue(), threading.Event()
    waiting.put(1)

    def get():
        if waiting.empty():
            asleep.set()
        return waiting.get()

    woken_after_the_end(iter(get, None), asleep, lambda: waiting.put(2), monkeypatch)
    assert waiting.empty()  # the reader took one more and went


def test_a_source_that_was_left_is_not_waited_for_again_and_what_it_gives_is_dropped(monkeypatch):
    made = weakref.WeakSet()
    asleep, go = threading.Event(), threading.Event()

    def inputs():
        yield 1
        asleep.set()
        assert go.wait(60)
        made.add(one := Input(2))
        yield one

    stream = pipelined(inputs(), [list])
    assert next(stream) == (1, 1)
    assert asleep.wait(10)
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.05)
    stream.close()
    (left,) = threads()
    monkeypatch.setattr(pipeline, "_PATIENCE", 3600)
    again = threading.Thread(target=stream.close, daemon=True)
    again.start()
    again.join(5)
    assert not again.is_alive()
    go.set()
    left.join(10)
    assert len(made) == 0


def test_a_source_that_was_left_is_closed_when_it_wakes(monkeypatch):
    asleep, go, ended = threading.Event(), threading.Event(), []

    def inputs():
        try:
            yield 1
            asleep.set()
            go.wait(10)
            yield 2
        finally:
            ended.append(threading.current_thread().name)

    woken_after_the_end(inputs(), asleep, go.set, monkeypatch)
    assert ended == ["inference-stream-read"]


def test_a_source_that_was_left_and_fails_to_close_says_so_itself(monkeypatch):
    asleep, go, told = threading.Event(), threading.Event(), []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(str(args.exc_value)))

    def inputs():
        try:
            yield 1
            asleep.set()
            go.wait(10)
            yield 2
        finally:
            raise OSError("the camera hangs")

    woken_after_the_end(inputs(), asleep, go.set, monkeypatch)
    assert told == ["the camera hangs"]


def test_a_source_that_takes_its_time_to_close_is_waited_for(monkeypatch):
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.01)
    ended = []

    def inputs():
        try:
            yield from range(1000)
        finally:
            time.sleep(0.2)
            ended.append(True)

    for _ in pipelined(inputs(), [each(str)]):
        break
    assert ended == [True]


def test_a_source_that_fails_to_close_says_so():
    def inputs():
        try:
            yield from range(1000)
        finally:
            raise OSError("the camera hangs")

    stream = pipelined(inputs(), [each(str)])
    next(stream)
    with pytest.raises(OSError, match="hangs"):
        stream.close()
