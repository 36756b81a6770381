"""The native log stays out of the terminal, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
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
    "=== Source Location Trace: ===\n"
    "third_party/mediapipe/framework/calculator_node.cc:1014\n"
)
OTHERS = (
    "INFO:     Started server process [1]\n"
    "W0000 is a line of somebody else\n"
    "WARNING:root:careful\n"
    "Traceback (most recent call last):\n"
    '  File "main.cc", line 3\n'
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
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), repr(options)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return int(ended.stdout), ended.stderr.splitlines()


def test_the_terminal_shows_what_python_writes_and_nothing_else(saved):
    count, lines = run(saved(mean_colour()), {})
    assert count > 10
    assert lines == [f"line {number}" for number in range(count)]


@pytest.mark.parametrize("first", ["inference_mediapipe.session", "mediapipe"])
def test_a_program_may_end_with_a_model_left_open(saved, first):
    program = f"""
import sys, {first}
import numpy as np
from inference_core import AutoModel
model = AutoModel.from_pretrained(sys.argv[1], backend="mediapipe")
print(len(model(np.zeros((8, 8, 3), np.uint8))))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(saved(mean_colour()))],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "3\n", "")


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


def test_lines_are_told_apart(stderr):
    with NativeLog().kept_out():
        os.write(2, (NATIVE + OTHERS + NATIVE).encode())
    assert stderr() == OTHERS


def test_a_line_in_pieces_comes_whole(stderr):
    log = NativeLog()
    with log.kept_out():
        os.write(2, b"INFO: [a.cc")
        with log.kept_out():
            os.write(2, b":3] native\nhalf a li")
        assert stderr() == ""
        os.write(2, b"ne\nno end")
    assert stderr() == "half a line\nno end"


def test_what_others_write_waits_for_one_call_at_most(stderr):
    log = NativeLog()
    with log.kept_out():
        with log.kept_out():
            os.write(2, b"other\n")
        assert stderr() == "other\n"  # though somebody is still inside


def test_outside_nothing_is_diverted(stderr):
    log = NativeLog()
    with log.kept_out(active=False):
        os.write(2, b"INFO: [a.cc:3] one\n")
    with log.kept_out():
        pass
    os.write(2, b"INFO: [a.cc:3] two\n")
    assert stderr() == "INFO: [a.cc:3] one\nINFO: [a.cc:3] two\n"


def test_an_exception_inside_leaves_stderr_as_it_was(stderr):
    log = NativeLog()
    with pytest.raises(ZeroDivisionError):
        _fail_inside(log)
    os.write(2, b"after\n")
    assert stderr() == "before\nafter\n"


def _fail_inside(log):
    with log.kept_out():
        os.write(2, b"before\n")
        _ = 1 / 0


def test_many_threads_lose_no_line(stderr):
    log = NativeLog()

    def work(thread):
        for number in range(50):
            with log.kept_out():
                os.write(2, f"{thread} {number}\nI0000 00:00:1.5  7 a.cc:1] x\n".encode())

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    lines = stderr().splitlines()
    assert sorted(lines) == sorted(f"{t} {n}" for t in range(4) for n in range(50))


def test_a_closed_stderr_is_no_trouble():
    program = """
import os, sys
os.close(2)
from inference_mediapipe.quiet import NATIVE_LOG
with NATIVE_LOG.kept_out():
    print("fine")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "fine\n"
