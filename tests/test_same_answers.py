"""The bundled model gives the same answers on every backend, from every thread, again and again."""

from __future__ import annotations

import gc
import os
import statistics
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from inference_core import AutoModel

ROUNDS = 30


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
    return (
        a.labels == b.labels
        and np.array_equal(a.xyxy, b.xyxy)
        and np.array_equal(a.confidence, b.confidence)
    )


@pytest.fixture(scope="module")
def onnx_model(shapes):
    with AutoModel.from_pretrained("shapes", backend="onnx", options={"threads": 1}) as model:
        yield model


def test_onnx_and_torch_find_the_same_on_every_sample(onnx_model, pictures):
    pytest.importorskip("torch")
    assert len(pictures) >= 2
    with AutoModel.from_pretrained("shapes", backend="torch", options={"threads": 1}) as other:
        assert (onnx_model.backend, other.backend) == ("onnx", "torch")
        for picture in pictures:
            ours, theirs = onnx_model(picture), other(picture)
            assert len(ours) > 0
            assert ours.labels == theirs.labels, picture
            assert ours.image_size == theirs.image_size
            np.testing.assert_allclose(ours.xyxy, theirs.xyxy, rtol=0, atol=0.5)
            np.testing.assert_allclose(ours.confidence, theirs.confidence, rtol=0, atol=1e-3)


def test_a_list_a_stream_and_single_calls_agree(onnx_model, pictures):
    single = [onnx_model(picture) for picture in pictures]
    batch = onnx_model(list(pictures))
    streamed = [result for _, result in onnx_model.stream(pictures)]
    for one, two, three in zip(single, batch, streamed, strict=True):
        assert one.labels == two.labels == three.labels
        np.testing.assert_allclose(one.xyxy, two.xyxy, atol=0.5)
        assert same(one, three)


def test_sixteen_threads_get_what_one_gets(onnx_model, pictures):
    from inference_vision import read_image

    generator = np.random.default_rng(7)
    feeds = [{"images": generator.random((1, 3, 320, 320), np.float32)} for _ in range(2)]
    images = [read_image(picture).pixels for picture in pictures[:2]]
    # In turn the whole way with a picture, and the graph alone: its outputs must agree to the bit.
    calls = [partial(onnx_model, image) for image in images]
    calls += [partial(onnx_model.predict_tensors, each) for each in feeds]
    serial = [call() for call in calls]
    mistakes: list[str] = []

    def work(number: int) -> None:
        try:
            for turn in range(200):
                index = (number + turn) % 4
                if not same(calls[index](), serial[index]):
                    mistakes.append(f"thread {number}, turn {turn}")
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            mistakes.append(repr(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mistakes == []


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(params=["onnx", "torch"])
def one_round(request, shapes, pictures, tmp_path):
    """A function that loads a model, predicts, streams and closes it."""
    if request.param == "onnx":

        def work():
            with AutoModel.from_pretrained(
                "shapes", backend="onnx", options={"threads": 1}
            ) as model:
                model(pictures[0])
                assert len(list(model.stream(pictures[:1]))) == 1

        return work

    # The export of shapes takes seconds to load, thirty times; this one has 2 MB of weights.
    torch = pytest.importorskip("torch")
    program = torch.export.export(torch.nn.Linear(700, 700).eval(), (torch.zeros(1, 700),))
    path = tmp_path / "linear.pt2"
    torch.export.save(program, path)

    def work():
        with AutoModel.from_pretrained(path, backend="torch", options={"threads": 1}) as model:
            feeds = {model.inputs[0].name: np.ones((1, 700), np.float32)}
            assert model(feeds)
            assert len(list(model.stream([feeds]))) == 1

    return work


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_loading_predicting_and_closing_leaves_nothing_behind(one_round):
    memory, threads, files = [], [], []
    for _ in range(ROUNDS):
        one_round()
        gc.collect()
        memory.append(resident())
        threads.append(len(list(Path("/proc/self/task").iterdir())))
        files.append(len(list(Path("/proc/self/fd").iterdir())))
    # The first rounds fill caches and the allocator's pools. A leak of one model's weights, arena
    # or buffers in each round would show as ten times that.
    growth = statistics.median(memory[20:]) - statistics.median(memory[10:20])
    assert growth < 4 << 20, [size >> 20 for size in memory]
    assert max(threads[20:]) <= max(threads[10:20]), threads
    assert max(files[20:]) <= max(files[10:20]), files
