"""`Model.stream` and the pipeline below it: order, errors in their place, laziness, early ends."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from inference_core import AutoModel, InvalidArgument, InvalidInput
from inference_core.streaming import pipelined


def test_results_come_in_the_order_of_their_inputs():
    doubled = pipelined(range(100), lambda x: x + 1, lambda x: x * 2)
    assert list(doubled) == [(i, (i + 1) * 2) for i in range(100)]


def test_no_input_gives_no_result():
    assert list(pipelined([], str)) == []


def test_an_error_comes_in_the_place_of_its_input():
    seen = []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        for value, _ in pipelined([1, 2, 0, 3], lambda x: 1 / x):
            seen.append(value)
    assert seen == [1, 2]


def test_an_error_of_the_inputs_themselves_comes_after_those_before_it():
    def inputs():
        yield 1
        yield 2
        raise OSError("the camera is gone")

    seen = []
    with pytest.raises(OSError, match="camera"):  # noqa: PT012
        for value, _ in pipelined(inputs(), str):
            seen.append(value)
    assert seen == [1, 2]


def test_only_a_few_inputs_are_read_ahead():
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield read

    stream = pipelined(endless(), str)
    assert read == 0
    for taken in range(1, 20):
        assert next(stream) == (taken, str(taken))
        assert read <= taken + 5
    stream.close()


def test_an_early_end_stops_reading_and_leaves_no_thread():
    before = threading.active_count()
    stream = pipelined(iter(range(1000)), str)
    next(stream)
    stream.close()
    assert threading.active_count() == before
    assert list(stream) == []


def test_stages_overlap():
    # Each stage waits for the other to be at work: only a pipeline gets past it.
    first, second = threading.Event(), threading.Event()

    def a(value):
        if value == 1:
            first.set()
            assert second.wait(10)
        return value

    def b(value):
        if value == 0:
            second.set()
            assert first.wait(10)
        return value

    assert [value for value, _ in pipelined(range(3), a, b)] == [0, 1, 2]


def test_a_model_streams_a_generator(linear):
    with AutoModel.from_pretrained(linear.package()) as model:
        rows = ((i, 0) for i in range(20))
        pairs = list(model.stream(rows, scale=2))
        assert pairs == [((i, 0), [20.0 + 2 * i, 40.0 + 6 * i]) for i in range(20)]


def test_a_bad_input_in_a_stream_is_an_error_after_the_good_ones(linear):
    good = []
    with AutoModel.from_pretrained(linear.package()) as model:
        with pytest.raises(InvalidInput, match="a row is 2 numbers"):  # noqa: PT012
            for _, result in model.stream([(0, 0), (1, 2, 3), (1, 1)]):
                good.append(result)
        assert good == [[10.0, 20.0]]
        assert model((0, 0)) == [10.0, 20.0]


def test_a_stream_pads_for_a_static_batch(linear):
    with AutoModel.from_pretrained(linear.package(graph={"batch": 3})) as model:
        assert [result for _, result in model.stream([(0, 0), (1, 1)])] == [[10, 20], [13, 27]]


@pytest.mark.parametrize("single", ["photo.jpg", b"bytes", Path("photo.jpg"), {"x": 1}, 5, None])
def test_what_is_no_series_of_inputs_is_refused_at_once(linear, single):
    with (
        AutoModel.from_pretrained(linear.package()) as model,
        pytest.raises(InvalidArgument, match="several inputs"),
    ):
        model.stream(single)
