"""What the tests of streams share: stages, and the threads that must be gone after each test."""

from __future__ import annotations

import threading

import pytest
from inference_core.live_pipeline import LivePipeline
from inference_core.streaming import ResultStream


def each(function):
    """A stage that does the same to each of a batch."""
    return lambda batch: [function(value) for value in batch]


def live(inputs, stage):
    return ResultStream(LivePipeline(inputs, [stage]))


def threads():
    return {t for t in threading.enumerate() if t.name.startswith("inference-stream")}


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threads()
    yield
    assert threads() <= before


class Input:
    """What can be seen to be freed."""

    def __init__(self, value):
        self.value = value
