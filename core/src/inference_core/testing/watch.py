"""Watches what a piece of code does to its process: modules, files, threads, processes, settings.

Python's audit events tell (PEP 578), and a comparison of before and after where there is none. An
audit hook can't be removed, so this is for the kit's own child processes. Standard library only: what
it loads must not look like what a plugin loads.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import warnings
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Any

# Events that only something with an effect outside of the call causes.
_EFFECTS = {
    "_thread.start_joinable_thread": "starts a thread",
    "_thread.start_new_thread": "starts a thread",
    "ctypes.dlopen": "loads the native library",
    "os.chdir": "changes the current folder to",
    "os.chmod": "changes the mode of",
    "os.exec": "starts a process",
    "os.fork": "starts a process",
    "os.link": "makes a link to",
    "os.mkdir": "makes the folder",
    "os.posix_spawn": "starts a process",
    "os.putenv": "sets the environment variable",
    "os.remove": "removes the file",
    "os.rename": "renames the file",
    "os.rmdir": "removes the folder",
    "os.spawn": "starts a process",
    "os.symlink": "makes a link to",
    "os.system": "starts a process",
    "os.truncate": "changes the file",
    "os.unsetenv": "removes the environment variable",
    "os.utime": "changes the times of",
    "pickle.find_class": "unpickles an object of",
    "socket.bind": "opens a socket",
    "socket.connect": "opens a network connection",
    "socket.getaddrinfo": "asks the network for the address",
    "subprocess.Popen": "starts the process",
    "time.sleep": "sleeps for seconds:",
}
_SILENT = {"_thread.start_joinable_thread", "_thread.start_new_thread", "os.fork", "socket.connect",
           "socket.bind"}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watching: Watch | None = None


class Watch:
    """Use as a context manager around the code.

    Attributes:
        effects: what it did that can be noticed outside, in words.
        modules: modules that weren't loaded before.
        read: bytes that it read, 0 where the system doesn't count them.
    """

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.modules: list[str] = []
        self.read = 0
        self._output = io.StringIO()

    def __enter__(self) -> Watch:
        global _watching  # noqa: PLW0603 - there is one audit hook per process
        self._before, self._loaded = _state(), set(sys.modules)
        self._redirection = ExitStack()
        self._redirection.enter_context(redirect_stdout(self._output))
        self._redirection.enter_context(redirect_stderr(self._output))
        self._counted = _bytes_read()
        _watching = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        global _watching  # noqa: PLW0603
        _watching = None
        self.read = _bytes_read() - self._counted
        self._redirection.close()
        self.modules = sorted(set(sys.modules) - self._loaded)
        if printed := self._output.getvalue().strip():
            self.note(f"prints {printed[:60]!r}")
        after = _state()
        for what, value in self._before.items():
            if after[what] != value:
                self.note(what)

    def note(self, effect: str) -> None:
        """Keep an effect, unless it is known, or told more exactly already."""
        told = {
            "changes os.environ": "environment variable",
            "changes the current folder": "folder",
        }
        general = told.get(effect)
        if effect in self.effects or (general and any(general in each for each in self.effects)):
            return
        self.effects.append(effect)

    def event(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keep an audit event, if it tells of an effect."""
        effect = _EFFECTS.get(event)
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITES or path == os.devnull:
                return
            effect = "writes the file"
        elif effect is None:
            return
        detail = "" if event in _SILENT or not arguments else f" {_text(arguments[0])}"
        self.note(f"{effect}{detail}")


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is not None:
        _watching.event(event, arguments)


def _text(value: object) -> str:
    return os.fsdecode(value)[:120] if isinstance(value, (str, bytes)) else repr(value)[:120]


def _state() -> dict[str, object]:
    """What a process has one of, each by the words for having changed it."""
    logging: Any = sys.modules.get("logging")
    return {
        "changes os.environ": dict(os.environ),
        "changes sys.path": list(sys.path),
        "changes the current folder": Path.cwd(),
        "starts a thread": threading.active_count(),
        "sets a signal handler": {each: signal.getsignal(each) for each in signal.valid_signals()},
        "sets up logging": (list(logging.root.handlers), logging.root.level)
        if logging
        else ([], 30),
        "sets filters of warnings": list(warnings.filters),
        "sets sys.excepthook": sys.excepthook,
        "sets the recursion limit": sys.getrecursionlimit(),
    }


def _bytes_read() -> int:
    """Bytes that this process has read so far, as Linux counts them."""
    try:
        with open("/proc/self/io", encoding="ascii") as file:
            return int(file.readline().split()[1])
    except OSError:
        return 0


_start_thread = threading.Thread.start


def _start(thread: threading.Thread) -> None:
    if _watching is not None:
        _watching.note("starts a thread")
    _start_thread(thread)


sys.addaudithook(_audit)
# Python 3.11 has no audit event for a thread that starts, and a short one may be gone again.
threading.Thread.start = _start  # type: ignore[method-assign, assignment]
