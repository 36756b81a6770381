"""One of MediaPipe's objects: made, called and closed, with what goes wrong there.

Its log is kept out of the terminal where it has one: while an object is made, called for the first
times and closed.
"""

from __future__ import annotations

import atexit
import re
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from inference_core.errors import ModelClosed

from inference_mediapipe.aside import aside
from inference_mediapipe.quiet import NATIVE_LOG

NATIVE_ERRORS = (ValueError, RuntimeError, OSError, IndexError, NotImplementedError)


class NativeTask:
    """A task of MediaPipe with its model.

    Args:
        make: makes MediaPipe's object.
        quiet: whether its log is kept out of the terminal.

    Attributes:
        used: whether it was ever called.
        settled: whether it has found something; it has nothing more to log then, and is called
            directly.
    """

    def __init__(self, make: Callable[[], Any], quiet: bool) -> None:
        self._quiet = quiet
        self.used = self.settled = False
        self._native = _run(make, quiet)
        # Who drops a model without closing it mustn't see the log, nor wait.
        self._dropped = weakref.finalize(self, _close_aside, self._native, quiet)
        self._dropped.atexit = False
        _alive.add(self)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the classes, of a task that has them."""
        return tuple(self._native.labels)

    def call(self, method: str, *arguments: Any) -> Any:
        """What MediaPipe's method returns.

        Raises:
            Exception: one of `NATIVE_ERRORS`, as MediaPipe raises it. The graph answers no more then.
            ModelClosed: Python ends.
        """
        self.used = True
        function = getattr(self._native, method)
        return _run(lambda: function(*arguments), self._quiet and not self.settled)

    def close(self) -> Exception | None:
        """Free what it holds; why MediaPipe failed to, if it did. Calling it again does nothing."""
        return _close(self._native, self._quiet) if self._dropped.detach() else None

    def forget(self) -> None:
        """Leave it as it is, and let nothing close it any more."""
        self._dropped.detach()
        _disarm(self._native)


def _run(call: Callable[[], Any], quiet: bool) -> Any:
    try:
        return NATIVE_LOG.kept_out_of(call) if quiet else call()
    except RuntimeError as error:
        if "cannot schedule new futures" not in str(error):
            raise
        # Python ends, and MediaPipe's threads have. So will this one if it is a daemon, before it has
        # slept: nobody reads the traceback that it would print.
        if threading.current_thread().daemon:
            time.sleep(1)
        raise ModelClosed("MediaPipe takes no more calls, since the program ends") from error


def _close(native: Any, quiet: bool) -> Exception | None:
    try:
        _run(native.close, quiet)
    except (*NATIVE_ERRORS, ModelClosed) as error:
        # MediaPipe says again what the graph had failed with, and leaves the rest as it is.
        _disarm(native)
        for part in ("_dispatcher", "_lib"):
            if hasattr(native, part):
                getattr(native, part).close()
        return error
    return None


def _close_aside(native: Any, quiet: bool) -> None:
    aside(lambda: _close(native, quiet))


def _disarm(native: Any) -> None:
    """Let MediaPipe's object not close itself when it is collected."""
    for name in vars(native):
        if name.endswith("_handle"):
            setattr(native, name, None)


_PLACES = re.compile(
    r'CalculatorGraph::Run\(\) failed:\s*|Calculator::\w+\(\) for node "[^"]*" failed: '
    r"|RET_CHECK failure \([^)]*\) "
)
_alive: weakref.WeakSet[NativeTask] = weakref.WeakSet()


@atexit.register
def _forget_all() -> None:
    """When Python ends: MediaPipe's objects would close themselves too late, when half of Python is
    gone, and complain. Its threads have ended by now, so none could be closed in order."""
    for task in list(_alive):
        task.forget()


def in_one_line(error: BaseException) -> str:
    """What MediaPipe says, without the names of its graph's nodes and places in its source."""
    text = str(error).partition("=== Source Location Trace")[0]
    return " ".join(_PLACES.sub("", text).split()) or type(error).__name__
