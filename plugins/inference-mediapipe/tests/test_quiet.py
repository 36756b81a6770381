"""The native log stays out of the terminal, and nothing else does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from inference_mediapipe.quiet import NativeLog

from .models import mean_colour

NATIVE = (
    "INFO: [environment.cc:36] Creating LiteRT environment with options\n"
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    "WARNING: Logging before InitGoogle() is written to STDERR\n"
    "WARNING: Read-only tensor #3 (model_1/mul) has an unaligned buffer (0x7fe33042a1c2, required\n"
    "W0000 00:00:1795338184.162911   17715 inference_runner_litert.cc:1418] Input tensor memory\n"
    "E0000 00:00:1795348818.382538 25943 a.cc:3] INTERNAL: RET_CHECK failure (third_party/mediapipe/a\n"
    "Stack trace:\n"
    "    @     0x7fb82e65b8c0  absl::StatusBuilder::CreateStatusAndConditionallyLog()\n"
    "E0000 00:00:1795348818.425143 25938 b.cc:946] INTERNAL: CalculatorGraph::Run() failed: \n"
    'Calculator::Process() for node "detector" failed: RET_CHECK failure\n'
    "=== Source Location Trace: ===\n"
    "third_party/mediapipe/framework/calculator_node.cc:1014\n"
    "ERROR: The model is not a valid Flatbuffer buffer\n"
)
OTHERS = (
    "INFO:     Started server process [1]\n"
    "W0000 is a line of somebody else\n"
    "WARNING:root:careful\n"
    "Traceback (most recent call last):\n"
    '  File "main.cc", line 3\n'
    "main.cc:12\n"
    "E0000 00:00:1700000000.123456  99 ssl_transport_security.cc:1500] Handshake failed\n"
    "F0000 00:00:1700000000.123456  99 check.cc:15] Check failed\n"
    "ERROR: [file.cc:3] of somebody else\n"
)

PROGRAM = """
import logging, sys, threading, time
import numpy as np
from inference_core import AutoModel

stop = threading.Event()
count = 0

def chatter():
    global count
    while not stop.is_set():
        print(f"line {count}", file=sys.stderr)
        count += 1
        time.sleep(0.0005)

thread = threading.Thread(target=chatter)
thread.start()
for _ in range(3):
    with AutoModel.from_pretrained(sys.argv[1], backend="mediapipe", options=eval(sys.argv[2])) as m:
        for size in (8, 30, 100):
            m(np.zeros((size, size, 3), np.uint8))
stop.set()
thread.join()
print(count)
"""


def run(path: Path, options: dict) -> tuple[int, list[str]]:
    ended = run_program(PROGRAM, path, repr(options))
    assert ended.returncode == 0
    return int(ended.stdout), ended.stderr.splitlines()


def test_the_terminal_shows_what_python_writes_and_nothing_else(saved):
    count, lines = run(saved(mean_colour()), {})
    assert count > 10
    assert lines == [f"line {number}" for number in range(count)]


def run_program(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("first", ["inference_mediapipe.session", "mediapipe"])
def test_a_program_may_end_with_a_model_left_open(saved, first):
    program = f"""
import sys, {first}
import numpy as np
from inference_core import AutoModel
model = AutoModel.from_pretrained(sys.argv[1], backend="mediapipe")
print(len(model(np.zeros((8, 8, 3), np.uint8))))
"""
    ended = run_program(program, saved(mean_colour()))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "3\n", "")


def test_a_program_may_end_while_a_thread_predicts(saved):
    program = """
import sys, threading, time
import numpy as np
from inference_core import AutoModel
model = AutoModel.from_pretrained(sys.argv[1], backend="mediapipe")
def work():
    while True:
        model(np.zeros((8, 8, 3), np.uint8))
threading.Thread(target=work, daemon=True).start()
time.sleep(0.5)
"""
    ended = run_program(program, saved(mean_colour()))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_model_that_is_dropped_is_closed_quietly(trained, saved):
    program = """
import gc, os, sys, time
import numpy as np
from inference_core import AutoModel
def use():
    AutoModel.from_pretrained(sys.argv[1], backend="mediapipe")(np.zeros((8, 8, 3), np.uint8))
def opened():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))
use()
before = opened()
for _ in range(6):
    use()
deadline = time.monotonic() + 30  # they are closed by threads
while opened() > before + 1 and time.monotonic() < deadline:
    time.sleep(0.05)
print(opened() - before)
"""
    path = saved(trained("face_detection_short_range.tflite"))
    ended = run_program(program, path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout) <= 1


def test_a_graph_that_fails_says_so_once(saved):
    """The exception does: the native log, which says it too, is kept out."""
    program = """
import sys
import numpy as np
from inference_core import AutoModel, InvalidModel
with AutoModel.from_pretrained(sys.argv[1], backend="mediapipe") as model:
    try:
        model(np.zeros((8, 8, 3), np.uint8))
    except InvalidModel as error:
        print(error)
"""
    ended = run_program(program, saved(mean_colour(labels=("one", "two"))))
    assert "3 vs. 2" in ended.stdout
    assert ended.stderr == ""


def test_the_native_log_is_shown_where_it_is_asked_for(saved):
    _, lines = run(saved(mean_colour()), {"native_log": True})
    assert any("XNNPACK delegate" in line for line in lines)


@pytest.fixture
def stderr(capfd):
    """What reached stderr in this test so far."""
    seen = []

    def read() -> str:
        seen.append(capfd.readouterr().err)
        return "".join(seen)

    return read


LIBRARY = ctypes.CDLL(None)
STREAM = ctypes.c_void_p.in_dll(LIBRARY, "stderr")


def say(text: str) -> None:
    """Write it as native code does."""
    LIBRARY.fputs(text.encode(), STREAM)


def saying(text: str):
    return lambda: say(text)


def test_lines_are_told_apart(stderr):
    NativeLog().kept_out_of(saying(NATIVE + OTHERS + NATIVE))
    assert stderr() == OTHERS


def test_a_line_in_pieces_comes_whole(stderr):
    log = NativeLog()

    def outer():
        say("INFO: [a.cc")
        log.kept_out_of(saying(":3] native\nhalf a li"))
        assert stderr() == ""
        say("ne\nno end")

    log.kept_out_of(outer)
    assert stderr() == "half a line\nno end"


def test_what_others_write_waits_for_one_call_at_most(stderr):
    log = NativeLog()

    def outer():
        log.kept_out_of(saying("other\n"))
        assert stderr() == "other\n"  # though somebody is still inside

    log.kept_out_of(outer)


def test_outside_nothing_is_diverted(stderr):
    NativeLog().kept_out_of(lambda: None)
    say("INFO: [a.cc:3] two\n")
    assert stderr() == "INFO: [a.cc:3] two\n"


def test_what_does_not_go_through_that_stream_is_left_alone(stderr):
    def work():
        os.write(2, b"INFO: [a.cc:3] by number\n")
        print("by Python", file=sys.__stderr__, flush=True)
        program = "import os; os.write(2, b'of a child')"
        subprocess.run([sys.executable, "-c", program], check=True)
        return stderr()

    seen = NativeLog().kept_out_of(work)
    assert "by number\n" in seen
    assert "of a child" in seen


def test_an_exception_inside_leaves_stderr_as_it_was(stderr):
    def failing():
        say("before\n")
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        NativeLog().kept_out_of(failing)
    say("after\n")
    assert stderr() == "before\nafter\n"


def test_many_threads_lose_no_line(stderr):
    log = NativeLog()

    def work(thread):
        for number in range(50):
            log.kept_out_of(saying(f"{thread} {number}\nI0000 00:00:1.5  7 a.cc:1] x\n"))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    lines = stderr().splitlines()
    assert sorted(lines) == sorted(f"{t} {n}" for t in range(4) for n in range(50))


# Interrupts that come in a finaliser are among those that Python reports and drops.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_interrupt_at_any_time_leaves_stderr_as_it_was():
    log, before, armed = NativeLog(), STREAM.value, False

    def interrupt(*_):
        if armed:
            raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(200):
            # A condition of Python's that is interrupted may raise RuntimeError in the place of it.
            with contextlib.suppress(KeyboardInterrupt, RuntimeError):
                armed = True
                signal.setitimer(signal.ITIMER_REAL, 2e-5 + number * 2e-6)
                # Not for ever: where Python ignores exceptions, as in a finaliser, it is lost.
                until = time.monotonic() + 0.5
                while time.monotonic() < until:
                    log.kept_out_of(lambda: None)
            armed = False
            deadline = time.monotonic() + 5  # for the thread that was not waited for
            while (STREAM.value, log._inside) != (before, 0):
                assert time.monotonic() < deadline
                time.sleep(1e-4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


FORKING = """
import ctypes, os, signal, sys, threading
from inference_mediapipe.quiet import NATIVE_LOG
library = ctypes.CDLL(None)
stream = ctypes.c_void_p.in_dll(library, "stderr")

def fork():
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        library.fputs(b"of a child\\n", stream)
        NATIVE_LOG.kept_out_of(lambda: library.fputs(b"INFO: [a.cc:3] native\\nothers\\n", stream))
        os._exit(0)
    return os.waitpid(child, 0)[1]

stop = threading.Event()
def hammer():
    while not stop.is_set():
        NATIVE_LOG.kept_out_of(lambda: None)
thread = threading.Thread(target=hammer)
thread.start()
ends = [fork() for _ in range(10)]
stop.set()
thread.join()
print(ends, NATIVE_LOG.kept_out_of(fork))
"""


@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_has_its_own_stderr():
    ended = run_program(FORKING)
    assert ended.stdout == f"{[0] * 10} 0\n"
    assert ended.stderr.splitlines() == ["of a child", "others"] * 11


def test_a_closed_stderr_is_no_trouble():
    program = """
import ctypes, os, sys
os.close(2)
from inference_mediapipe.quiet import NATIVE_LOG
library = ctypes.CDLL(None)
stream = ctypes.c_void_p.in_dll(library, "stderr")
NATIVE_LOG.kept_out_of(lambda: library.fputs(b"nobody reads this", stream))
print("fine")
"""
    assert run_program(program).stdout == "fine\n"


def test_without_a_file_in_memory_the_log_is_seen(stderr, monkeypatch):
    def forbidden(name):
        raise OSError(38, "not implemented")

    monkeypatch.setattr(os, "memfd_create", forbidden)
    NativeLog().kept_out_of(saying("INFO: [a.cc:3] native\n"))
    assert stderr() == "INFO: [a.cc:3] native\n"
