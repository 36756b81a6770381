"""A pipeline that never holds up its inputs and hands out the newest result: for cameras.

Its stages, one after another, begin with the newest input as soon as they are free, whether or not the
last result was taken: so a slow loop finds a fresh result, and a fast one never waits for more than
the stages. What something newer replaces, an input before them or a result behind them, is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inference_core.pipeline import Pipeline, Stage, Work


class LivePipeline(Pipeline):
    """At most one input and one result wait, each the newest.

    When a result is taken, each input that is newer than its own came while the stages were at work on
    that, or on the next: at most two runs of them ago.

    Args:
        inputs: read as fast as they come, so they had better wait for something.
        stages: as those of a `Pipeline`, but called with one input at a time.
    """

    def __init__(self, inputs: Iterable[Any], stages: Iterable[Stage]) -> None:
        super().__init__(inputs, (_in_one(tuple(stages)),), 1)

    def _wanting(self) -> bool:
        return True

    def _room(self, index: int) -> bool:
        # A result that somebody waits for is about to be taken, and isn't replaced meanwhile.
        return index == 1 or not self._waiting[1] or self._busy[1]

    def _put(self, index: int, work: Work) -> None:
        waiting = self._waiting[index]
        # The end, and an error, come after the newest input or result and not instead of it.
        if waiting and not work.last:
            waiting.popleft()
            self.dropped += 1
        waiting.append(work)


def _in_one(stages: tuple[Stage, ...]) -> Stage:
    """One stage that does what these do one after another."""

    def stage(value: Any) -> Any:
        for step in stages:
            value = step(value)
        return value

    return stage
