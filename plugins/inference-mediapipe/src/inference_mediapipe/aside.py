"""A call in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_Result = TypeVar("_Result")


def aside(call: Callable[[], _Result]) -> Future[_Result]:
    """Begin it; the future tells what it returns or raises."""
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised again by the future
            future.set_exception(error)

    Thread(target=run, name="mediapipe-aside").start()
    return future
