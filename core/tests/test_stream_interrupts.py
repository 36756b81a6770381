"""Streams that are closed in the middle of something: by a signal handler, the garbage collector, or
the end of the program. What might hang runs in another process, or in a thread that may be left."""

from __future__ import annotations

import gc
import itertools
import signal
import subprocess
import sys
import threading
import time

import pytest
from inference_core import pipeline, streaming
from inference_core.streaming import pipelined

from .streams import live, no_thread_is_left, threads

__all__ = ["no_thread_is_left"]  # a fixture that this module's tests use


def run(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


# A handler closes the stream in the main thread while that holds the lock of the stream.
HANDLER = """
import signal, sys, threading, time
from inference_core.live_pipeline import LivePipeline
from inference_core.streaming import ResultStream, pipelined

moment, kind = sys.argv[1:]
main, handled = threading.get_ident(), []

class Inputs:
    def __iter__(self):
        return self

    def __next__(self):
        time.sleep(0.001)
        return 0

    def close(self):
        print("inputs closed", flush=True)

def handler(*_):
    handled.append(True)
    stream.close()

signal.signal(signal.SIGINT, handler)
live = kind == "live"
stream = ResultStream(LivePipeline(Inputs(), [list])) if live else pipelined(Inputs(), [list])
if moment != "start":
    next(stream)
lock = stream._pipeline._changed
real = {"wait": lock.wait, "notify_all": lock.notify_all}

def interrupted(name):
    def call(*arguments):
        if threading.get_ident() == main and not handled:
            signal.raise_signal(signal.SIGINT)
        return real[name](*arguments)
    return call

if moment == "close":
    lock.notify_all = interrupted("notify_all")
    stream.close()
else:
    lock.wait = interrupted("wait")
    if moment == "notify":
        lock.notify_all = interrupted("notify_all")
    for _ in stream:
        pass
print(len(handled), [t.name for t in threading.enumerate() if "stream" in t.name], next(stream, 0))
"""


@pytest.mark.parametrize("kind", ["live", "all"])
@pytest.mark.parametrize("moment", ["start", "wait", "notify", "close"])
def test_a_signal_handler_may_close_a_stream_while_its_thread_holds_the_lock(moment, kind):
    ended = run(HANDLER, moment, kind)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == ["inputs closed", "1 [] 0"]


# The main thread is interrupted at some moment of the loop, a different one each time.
ALARMS = """
import itertools, signal
from inference_core.streaming import pipelined
signal.signal(signal.SIGALRM, lambda *_: stream.close())
for number in range(30):
    stream = pipelined(itertools.count(), [list])
    signal.setitimer(signal.ITIMER_REAL, 0.005 + number * 0.0003)
    for _ in stream:
        pass
print("done")
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no alarm clock")
def test_a_signal_handler_may_close_a_stream_at_any_moment():
    ended = run(ALARMS)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("who", ["inference-stream-read", "inference-stream-0"])
def test_a_thread_that_stops_the_stream_when_it_is_about_to_wait_is_woken(who):
    """As by the garbage collector, between looking and waiting: its own notification is lost."""
    stopped, go = threading.Event(), threading.Event()

    def inputs():
        yield 0
        if who == "inference-stream-0":
            assert go.wait(10)
        yield from itertools.count(1)

    stream = pipelined(inputs(), [list])
    lock = stream._pipeline._changed
    real = lock.wait

    def wait(timeout=None):
        if threading.current_thread().name == who and not stopped.is_set():
            stream._pipeline.close()
            stopped.set()
        return real(timeout)

    next(stream)
    lock.wait = wait
    if who == "inference-stream-0":
        lock.acquire()
        lock.notify_all()  # it looks again
        lock.release()
    else:
        next(stream, None)
    assert stopped.wait(10)
    go.set()
    for thread in threads():
        thread.join(10)
    assert threads() == set()


@pytest.mark.parametrize("kind", ["live", "all"])
def test_the_garbage_collector_is_not_held_up_by_a_stage_that_waits_for_its_thread(
    kind, monkeypatch
):
    """As a model does that takes one call at a time, in whose call the collector comes by."""
    monkeypatch.setattr(streaming, "_GRACE", 0.05)
    model, closed, taken, waiting = threading.Lock(), *(threading.Event() for _ in range(3))

    def inputs():
        try:
            yield from itertools.count()
        finally:
            closed.set()

    def stage(batch):
        if taken.is_set():
            waiting.set()
        with model:
            return batch

    def call():
        stream = live(inputs(), stage) if kind == "live" else pipelined(inputs(), [stage])
        next(stream)
        with model:
            taken.set()
            assert waiting.wait(10)
            cycle = [stream]
            cycle.append(cycle)
            del stream, cycle
            gc.collect()

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(10)
    assert not caller.is_alive()
    assert closed.wait(10)
    for thread in threads():
        thread.join(10)


def test_the_end_of_the_program_waits_once_for_all_streams():
    program = """
import itertools, sys, threading, time
from inference_core import pipeline
from inference_core.streaming import pipelined

def stage(batch):
    if batch == [1]:
        working.release()
        time.sleep(60)
    return batch

working = threading.Semaphore(0)
pipeline._PATIENCE = 0.5
streams = [pipelined(itertools.count(), [stage]) for _ in range(8)]
for stream in streams:
    next(stream)
    working.acquire()
print(time.monotonic(), flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        try:
            begun = float(process.stdout.readline())
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert 0.4 <= time.monotonic() - begun < 2.5  # 8 times that were 4 seconds


def test_what_the_end_of_the_program_left_is_not_waited_for_when_its_objects_go(monkeypatch):
    """From Python 3.13 on a thread that was frozen never ends."""
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.05)
    working, go = threading.Event(), threading.Event()

    def stage(batch):
        if batch == [1]:
            working.set()
            assert go.wait(60)
        return batch

    stream = pipelined(itertools.count(), [stage])
    next(stream)
    assert working.wait(10)
    pipeline._close_all()
    again = threading.Thread(target=stream.close, daemon=True)
    again.start()
    again.join(5)
    waits = again.is_alive()
    go.set()
    for thread in threads():
        thread.join(10)
    assert not waits


def test_the_end_of_the_program_tells_of_each_source_that_fails_to_close():
    program = """
import itertools
from inference_core.streaming import pipelined

def inputs(name):
    try:
        yield from itertools.count()
    finally:
        raise OSError(name + " hangs")

streams = [pipelined(inputs(name), [list]) for name in ("left", "right", "third")]
for stream in streams:
    next(stream)
"""
    ended = run(program)
    assert all(f"OSError: {name} hangs" in ended.stderr for name in ("left", "right", "third"))
    assert "Exception ignored" not in ended.stderr


def test_a_program_may_end_with_a_stream_left_open():
    program = """
import itertools
from inference_core.streaming import pipelined
stream = pipelined(itertools.count(), [list])
print(next(stream))
"""
    ended = run(program)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "(0, 0)\n", "")
