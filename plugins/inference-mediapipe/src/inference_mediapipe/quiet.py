"""Keeps the native library's log out of the terminal while it is called.

The library of MediaPipe 1.2 writes some ten lines to stderr for every model that is loaded. Neither an
environment variable turns that off nor its API (`MpSetLoggingCallback` adds a reader and takes nothing
away). So the file descriptor of stderr is pointed to a file while native code runs, and whatever isn't
a line of that log is passed on. What Python writes doesn't go that way: the library writes its lines in
pieces, and a line of Python's between two of them would be lost with them.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

_STDERR = 2

# The lines of abseil's log ("W0000 00:00:1795338184.162911   17715 file.cc:1418] text") and of LiteRT's
# ("INFO: [file.cc:36] text"), and the few that have neither form.
_NATIVE = re.compile(
    rb"[IWEF]\d{4} \d\d:\d\d:\d[\d.:]* +\d+ [\w./-]+\.(cc|cpp|h|mm):\d+\]"
    rb"|(INFO|WARNING|ERROR|VERBOSE|DEBUG): \[[\w./-]+\.(cc|cpp|h|mm):\d+\]"
    rb"|INFO: Created TensorFlow Lite [\w ]+ delegate"
    rb"|WARNING: Read-only tensor #\d+ \(.*\) has an unaligned buffer"
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
        # Descriptors, not objects, which would complain of not being closed at the end.
        self._file: int | None = None
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
                real = self._kept_real()
                if real is None:
                    return False
                if self._file is None:
                    with tempfile.TemporaryFile() as file:
                        self._file = os.dup(file.fileno())
                _let_python_write_to(real, instead_of=_STDERR)
                os.dup2(self._file, _STDERR)
            self._inside += 1
            return True

    def _kept_real(self) -> int | None:
        """Another descriptor of what stderr is now; None if that is closed, as in a service, or the
        system has no way to read the diverted text (Windows). It stays open for good, for a thread may
        be about to write to it at any time."""
        if not hasattr(os, "pread"):
            return None
        try:
            if self._real is None:
                self._real = os.dup(_STDERR)
            else:
                os.dup2(_STDERR, self._real, inheritable=False)
        except OSError:
            return None
        return self._real

    def _leave(self) -> None:
        with self._lock:
            assert self._real is not None
            self._inside -= 1
            if self._inside == 0:
                os.dup2(self._real, _STDERR)
                _let_python_write_to(_STDERR, instead_of=self._real)
            self._pass_on(last=self._inside == 0)

    def _pass_on(self, *, last: bool) -> None:
        """Write what is new and not native to the real stderr."""
        assert self._file is not None
        assert self._real is not None
        text = self._rest
        while piece := os.pread(self._file, 1 << 16, self._read):
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
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            self._read = 0


def _let_python_write_to(descriptor: int, instead_of: int) -> None:
    """Let sys.stderr, and who holds it, as loggers do, write to another file descriptor."""
    for stream in (sys.stderr, sys.__stderr__):
        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)
        if type(raw) is io.FileIO and not raw.closed and raw.fileno() == instead_of:
            raw.__init__(descriptor, "wb", closefd=False)  # type: ignore[misc]


NATIVE_LOG = NativeLog()
