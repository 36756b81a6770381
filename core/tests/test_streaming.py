"""`Model.stream` and the pipeline below it: order, errors in place, laziness, early ends, batches."""

from __future__ import annotations

import contextlib
import itertools
import queue
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core import AutoModel, InvalidArgument, InvalidInput, pipeline
from inference_core.live_pipeline import LivePipeline
from inference_core.streaming import ResultStream, pipelined


def each(function):
    """A stage that does the same to each of a batch."""
    return lambda batch: [function(value) for value in batch]


def live(inputs, stage):
    return ResultStream(LivePipeline(inputs, [stage]))


def threads():
    return {t for t in threading.enumerate() if t.name.startswith("inference-stream")}


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = threads()
    yield
    assert threads() <= before


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
        yield from (2, 3)

    seen = []
    with pytest.raises(MemoryError):  # noqa: PT012
        for value, _ in pipelined(inputs(), [stage, held(gate, until=3)], batch=2):
            seen.append(value)
    assert seen == [1]


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


def test_an_early_end_stops_reading_closes_the_source_and_leaves_no_thread():
    ended = []

    def inputs():
        try:
            yield from range(1000)
        finally:
            ended.append(threading.current_thread().name)

    stream = pipelined(inputs(), [each(str)])
    next(stream)
    stream.close()
    assert ended == ["inference-stream-read"]
    assert threads() == set()
    assert list(stream) == []


def test_leaving_the_loop_is_enough():
    ended = threading.Event()

    def inputs():
        try:
            yield from range(1000)
        finally:
            ended.set()

    for _ in pipelined(inputs(), [each(str)]):
        break
    assert ended.wait(10)


class Endless:
    """Numbers without an end, and whether they were closed."""

    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        try:
            yield from itertools.count()
        finally:
            self.closed.set()


def streamed(inputs, kind):
    return live(inputs, list) if kind == "live" else pipelined(inputs, [list])


each_kind = pytest.mark.parametrize("kind", ["live", "all"])


@each_kind
def test_the_end_of_with_stops_a_stream_that_has_a_name(kind):
    inputs = Endless()
    with streamed(inputs, kind) as stream:
        for _ in stream:
            break
        assert not inputs.closed.is_set()
    assert inputs.closed.is_set()
    assert threads() == set()
    assert next(stream, None) is None


@each_kind
def test_without_with_a_stream_that_has_a_name_goes_on_after_its_loop_until_it_is_let_go(kind):
    inputs = Endless()
    stream = streamed(inputs, kind)
    seen = []
    for _ in range(2):
        for value, _ in stream:
            seen.append(value)
            break
    assert seen[0] < seen[1]
    assert not inputs.closed.is_set()
    del stream
    assert inputs.closed.is_set()
    assert threads() == set()


@each_kind
def test_a_stream_that_nobody_read_closes_its_inputs_too(kind):
    class Inputs:
        closed = 0

        def __iter__(self):
            return self

        def __next__(self):
            raise AssertionError("nobody asked")

        def close(self):
            self.closed += 1

    inputs = Inputs()
    with streamed(inputs, kind) as stream:
        pass
    stream.close()
    assert inputs.closed == 1
    assert list(stream) == []


@each_kind
@pytest.mark.parametrize("where", ["inputs", "stage"])
def test_another_thread_may_close_a_stream_and_who_waits_for_its_results_gets_no_more(kind, where):
    taken, asleep, go, ended = threading.Event(), threading.Event(), threading.Event(), []

    def wait(value):
        if taken.is_set():
            asleep.set()
            assert go.wait(10)
        return value

    def inputs():
        for value in itertools.count():
            yield wait(value) if where == "inputs" else value

    stage = each(wait if where == "stage" else int)
    stream = live(inputs(), stage) if kind == "live" else pipelined(inputs(), [stage])
    next(stream)
    taken.set()

    def consume():
        ended.append(len(list(stream)))
        go.set()  # what is awaited ends only after the loop has

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert asleep.wait(10)
    stream.close()
    consumer.join(10)
    assert len(ended) == 1
    assert ended[0] <= 3  # those that were ready before
    assert threads() == set()


def test_a_stage_may_close_its_own_stream():
    streams, asked, closed = [], threading.Event(), []

    def stage(batch):
        if batch == [3]:
            asked.wait(10)
            streams[0].close()  # which can't wait for the stage
            closed.append(batch)
        return batch

    streams.append(pipelined(range(1000), [stage]))
    stream = streams[0]
    assert [next(stream), next(stream)] == [(0, 0), (1, 1)]
    asked.set()
    assert list(stream) in ([], [(2, 2)])
    stream.close()
    assert closed == [[3]]
    assert threads() == set()


@pytest.mark.parametrize("batch", [1, 4])
def test_each_result_goes_to_one_of_the_threads_that_ask(batch):
    stream, taken = pipelined(range(200), [list, list], batch), [[], [], []]
    consumers = [threading.Thread(target=each.extend, args=(stream,)) for each in taken]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(10)
    assert sorted(pair for each in taken for pair in each) == [(n, n) for n in range(200)]
    assert all(each == sorted(each) for each in taken)


def test_threads_that_ask_share_a_batch():
    working, asked, end, taken = (*(threading.Event() for _ in range(3)), [])

    def inputs():
        yield 0
        assert working.wait(10)
        yield from (1, 2, 3)
        assert end.wait(10)

    def second(batch):
        working.set()
        assert asked.wait(10)
        return batch

    stream = pipelined(inputs(), [list, second], batch=4)
    # 0 and 1 go as soon as they are there, and 2 and 3 together.
    consumers = [
        threading.Thread(target=lambda: taken.append(next(stream)), daemon=True) for _ in range(4)
    ]
    for consumer in consumers:
        consumer.start()
    time.sleep(0.05)  # whoever may wait does it now
    asked.set()
    for consumer in consumers:
        consumer.join(5)
    end.set()
    assert sorted(taken) == [(n, n) for n in range(4)]
    assert list(stream) == []


class Input:
    """What can be seen to be freed."""

    def __init__(self, value):
        self.value = value


def test_a_stream_that_is_being_closed_gives_and_then_holds_nothing_more():
    """Of the batch that was taken last, the rest isn't handed out; the source wakes after the end."""
    made = weakref.WeakSet()
    working, read, go = threading.Event(), threading.Event(), threading.Event()

    def new(value):
        made.add(one := Input(value))
        return one

    def inputs():
        yield new(0)
        assert working.wait(10)
        for value in range(1, 5):
            yield new(value)
        read.set()
        assert go.wait(10)
        yield new(5)

    def second(batch):
        working.set()
        assert read.wait(10)
        return [None] * len(batch)

    stream = pipelined(inputs(), [list, second], batch=4)
    # 1 goes as soon as it is there, and 2, 3 and 4 together.
    assert [next(stream)[0].value for _ in range(3)] == [0, 1, 2]
    closing = threading.Thread(target=stream.close)
    closing.start()
    while not stream._pipeline._stopped:
        time.sleep(0.001)
    assert closing.is_alive()  # for the source sleeps
    assert list(stream) == []
    go.set()
    closing.join(10)
    assert len(made) == 0


def test_one_of_the_threads_that_ask_gets_the_error_and_the_others_the_end():
    def inputs():
        yield 1
        raise OSError("the camera is gone")

    stream, ends = pipelined(inputs(), [list]), []

    def consume():
        try:
            ends.append(list(stream))
        except OSError as error:
            ends.append(str(error))

    assert next(stream) == (1, 1)
    consumers = [threading.Thread(target=consume) for _ in range(3)]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(10)
    assert sorted(ends, key=str) == [[], [], "the camera is gone"]


@each_kind
def test_after_an_error_nothing_more_is_worked_on(kind):
    worked, taken, failed = [], threading.Event(), threading.Event()

    def stage(batch):
        worked.extend(batch)
        if batch == [1]:
            failed.set()
            raise ValueError("not this one")
        return batch

    def inputs():
        yield 0
        assert taken.wait(10)
        yield 1
        assert failed.wait(10)
        yield from (2, 3)

    stream = live(inputs(), stage) if kind == "live" else pipelined(inputs(), [stage, list])
    assert next(stream) == (0, 0)
    taken.set()
    assert failed.wait(10)
    time.sleep(0.05)  # whoever may work on does it now
    with pytest.raises(ValueError, match="not this one"):
        next(stream)
    assert worked == [0, 1]
    assert list(stream) == []


def woken_after_the_end(inputs, asleep, wake, monkeypatch):
    """Leave the loop over inputs when they are asleep, and only then wake them."""
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.05)
    seen = []

    def consume():
        for value, _ in pipelined(inputs, [each(str)]):
            seen.append(value)
            asleep.wait(10)
            break

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    consumer.join(10)
    ended = not consumer.is_alive()
    stages = {thread.name for thread in threads()} - {"inference-stream-read"}
    left = threads()
    wake()
    for thread in left:
        thread.join(10)
    assert ended
    assert seen == [1]
    assert stages == set()
    assert len(left) == 1


def test_leaving_the_loop_does_not_wait_for_ever_for_a_source_that_waits(monkeypatch):
    waiting, asleep = queue.Queue(), threading.Event()
    waiting.put(1)

    def get():
        if waiting.empty():
            asleep.set()
        return waiting.get()

    woken_after_the_end(iter(get, None), asleep, lambda: waiting.put(2), monkeypatch)
    assert waiting.empty()  # the reader took one more and went


def test_a_source_that_was_left_is_not_waited_for_again_and_what_it_gives_is_dropped(monkeypatch):
    made = weakref.WeakSet()
    asleep, go = threading.Event(), threading.Event()

    def inputs():
        yield 1
        asleep.set()
        assert go.wait(60)
        made.add(one := Input(2))
        yield one

    stream = pipelined(inputs(), [list])
    assert next(stream) == (1, 1)
    assert asleep.wait(10)
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.05)
    stream.close()
    (left,) = threads()
    monkeypatch.setattr(pipeline, "_PATIENCE", 3600)
    again = threading.Thread(target=stream.close, daemon=True)
    again.start()
    again.join(5)
    assert not again.is_alive()
    go.set()
    left.join(10)
    assert len(made) == 0


def test_a_source_that_was_left_is_closed_when_it_wakes(monkeypatch):
    asleep, go, ended = threading.Event(), threading.Event(), []

    def inputs():
        try:
            yield 1
            asleep.set()
            go.wait(10)
            yield 2
        finally:
            ended.append(threading.current_thread().name)

    woken_after_the_end(inputs(), asleep, go.set, monkeypatch)
    assert ended == ["inference-stream-read"]


def test_a_source_that_was_left_and_fails_to_close_says_so_itself(monkeypatch):
    asleep, go, told = threading.Event(), threading.Event(), []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(str(args.exc_value)))

    def inputs():
        try:
            yield 1
            asleep.set()
            go.wait(10)
            yield 2
        finally:
            raise OSError("the camera hangs")

    woken_after_the_end(inputs(), asleep, go.set, monkeypatch)
    assert told == ["the camera hangs"]


def test_a_source_that_takes_its_time_to_close_is_waited_for(monkeypatch):
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.01)
    ended = []

    def inputs():
        try:
            yield from range(1000)
        finally:
            time.sleep(0.2)
            ended.append(True)

    for _ in pipelined(inputs(), [each(str)]):
        break
    assert ended == [True]


def test_a_source_that_fails_to_close_says_so():
    def inputs():
        try:
            yield from range(1000)
        finally:
            raise OSError("the camera hangs")

    stream = pipelined(inputs(), [each(str)])
    next(stream)
    with pytest.raises(OSError, match="hangs"):
        stream.close()


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


def test_a_live_stream_drops_what_comes_while_it_is_busy_and_counts_it():
    """The stage is held at its first input until the source has given all of them."""
    read, busy, done = [], threading.Event(), threading.Event()

    def inputs():
        yield 0
        assert busy.wait(5)
        for value in range(1, 10):
            read.append(value)
            yield value
        done.set()

    def stage(batch):
        busy.set()
        assert done.wait(5)
        return batch

    stream = live(inputs(), stage)
    assert stream.dropped == 0
    assert list(stream) == [(0, 0), (9, 9)]
    assert read == list(range(1, 10))  # none was held back
    assert stream.dropped == 8


def test_a_live_stream_that_keeps_up_drops_nothing():
    wanted = threading.Semaphore(1)

    def inputs():
        for value in range(20):
            assert wanted.acquire(timeout=5)
            yield value

    stream, pairs = live(inputs(), list), []
    for pair in stream:
        pairs.append(pair)
        wanted.release()
    assert pairs == [(value, value) for value in range(20)]
    assert stream.dropped == 0


def test_a_live_loop_that_takes_its_time_gets_the_newest_result_and_the_others_are_counted():
    """Nobody asks for a result while the stage is at work on nine inputs, one after the other."""
    begun = [threading.Event() for _ in range(11)]

    def stage(batch):
        begun[batch[0]].set()
        return batch

    def inputs():
        for value, each in enumerate(begun):
            yield value
            assert each.wait(10)  # nothing is replaced before the stage

    with live(inputs(), stage) as stream:
        assert next(stream) == (0, 0)
        assert begun[10].wait(10)
        assert next(stream)[0] >= 9  # the last may be on its way
        list(stream)
        assert stream.dropped in (8, 9)


@given(
    count=st.integers(0, 40),
    naps=st.lists(st.sampled_from([0, 0, 0.0005, 0.002]), min_size=1, max_size=7),
    loop=st.lists(st.sampled_from([0, 0, 0.001, 0.003, 0.02]), min_size=1, max_size=7),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_pace_a_live_stream_keeps_the_order_the_age_the_last_and_the_count(
    count, naps, loop
):
    """Ages are told by what came before what, not by a clock."""
    came, floor, begun = -1, -1, []

    def inputs():
        nonlocal came
        for value in range(count):
            time.sleep(naps[value % len(naps)])
            yield value
            came = value  # the reader has it, and asks for the next

    def stage(batch):
        nonlocal floor
        assert batch[0] >= floor  # the newest of those that had come when the last run ended
        begun.extend(batch)
        time.sleep(naps[-1 - batch[0] % len(naps)])
        floor = came
        return [value * 10 for value in batch]

    stream, seen = live(inputs(), stage), []
    while True:
        ready = begun[-2] if len(begun) > 1 else -1  # what was begun before the last has a result
        value, result = next(stream, (None, None))
        if value is None:
            break
        assert value >= ready
        assert result == value * 10
        seen.append(value)
        time.sleep(loop[value % len(loop)])
    assert seen == sorted(set(seen))
    assert seen[-1:] == ([count - 1] if count else [])
    assert len(seen) + stream.dropped == count


def test_an_error_of_live_inputs_comes_after_the_newest_of_them():
    busy, done = threading.Event(), threading.Event()

    def inputs():
        yield 0
        assert busy.wait(5)
        yield 1
        yield 2
        done.set()
        raise OSError("the camera is gone")

    def stage(batch):
        busy.set()
        assert done.wait(5)
        return batch

    stream = live(inputs(), stage)
    assert [next(stream), next(stream)] == [(0, 0), (2, 2)]
    with pytest.raises(OSError, match="the camera is gone"):
        next(stream)
    assert stream.dropped == 1


def test_a_program_may_end_with_a_stream_left_open():
    program = """
import itertools
from inference_core.streaming import pipelined
stream = pipelined(itertools.count(), [list])
print(next(stream))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "(0, 0)\n", "")


def test_a_model_streams_a_generator(linear):
    with AutoModel.from_pretrained(linear.package()) as model:
        rows = ((i, 0) for i in range(20))
        pairs = list(model.stream(rows, scale=2))
        assert pairs == [((i, 0), [20.0 + 2 * i, 40.0 + 6 * i]) for i in range(20)]
        assert set(linear.sessions[-1].batches) == {1}


def test_a_model_streams_live_one_at_a_time(linear):
    package = linear.package(graph={"delay": 0.02})
    with AutoModel.from_pretrained(package, batch_size=3) as model:
        stream = model.stream(((i, 0) for i in range(50)), live=True)
        pairs = list(stream)
        assert pairs[-1] == ((49, 0), [59.0, 167.0])
        assert len(pairs) + stream.dropped == 50
        assert stream.dropped > 0
        assert set(linear.sessions[-1].batches) == {1}
        with pytest.raises(InvalidArgument, match="live='yes' must be True or False"):
            model.stream([], live="yes")


def test_leaving_the_loop_of_a_live_stream_stops_it_and_the_camera(linear):
    closed = threading.Event()

    def camera():
        try:
            for index in itertools.count():
                time.sleep(0.001)
                yield (index, 0)
        finally:
            closed.set()

    with AutoModel.from_pretrained(linear.package()) as model:
        for _ in model.stream(camera(), live=True):
            break
        assert closed.is_set()
        closed.clear()
        with model.stream(camera(), live=True) as stream:
            for _ in stream:
                break
        assert closed.is_set()


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
