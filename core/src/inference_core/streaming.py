"""What `Model.stream` returns: an iterator over a pipeline, which ends it when it is left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inference_core.pipeline import Pipeline, Stage

# Seconds that a stream to which nothing refers any more may wait for its threads.
_GRACE = 1.0


class ResultStream:
    """(input, result) pairs, in order; a context manager that closes it.

    A stream to which nothing refers any more closes too, such as that of `for … in model.stream(…)`
    when its loop is left. It waits for a second at most, and if that isn't enough ends by itself. One
    with a name reads on after its loop: give it the name by `with`.

    Several threads may use it: each pair goes to one of them.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        # Threads hold the pipeline and never this, so that it goes when the caller lets it go.
        self._pipeline = pipeline

    @property
    def dropped(self) -> int:
        """How many inputs were dropped so far, as newer ones came before there was use for them;
        always 0 unless the stream is live. It may still be read after the end."""
        return self._pipeline.dropped

    def __iter__(self) -> ResultStream:
        return self

    def __next__(self) -> tuple[Any, Any]:
        return self._pipeline.take()

    def close(self) -> None:
        """Stop reading, wait for what is being worked on, and close the inputs.

        Any thread may do so: who waits for a result gets none, and its loop ends. Inputs that wait
        for something themselves, as a queue or a camera does, are waited for 5 seconds; after that
        they are closed when they wake. Again, it does nothing. In a signal handler that comes while
        its thread waits for a result, it returns at once, and that wait ends with the closing.
        """
        self._pipeline.close()

    def __enter__(self) -> ResultStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Left by a loop, it waits, so that nobody reads `inputs` after the loop. But the garbage
        # collector comes by anywhere, even where this thread holds what a stage waits for.
        self._pipeline.close(_GRACE)


def pipelined(inputs: Iterable[Any], stages: Iterable[Stage], batch: int = 1) -> ResultStream:
    """(input, result) for each input, in order, with the stages at work side by side.

    Not more than `(number of stages + 2) * batch - 1` inputs are read ahead of those handed out. The
    iterator of `inputs` is closed at the end if that can be closed; where closing leaves it waiting,
    `inputs` are not to be read or closed elsewhere until it has woken.

    Args:
        inputs: read by a thread of its own, not before the first result is asked for.
        stages: each is called with what the one before it returned, the first with a list of inputs;
            the last returns the list of their results.
        batch: how many inputs the first stage may be called with.

    Raises:
        Exception: from the iterator: what a stage raised, in the place of the input that was the
            cause (its batch is repeated one by one to find it), or what reading `inputs` raised.
    """
    return ResultStream(Pipeline(inputs, tuple(stages), batch))
