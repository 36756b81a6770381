"""Who may use a session when: any number of callers, or one at a time; and none after `close`.

One small lock guards a counter, so that a call through an open gate costs well under a microsecond.
"""

from __future__ import annotations

import threading

from inference_core.errors import InferenceError, ModelClosed


class Gate:
    """Counts the calls in flight. `exclusive` lets one caller in at a time and makes others wait."""

    def __init__(self, name: str, exclusive: bool) -> None:
        self._name = name
        self._exclusive = exclusive
        # The lock is taken by itself: through the Condition it costs four more Python calls.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._active = 0
        self._holder = 0
        self._closed = False

    def enter(self) -> None:
        """Come in, waiting while an exclusive gate is taken.

        Raises:
            ModelClosed: the gate was closed.
            InferenceError: this thread itself holds the exclusive gate (an open stream): waiting
                would never end.
        """
        with self._lock:
            if self._exclusive:
                me = threading.get_ident()
                while self._active and not self._closed:
                    if self._holder == me:
                        raise InferenceError(
                            f"{self._name}: a stream of this model is still open in this thread; "
                            "read it to its end or close() it first"
                        )
                    self._changed.wait()
                self._holder = me
            if self._closed:
                raise ModelClosed(f"{self._name} was closed")
            self._active += 1

    def leave(self) -> None:
        """Go out; let the next one in, or who waits for all to be out go on."""
        with self._lock:
            self._active -= 1
            if self._exclusive or self._closed:
                self._changed.notify_all()

    def close(self) -> bool:
        """Let nobody in any more. False if it was closed before."""
        with self._lock:
            first, self._closed = not self._closed, True
            self._changed.notify_all()
            return first

    def wait(self) -> None:
        """Wait until all are out."""
        with self._lock:
            while self._active:
                self._changed.wait()

    @property
    def closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closed
