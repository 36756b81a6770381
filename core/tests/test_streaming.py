"""`Model.stream` and the pipeline below it: order, errors in place, laziness, batches."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core import AutoModel, InvalidArgument, InvalidInput
from inference_core.streaming import pipelined

from .streams import each, no_thread_is_left, threads

__all__ = ["no_thread_is_left"]  # a fixture that this module's tests use


@given(
    inputs=st.lists(st.integers(0, 9), max_size=30),
    batch=st.integers(1, 5),
    stages=st.integers(1, 4),
    naps=st.lists(st.sampled_from([0, 0, 0.0005]), min_size=1, max_size=7),
)
@settings(max_examples=60, deadline=None)
def test_any_stages_give_what_a_loop_gives_in_its_order_up_to_its_first_error(
    inputs, batch, stages, naps
):
    def step(value):
        time.sleep(naps[value % len(naps)])
        return value + 100 // (value % 100 - 7)  # 7, and what becomes 7 in between, is an error

    def straight():
        for value in inputs:
            result = value
            for _ in range(stages):
                result = step(result)
            yield value, result

    expected, found = [], []
    for pairs, into in (
        (straight(), expected),
        (pipelined(iter(inputs), [each(step)] * stages, batch), found),
    ):
        try:
            into.extend([None])
            for pair in pairs:
                into.append(pair)
        except ZeroDivisionError:
            into.append("error")
    assert found == expected


def test_no_input_gives_no_result():
    assert list(pipelined([], [each(str)])) == []


def test_an_error_of_the_inputs_themselves_comes_after_those_before_it():
    def inputs():
        yield 1
        yield 2
        raise OSError("the camera is gone")

    seen = []
    with pytest.raises(OSError, match="camera"):  # noqa: PT012
        for value, _ in pipelined(inputs(), [each(str)]):
            seen.append(value)
    assert seen == [1, 2]


def test_a_batch_that_fails_though_each_of_it_passes_alone_is_an_error():
    def stage(batch):
        if len(batch) > 1:
            raise MemoryError("too many at once")
        return batch

    gate = threading.Event()

    def inputs():
        yield 1
        gate.wait(10)
        yield from (2, 3, 4)  # the last two wait together at the latest

    seen = []
    with pytest.raises(MemoryError):  # noqa: PT012
        for value, _ in pipelined(inputs(), [stage, held(gate, until=4)], batch=2):
            seen.append(value)
    assert seen in ([1], [1, 2])


def held(gate, until):
    """A stage that holds up the first that comes until `until` inputs can have been read."""

    def stage(batch):
        gate.set()
        time.sleep(0.05 * until)
        return batch

    return stage


@pytest.mark.parametrize(("stages", "batch"), [(1, 1), (3, 1), (3, 4)])
def test_so_many_inputs_are_read_ahead_and_not_one_more(stages, batch):
    read, limit = 0, (stages + 2) * batch - 1

    def endless():
        nonlocal read
        while True:
            read += 1
            yield read

    stream = pipelined(endless(), [each(int)] * stages, batch)
    assert read == 0
    most = 0
    for taken in range(1, 30):
        assert next(stream) == (taken, taken)
        time.sleep(0.002)  # whoever may read on does it now
        most = max(most, read - taken)
    stream.close()
    assert most <= limit
    assert most >= stages  # it does read ahead: one for each stage


def test_stages_overlap():
    # Each stage waits for the other to be at work: only a pipeline gets past it.
    first, second = threading.Event(), threading.Event()

    def a(batch):
        if batch == [1]:
            first.set()
            assert second.wait(10)
        return batch

    def b(batch):
        if batch == [0]:
            second.set()
            assert first.wait(10)
        return batch

    assert [value for value, _ in pipelined(range(3), [a, b])] == [0, 1, 2]


def test_what_waits_is_taken_together_and_what_does_not_is_not_waited_for():
    sizes, working, go = [], threading.Event(), threading.Event()

    def first(batch):
        sizes.append(len(batch))
        return batch

    def slow(batch):
        working.set()
        assert go.wait(10)
        return batch

    def inputs():
        yield 0  # goes alone, although there could be four
        assert working.wait(10)
        yield from range(1, 9)

    stream = pipelined(inputs(), [first, slow], batch=4)
    threading.Timer(0.1, go.set).start()
    assert [value for value, _ in stream] == list(range(9))
    assert sizes[0] == 1
    assert max(sizes) > 1
    assert all(size <= 4 for size in sizes)


def test_a_model_streams_a_generator(linear):
    with AutoModel.from_pretrained(linear.package()) as model:
        rows = ((i, 0) for i in range(20))
        pairs = list(model.stream(rows, scale=2))
        assert pairs == [((i, 0), [20.0 + 2 * i, 40.0 + 6 * i]) for i in range(20)]
        assert set(linear.sessions[-1].batches) == {1}


def test_a_model_streams_in_batches_where_it_was_told_so(linear):
    package = linear.package(graph={"delay": 0.01})
    with AutoModel.from_pretrained(package, batch_size=3) as model:
        results = [result for _, result in model.stream((i, 0) for i in range(20))]
        assert results == [[10.0 + i, 20.0 + 3 * i] for i in range(20)]
        batches = linear.sessions[-1].batches
        assert sum(batches) == 20
        assert max(batches) == 3


@pytest.mark.parametrize("batch_size", [None, 4])
def test_three_hundred_inputs_come_in_order_and_few_are_read_ahead(linear, batch_size):
    read, most = 0, 0

    def rows():
        nonlocal read
        for number in range(300):
            read += 1
            yield (number, 0)

    with AutoModel.from_pretrained(linear.package(), batch_size=batch_size) as model:
        stages = len(model.stages())
        for taken, (row, result) in enumerate(model.stream(rows()), 1):
            assert row == (taken - 1, 0)
            assert result == [10.0 + row[0], 20.0 + 3 * row[0]]
            if taken % 50 == 1:
                while read - taken < stages:  # one for each stage: so far it does read ahead
                    time.sleep(0.001)
                time.sleep(0.01)  # whoever may read on does it now
            most = max(most, read - taken)
    assert taken == read == 300
    assert most <= (stages + 2) * (batch_size or 1) - 1


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("way", ["break", "error"])
def test_leaving_the_loop_of_a_model_stops_reading_and_the_model_goes_on(linear, way, batch_size):
    read, ended = 0, threading.Event()

    def rows():
        nonlocal read
        try:
            for read in itertools.count():  # noqa: B007 - it is looked at from outside
                yield (0, 0)
        finally:
            ended.set()

    def consume(model):
        for number, _ in enumerate(model.stream(rows())):
            if number == 20 and way == "break":
                break
            if number == 20:
                raise KeyError("of the loop's own")

    with AutoModel.from_pretrained(linear.package(), batch_size=batch_size) as model:
        before = threads()
        with pytest.raises(KeyError) if way == "error" else contextlib.nullcontext():
            consume(model)
        assert ended.is_set()
        assert threads() == before
        left_at = read
        assert model((0, 0)) == [10.0, 20.0]
        assert read == left_at


def test_a_bad_input_in_a_stream_is_an_error_after_the_good_ones(linear):
    for batch_size in (None, 3):
        good = []
        with AutoModel.from_pretrained(linear.package(), batch_size=batch_size) as model:
            with pytest.raises(InvalidInput, match="a row is 2 numbers"):  # noqa: PT012
                for _, result in model.stream([(0, 0), (1, 1), (1, 2, 3), (1, 1)]):
                    good.append(result)
            assert good == [[10.0, 20.0], [13.0, 27.0]]
            assert model((0, 0)) == [10.0, 20.0]


def test_a_stream_pads_for_a_static_batch(linear):
    with AutoModel.from_pretrained(linear.package(graph={"batch": 3})) as model:
        assert [result for _, result in model.stream([(0, 0), (1, 1)])] == [[10, 20], [13, 27]]


def test_the_stages_one_by_one_are_what_predict_does(linear):
    rows = [(0, 0), (1, 1)]
    with AutoModel.from_pretrained(linear.package()) as model:
        stages = model.stages(scale=3)
        assert list(stages) == ["preprocess", "run", "postprocess"]
        value = rows
        for stage in stages.values():
            value = stage(value)
        assert value == model(rows, scale=3)
        with pytest.raises(InvalidArgument, match="did you mean 'scale'"):
            model.stages(scael=3)
    with AutoModel.from_pretrained(linear.file()) as plain:
        assert list(plain.stages()) == ["run"]


@pytest.mark.parametrize("single", ["photo.jpg", b"bytes", Path("photo.jpg"), {"x": 1}, 5, None])
def test_what_is_no_series_of_inputs_is_refused_at_once(linear, single):
    with (
        AutoModel.from_pretrained(linear.package()) as model,
        pytest.raises(InvalidArgument, match="several inputs"),
    ):
        model.stream(single)
