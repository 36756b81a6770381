"""A pipeline of stages on one thread each, in order, with bounded room between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Inputs under way at once. More would only hold more memory: each stage works on one at a time.
_DEPTH = 4
_END = object()


def pipelined(inputs: Iterable[Any], *stages: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """(input, last stage's result) for each input, in order.

    Reading `inputs` is a stage of its own. An exception of a stage is raised at the place of its
    input; closing the iterator stops reading and waits for the stages to finish what they are at.
    """
    iterator = iter(inputs)
    threads = [ThreadPoolExecutor(1, f"inference-stream-{i}") for i in range(len(stages) + 1)]
    waiting: deque[tuple[Future[Any], Future[Any]]] = deque()

    def submit() -> None:
        read = future = threads[0].submit(next, iterator, _END)
        for thread, stage in zip(threads[1:], stages, strict=True):
            future = thread.submit(_step, stage, future)
        waiting.append((read, future))

    try:
        for _ in range(_DEPTH):
            submit()
        while True:
            read, result = waiting.popleft()
            value = read.result()
            if value is _END:
                return
            outcome = result.result()
            submit()
            yield value, outcome
    finally:
        for thread in threads:
            thread.shutdown(wait=False, cancel_futures=True)
        for thread in threads:
            thread.shutdown(wait=True)


def _step(stage: Callable[[Any], Any], before: Future[Any]) -> Any:
    value = before.result()
    return _END if value is _END else stage(value)
