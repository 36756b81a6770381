"""`Model.stream` over a video against its slowest stage alone: frames per second, in one run.

The model is a made-up YOLO graph whose run, on one thread, is most of the whole and takes about as
long as that of a small detector; the stages are those of the library (`Model.stages`, `Video`),
called one after the other for the comparison. Straight and streamed passes over parts of the video
alternate, so that a machine whose speed drifts slows both. Run as a script: `python stream.py` prints
the figures.

Stages that run side by side share caches and memory, which slows each: a run so short that the others
take half as long comes to 0.8 on two cores where the one here comes to 0.96.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from inference_core import AutoModel, Model
from inference_core.streaming import pipelined
from inference_vision import Frame, Video
from onnx import TensorProto, helper, numpy_helper

SIDE = 640


def measure(frames: int = 300, parts: int = 10) -> dict[str, Any]:
    """Milliseconds per frame of each stage alone, of their sum, of the stream, and the ratio.

    "ratio" is the stream's frame rate over that of the slowest stage: the median of the ratios of the
    parts, so that one which something else disturbed doesn't count. "run_share" is the run's part of
    the sum, which must be at least a half. "ratio_asleep" is the ratio with a run that sleeps as long
    instead: what the pipeline itself costs, also where other programs want the cores.
    """
    cv2.setNumThreads(1)  # its own threads would take the cores that the stages share
    with tempfile.TemporaryDirectory() as folder:
        video, graph = Path(folder, "video.mp4"), Path(folder, "detector.onnx")
        _write_video(video, frames)
        _write_detector(graph)
        with AutoModel.from_pretrained(graph, backend="onnx", options={"threads": 1}) as model:
            return _measured(model, video, frames // parts)


def _measured(model: Model, path: Path, length: int) -> dict[str, Any]:
    spent: dict[str, list[float]] = {"read": [], **{name: [] for name in model.stages()}}
    streamed, ratios = [], []
    # Two passes through the same video, a part of each in turn.
    with Video(path) as one, Video(path) as other:
        straight, ahead = iter(one), iter(other)
        for _ in model.stream(itertools.islice(iter(Video(path)), 10)):
            pass  # warm-up
        while True:
            part = list(_straight(model, straight, length, spent))
            if not part:
                break
            begin = time.perf_counter()
            results = [result for _, result in model.stream(itertools.islice(ahead, length))]
            streamed.append((time.perf_counter() - begin) / len(results))
            alone = max(statistics.fmean(seconds[-len(part) :]) for seconds in spent.values())
            ratios.append(alone / streamed[-1])
            if [len(result) for result in results] != part:
                raise SystemExit("the stream found other objects than the stages one by one")
    means = {name: statistics.fmean(seconds) for name, seconds in spent.items()}
    slowest = max(means, key=lambda name: means[name])
    total = sum(means.values())
    per_frame = statistics.fmean(streamed)
    return {
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "frames": len(spent["read"]),
        "stage_ms": {name: round(seconds * 1e3, 2) for name, seconds in means.items()},
        "straight_ms": round(total * 1e3, 2),
        "stream_ms": round(per_frame * 1e3, 2),
        "slowest": slowest,
        "run_share": round(means["run"] / total, 3),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "ratio_asleep": round(_asleep(model, path, means["run"]), 3),
    }


def _asleep(model: Model, path: Path, seconds: float) -> float:
    """The stream's frame rate over that of a run that takes so many seconds and no processor."""
    stages = model.stages()
    with Video(path) as video:
        outputs, *_ = stages["run"](stages["preprocess"]([next(iter(video))]))
    slept = []

    def run(ready: Any) -> Any:
        begin = time.perf_counter()
        time.sleep(seconds)
        slept.append(time.perf_counter() - begin)
        return outputs, *ready[1:]

    with Video(path) as video:
        begin = time.perf_counter()
        count = sum(1 for _ in pipelined(video, {**stages, "run": run}.values()))
    return statistics.fmean(slept) * count / (time.perf_counter() - begin)


def _straight(
    model: Model, frames: Iterator[Frame], length: int, spent: dict[str, list[float]]
) -> Iterator[int]:
    """The number of objects in each of the next frames; how long each stage took goes to `spent`."""
    for _ in range(length):
        begin = time.perf_counter()
        frame = next(frames, None)
        if frame is None:
            return
        spent["read"].append(time.perf_counter() - begin)
        value: Any = [frame]
        for name, stage in model.stages().items():
            begin = time.perf_counter()
            value = stage(value)
            spent[name].append(time.perf_counter() - begin)
        yield len(value[0])


def _write_video(path: Path, frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (1280, 720))
    noise = np.random.default_rng(0).integers(0, 40, (720, 1280, 3), np.uint8)
    for index in range(frames):
        picture = noise.copy()
        cv2.circle(picture, (100 + 3 * index, 360), 80, (200, 120, 60), -1)
        writer.write(picture)
    writer.release()


def _write_detector(path: Path) -> None:
    """A graph from (1, 3, 640, 640) to (1, 84, 8400) with some convolutions, and some true objects."""
    rng = np.random.default_rng(0)
    names, nodes, constants, channels = "images", [], [], 3
    for index, width in enumerate((32, 64, 128, 128)):
        weight = rng.normal(0, 0.1, (width, channels, 3, 3)).astype(np.float32)
        constants.append(numpy_helper.from_array(weight, f"w{index}"))
        nodes.append(
            helper.make_node(
                "Conv", [names, f"w{index}"], [f"c{index}"], strides=[2, 2], pads=[1, 1, 1, 1]
            )
        )
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        names, channels = f"r{index}", width
    # What it saw has no say in what it answers: the answer is fixed, the work is real.
    answer = np.zeros((1, 84, 8400), np.float32)
    for index in range(40):
        answer[0, :4, index] = 40 + 14 * index, 320, 12, 30
        answer[0, 4 + index, index] = 0.9
    constants += [
        numpy_helper.from_array(answer, "answer"),
        numpy_helper.from_array(np.zeros((), np.float32), "zero"),
    ]
    nodes += [
        helper.make_node("ReduceMean", [names], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output0"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 84, 8400])]
    graph = helper.make_graph(nodes, "detector", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    labels = {index: f"class {index}" for index in range(80)}
    helper.set_model_props(
        model, {"task": "detect", "names": repr(labels), "stride": "32", "imgsz": "[640, 640]"}
    )
    onnx.save(model, path)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
