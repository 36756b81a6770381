"""Keeps the native library's log out of the terminal.

The library of MediaPipe 1.2 writes some ten lines to stderr for every model that is loaded. Neither an
environment variable turns that off nor its API (`MpSetLoggingCallback` adds a reader and takes nothing
away). It writes them through the C library's stream `stderr`. While native code runs that has something
to say, that stream is another one, which writes to a file in memory; afterwards whatever isn't a line
of that log is passed on. The file descriptor 2 stays as it is, so that what Python writes isn't
touched, nor are the processes that are started meanwhile.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import threading
from collections.abc import Callable
from typing import TypeVar

from inference_mediapipe.aside import aside

_Result = TypeVar("_Result")

# What is dropped: the lines of abseil's log that are no errors ("W0000 00:00:1795338184.162911   17715
# file.cc:1418] text"), LiteRT's ("INFO: [file.cc:36] text"), the few without either form, and the
# errors of MediaPipe's graphs with their traces, which the exception says as well.
_NATIVE = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:\d[\d.:]* +\d+ [\w./-]+\.(cc|cpp|h|mm):\d+\]"
    rb"|E\d{4} \d\d:\d\d:\d[\d.:]* +\d+ [\w./-]+\.cc:\d+\] [A-Z_]+: "
    rb"(RET_CHECK failure \(third_party/mediapipe/|CalculatorGraph::Run\(\) failed)"
    rb"|(INFO|WARNING|VERBOSE|DEBUG): \[[\w./-]+\.(cc|cpp|h|mm):\d+\]"
    rb"|INFO: Created TensorFlow Lite [\w ]+ delegate"
    rb"|WARNING: Read-only tensor #\d+ \(.*\) has an unaligned buffer"
    rb"|WARNING: (Logging before InitGoogle\(\)|All log messages before absl::InitializeLog\(\)) "
    rb"is written to STDERR"
    rb"|ERROR: The model is not a valid Flatbuffer buffer\s*$"
    rb"|Calculator::\w+\(\) for node \"|=== Source Location Trace: ===|third_party/[\w./-]+:\d+\s*$"
    rb"|Stack trace:\s*$|\s+@ +0x[0-9a-f]+ "
)


class NativeLog:
    """Diverts the C library's stderr during calls; there is one for the whole process."""

    def __init__(self) -> None:
        self._library = _c_library()
        self._real: int | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all, as in a child of a fork: the threads that were calling are not in it, and the
        file is its parent's."""
        if self._real is not None:
            self._stderr.value = self._real
        self._lock = threading.Lock()
        self._inside = 0
        self._file: int | None = None
        self._read = 0
        self._rest = b""

    def kept_out_of(self, call: Callable[[], _Result]) -> _Result:
        """What `call` returns. Meanwhile the native log goes nowhere; all else reaches stderr in the
        end.

        It runs in a thread of its own, since a Ctrl-C is raised in the main one, and could otherwise
        come between any two steps here.
        """
        return aside(lambda: self._diverted(call)).result()

    def _diverted(self, call: Callable[[], _Result]) -> _Result:
        if not self._enter():
            return call()
        try:
            return call()
        finally:
            self._leave()

    def _enter(self) -> bool:
        """False where this isn't possible: then the log is seen."""
        with self._lock:
            if self._file is None and not self._open():
                return False
            if self._inside == 0:
                self._real, self._stderr.value = self._stderr.value, self._stream
            self._inside += 1
            return True

    def _open(self) -> bool:
        """The stream stays open for good, for a thread may be about to write to it at any time."""
        if self._library is None:
            return False
        try:
            file = os.memfd_create("native-log")
        except OSError:  # forbidden, or too many files are open
            return False
        self._library.fdopen.restype = ctypes.c_void_p
        self._stream = self._library.fdopen(file, b"w")
        self._library.setvbuf(ctypes.c_void_p(self._stream), None, _UNBUFFERED, 0)
        self._stderr = ctypes.c_void_p.in_dll(self._library, "stderr")
        self._file = file
        return True

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._stderr.value, self._real = self._real, None
            self._pass_on(last=self._inside == 0)

    def _pass_on(self, *, last: bool) -> None:
        """Write what is new and not native to the real stderr."""
        assert self._file is not None
        text = self._rest
        while piece := os.pread(self._file, 1 << 16, self._read):
            text += piece
            self._read += len(piece)
        *lines, self._rest = text.splitlines(keepends=True) if text else [b""]
        if self._rest.endswith(b"\n") or last:
            lines.append(self._rest)
            self._rest = b""
        message = b"".join(line for line in lines if not _NATIVE.match(line))
        with contextlib.suppress(OSError):  # of a stderr that is closed or full
            while message:
                message = message[os.write(2, message) :]
        if last:
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            self._read = 0


_UNBUFFERED = 2  # _IONBF of glibc's stdio.h


def _c_library() -> ctypes.CDLL | None:
    """glibc, whose `stderr` is a variable that may be set; None on another system."""
    if not hasattr(os, "memfd_create"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


NATIVE_LOG = NativeLog()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=NATIVE_LOG.begin_anew)
