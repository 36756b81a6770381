"""Who may use a session when: any number of callers, or one at a time; and none after `close`.

A call through an open gate that isn't exclusive takes no lock: it adds itself to the list of those
inside (one step that no other thread can divide), and only then looks whether the gate was closed;
`close` does it the other way round. The lock of the slower ways is reentrant, because a signal handler
or the garbage collector may come by anywhere and want to close a model or a stream of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from inference_core.errors import InferenceError, ModelClosed


class Gate:
    """Knows who is inside. `exclusive` lets one caller in at a time and makes others wait."""

    def __init__(self, name: str, exclusive: bool) -> None:
        self._name = name
        self._exclusive = exclusive
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._inside: list[int] = []
        self._closed = False
        self._waiting = 0
        self._finish: Callable[[], None] | None = None

    def enter(self) -> int:
        """Come in, waiting while an exclusive gate is taken; returns what `leave` takes.

        Raises:
            ModelClosed: the gate was closed.
            InferenceError: this thread itself holds the exclusive gate (an open stream): waiting
                would never end.
        """
        me = threading.get_ident()
        if self._exclusive:
            self._wait_alone(me)
        else:
            self._inside.append(me)
        if self._closed:
            self.leave(me)
            self.check()
        return me

    def _wait_alone(self, me: int) -> None:
        with self._lock:
            while self._inside and not self._closed:
                if me in self._inside:
                    raise InferenceError(
                        f"{self._name}: a stream of this model is still open in this thread; "
                        "read it to its end or close() it first"
                    )
                self._changed.wait()
            self._inside.append(me)

    def leave(self, me: int) -> None:
        """Go out; let the next one in, or who waits for all to be out go on."""
        self._inside.remove(me)
        if self._exclusive or self._closed:
            with self._lock:
                self._changed.notify_all()
                # Who waits in `close` calls it, so as not to return before it is done.
                finish = self._taken() if self._closed and not self._waiting else None
            if finish:
                finish()

    def check(self) -> None:
        """Do nothing while the gate is open.

        Raises:
            ModelClosed: it was closed.
        """
        if self._closed:
            raise ModelClosed(f"{self._name} was closed")

    def shut(self) -> None:
        """Let nobody in any more."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def close(self, finish: Callable[[], None]) -> None:
        """Shut, wait until all are out, then call `finish`, once.

        A thread that is inside itself (a signal handler, a wrapper or processor that closes the
        model it is called for) can't wait for that: there the last one to leave calls `finish`.
        """
        me = threading.get_ident()
        with self._lock:
            if self._finish is None:
                self._finish = finish
            self.shut()
            self._waiting += 1
            while self._inside and me not in self._inside:
                self._changed.wait()
            self._waiting -= 1
            now = self._taken()
        if now:
            now()

    def _taken(self) -> Callable[[], None] | None:
        """What is to be called now that nobody is inside, for the first who asks."""
        if self._inside or self._finish is None:
            return None
        finish, self._finish = self._finish, _nothing
        return finish

    @property
    def closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closed


def _nothing() -> None:
    """In place of `finish` once it has been called."""
