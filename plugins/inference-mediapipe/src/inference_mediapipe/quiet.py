"""Keeps the native library's log out of the terminal while it is called.

The library of MediaPipe 1.2 writes some ten lines to stderr for every model that is loaded. Neither an
environment variable turns that off nor its API (`MpSetLoggingCallback` adds a reader and takes nothing
away). So the file descriptor of stderr is pointed to a file while native code runs, and whatever isn't
a line of that log, such as what Python code on other threads writes, is passed on.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

_STDERR = 2

# The lines of abseil's log ("W0000 00:00:1795338184.162911   17715 file.cc:1418] text") and of LiteRT's
# ("INFO: [file.cc:36] text"), and the few that have neither form.
_NATIVE = re.compile(
    rb"[IWEF]\d{4} \d\d:\d\d:\d[\d.:]* +\d+ [\w./-]+\.(cc|cpp|h|mm):\d+\]"
    rb"|(INFO|WARNING|ERROR|VERBOSE|DEBUG): \[[\w./-]+\.(cc|cpp|h|mm):\d+\]"
    rb"|INFO: Created TensorFlow Lite [\w ]+ delegate"
    rb"|WARNING: (Logging before InitGoogle\(\)|All log messages before absl::InitializeLog\(\)) "
    rb"is written to STDERR|=== Source Location Trace: ==="
    rb"|[\w./-]+\.(cc|cpp|h):\d+\s*$|Stack trace:\s*$|\s+@ +0x[0-9a-f]+ "
)


class NativeLog:
    """Diverts stderr while somebody is in `kept_out`; there is one for the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._real: int | None = None
        self._file: IO[bytes] | None = None
        self._read = 0
        self._rest = b""

    @contextlib.contextmanager
    def kept_out(self, active: bool = True) -> Iterator[None]:
        """While inside, the native log goes nowhere; all else reaches stderr when a call ends."""
        entered = active and self._enter()
        try:
            yield
        finally:
            if entered:
                self._leave()

    def _enter(self) -> bool:
        with self._lock:
            if self._inside == 0:
                try:
                    self._real = os.dup(_STDERR)
                except OSError:
                    return False  # closed, as in a service: nothing is to be seen anyway
                if self._file is None:
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - kept for all calls
                os.dup2(self._file.fileno(), _STDERR)
            self._inside += 1
            return True

    def _leave(self) -> None:
        with self._lock:
            assert self._real is not None
            self._inside -= 1
            if self._inside == 0:
                os.dup2(self._real, _STDERR)
            self._pass_on(last=self._inside == 0)
            if self._inside == 0:
                os.close(self._real)
                self._real = None

    def _pass_on(self, *, last: bool) -> None:
        """Write what is new and not native to the real stderr."""
        assert self._file is not None
        assert self._real is not None
        text = self._rest
        while piece := os.pread(self._file.fileno(), 1 << 16, self._read):
            text += piece
            self._read += len(piece)
        *lines, self._rest = text.splitlines(keepends=True) if text else [b""]
        if self._rest.endswith(b"\n") or last:
            lines.append(self._rest)
            self._rest = b""
        message = b"".join(line for line in lines if not _NATIVE.match(line))
        while message:
            message = message[os.write(self._real, message) :]
        if last:
            self._file.truncate(0)
            os.lseek(self._file.fileno(), 0, os.SEEK_SET)
            self._read = 0


NATIVE_LOG = NativeLog()
