"""What pictures cost besides the graph: CPU time that detection and segmentation add to a run.

The graph gives a constant: 40 objects in a tensor (1, 84, 8400), and 32 prototypes of masks where it
segments. `model(picture)` is compared with what a careful user would write around the same session,
`plain_detection.py`, in turn and in changing order, with one thread; the ratio is the median of the
rounds'. The answers are compared, too: boxes equal to half a pixel, masks to a few of their pixels at
the border. Where Roboflow's inference-models is installed, it takes its turn, too.

Read it on a machine with nothing else to do: what others do to the caches counts as CPU time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from inference_core import AutoModel
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from plain_detection import PlainDetector
from roboflow_detection import roboflow_detector

CALLS = 12
OBJECTS, NEAR, CLASSES, BOXES, PROTOTYPES = 40, 6, 80, 8400, 32
SOURCES = {"640x640": (640, 640), "1280x720": (1280, 720)}


def measure(rounds: int = 15) -> dict[str, Any]:
    """Medians of the added CPU milliseconds, and ours as a part of the others', by task and source."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        return {
            f"{task} {name}": _measure_one(Path(folder), task, size, rounds)
            for task in ("detect", "segment")
            for name, size in SOURCES.items()
        }


def _measure_one(folder: Path, task: str, size: tuple[int, int], rounds: int) -> dict[str, float]:
    path = folder / f"{task}-{size[0]}.onnx"
    _write_graph(path, task, size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    plain, tight = PlainDetector(session), PlainDetector(session, tight=True)
    picture = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    feeds = {"images": np.zeros((1, 3, 640, 640), np.float32)}
    with AutoModel.from_pretrained(path, backend="onnx", options={"threads": 1}) as model:
        for other in (plain, tight):
            _compare(model(picture), other(picture))
        calls: dict[str, Callable[[], object]] = {
            "ours": lambda: model(picture),
            "plain": lambda: plain(picture),
            "tight": lambda: tight(picture),
            "run": lambda: session.run(None, feeds),
        }
        roboflow = roboflow_detector(path, task, CLASSES, 640)
        if roboflow is not None:
            assert roboflow(picture) == OBJECTS
            calls["roboflow"] = lambda: roboflow(picture)
        added: dict[str, list[float]] = {name: [] for name in calls if name != "run"}
        order = np.random.default_rng(0)
        for _ in range(rounds):
            names = order.permutation(list(calls)).tolist()
            spent = {name: _cpu_ms(calls[name]) for name in names}
            for name, values in added.items():
                values.append(spent[name] - spent["run"])
    figures = {f"{name}_ms": statistics.median(values) for name, values in added.items()}
    for name in [name for name in added if name != "ours"]:
        pairs = zip(added["ours"], added[name], strict=True)
        figures[f"{name}_ratio"] = statistics.median(ours / other for ours, other in pairs)
    return {figure: round(value, 3) for figure, value in figures.items()}


def _cpu_ms(call: Callable[[], object]) -> float:
    """Of one among several calls in a row, as a program makes them: the first ones don't count."""
    spent = []
    for _ in range(CALLS):
        begin = time.process_time_ns()
        call()
        spent.append(time.process_time_ns() - begin)
    return statistics.median(spent[2:]) / 1e6


def _compare(ours: Any, plain: tuple[NDArray[Any], ...]) -> None:
    boxes, scores, class_ids, *masks = plain
    assert len(ours) == OBJECTS
    np.testing.assert_allclose(ours.xyxy, boxes, atol=0.5)
    np.testing.assert_allclose(ours.confidence, scores, atol=1e-6)
    np.testing.assert_array_equal(ours.class_id, class_ids)
    if masks:
        shared = (ours.masks & masks[0]).sum(axis=(1, 2)) / (ours.masks | masks[0]).sum(axis=(1, 2))
        assert shared.min() > 0.9, shared.min()


def _write_graph(path: Path, task: str, size: tuple[int, int]) -> None:
    """An ONNX file as Ultralytics exports it, whose answer doesn't depend on the picture."""
    values = {"output0": _boxes(size, PROTOTYPES if task == "segment" else 0)}
    if task == "segment":
        values["output1"] = _prototypes()
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 640, 640])
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_value"], [name]) for name in values],
        "constant",
        [images],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in values.items()
        ],
        [numpy_helper.from_array(value, f"{name}_value") for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    names = {index: f"class {index}" for index in range(CLASSES)}
    metadata = {"task": task, "names": str(names), "stride": "32", "imgsz": "[640, 640]"}
    helper.set_model_props(model, metadata)
    onnx.save(model, path)


def _boxes(size: tuple[int, int], extras: int) -> NDArray[np.float32]:
    """(1, 84 + extras, 8400): each object six times, a little moved, among low scores."""
    rng = np.random.default_rng(0)
    raw = np.zeros((4 + CLASSES + extras, BOXES), np.float32)
    raw[:4] = rng.random((4, BOXES)) * 600 + 20
    raw[4 : 4 + CLASSES] = rng.random((CLASSES, BOXES)) ** 4 * 0.2
    height = 640 * min(1, size[1] / size[0])  # of the picture in the input
    places = rng.permutation(BOXES)[: OBJECTS * NEAR].reshape(OBJECTS, NEAR)
    for index, columns in enumerate(places):
        x, y = 40 + index % 8 * 80, (index // 8 + 0.5) * height / 5 + (640 - height) / 2
        box = np.array([x, y, 60 + index % 3 * 5, height / 5 * 0.8])
        raw[:4, columns] = box[:, None] + rng.random((4, NEAR)) * 4
        raw[4 + rng.integers(CLASSES), columns] = 0.3 + 0.6 * rng.random(NEAR)
        raw[4 + CLASSES :, columns] = rng.normal(size=(extras, 1))
        raw[4 + CLASSES : 5 + CLASSES, columns] = 4  # of the prototype that is 1 everywhere
    return raw[None]


def _prototypes() -> NDArray[np.float32]:
    """(1, 32, 160, 160): one that is 1 everywhere, and smooth random fields."""
    coarse = np.random.default_rng(2).normal(size=(PROTOTYPES, 10, 10)).astype(np.float32)
    coarse[0] = 1
    fields = [cv2.resize(field, (160, 160), interpolation=cv2.INTER_CUBIC) for field in coarse]
    return np.stack(fields)[None]


if __name__ == "__main__":
    for figure, row in measure().items():
        print(figure, row)
