"""Watches what a piece of code does to its process: modules, files, threads, processes, variables.

Python's audit events tell (PEP 578), and a comparison of before and after where there is none. An
audit hook can't be removed, so this is for the kit's own child processes. Standard library only: what
it loads must not look like what a plugin loads.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

# Events that only something with an effect outside of the call causes.
_EFFECTS = {
    "_thread.start_joinable_thread": "starts a thread",
    "_thread.start_new_thread": "starts a thread",
    "ctypes.dlopen": "loads a native library",
    "os.chdir": "changes the current folder",
    "os.chmod": "changes a file's mode",
    "os.exec": "starts a process",
    "os.fork": "starts a process",
    "os.link": "makes a link",
    "os.mkdir": "makes a folder",
    "os.posix_spawn": "starts a process",
    "os.putenv": "sets an environment variable",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.rmdir": "removes a folder",
    "os.spawn": "starts a process",
    "os.symlink": "makes a link",
    "os.system": "starts a process",
    "os.truncate": "changes a file",
    "os.unsetenv": "removes an environment variable",
    "os.utime": "changes a file's times",
    "pickle.find_class": "unpickles an object",
    "socket.bind": "opens a socket",
    "socket.connect": "opens a network connection",
    "socket.getaddrinfo": "asks the network for an address",
    "subprocess.Popen": "starts a process",
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watching: Watch | None = None


class Watch:
    """Use as a context manager around the code.

    Attributes:
        effects: what it did that can be noticed outside, in words.
        modules: top-level modules that weren't loaded before.
        read: bytes that it read, 0 where the system doesn't count them.
    """

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.modules: list[str] = []
        self.read = 0

    def __enter__(self) -> Watch:
        global _watching  # noqa: PLW0603 - there is one audit hook per process
        self._before = set(sys.modules), dict(os.environ), list(sys.path), Path.cwd()
        self._counted, self._threads = _bytes_read(), threading.active_count()
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
        modules, variables, path, folder = self._before
        self.modules = sorted({name.partition(".")[0] for name in set(sys.modules) - modules})
        if dict(os.environ) != variables and not any("variable" in each for each in self.effects):
            self.effects.append("changes os.environ")
        if threading.active_count() > self._threads and "starts a thread" not in self.effects:
            self.effects.append("starts a thread")  # Python 3.11 has no event for it
        if sys.path != path:
            self.effects.append("changes sys.path")
        if Path.cwd() != folder and "changes the current folder" not in self.effects:
            self.effects.append("changes the current folder")

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keep an audit event, if it tells of an effect."""
        effect = _EFFECTS.get(event)
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITES or path == os.devnull:
                return
            effect = "writes a file"
        elif effect is None:
            return
        detail = repr(arguments[0])[:120] if arguments and "thread" not in event else ""
        said = f"{effect} {detail}".strip()
        if said not in self.effects:
            self.effects.append(said)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is not None:
        _watching.note(event, arguments)


def _bytes_read() -> int:
    """Bytes that this process has read so far, as Linux counts them."""
    try:
        with open("/proc/self/io", encoding="ascii") as file:
            return int(file.readline().split()[1])
    except OSError:
        return 0


sys.addaudithook(_audit)
