"""What a call through `Model` adds to onnxruntime's own: microseconds on a tiny graph.

Blocks of calls alternate between the two; the figure is the difference of the medians per call.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from inference_core import AutoModel
from onnx import TensorProto, helper


def measure(blocks: int = 60, calls: int = 1000) -> dict[str, Any]:
    """Medians per call in microseconds: `predict_tensors`, `session.run`, and their difference."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tiny.onnx")
        _write_tiny(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        model = AutoModel.from_pretrained(path, backend="onnx", options={"threads": 1})
        feeds = {"x": np.ones((1, 4), np.float32)}
        ours, bare = [], []
        for _ in range(blocks):
            ours.append(_time(lambda: model.predict_tensors(feeds), calls))
            bare.append(_time(lambda: session.run(None, feeds), calls))
        model.close()
    a, b = statistics.median(ours), statistics.median(bare)
    return {
        "ours_us": round(a, 2),
        "bare_us": round(b, 2),
        "added_us": round(a - b, 2),
        "ratio": round(a / b, 3),
    }


def _time(call: Callable[[], object], calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls * 1e6


def _write_tiny(path: Path) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    node = helper.make_node("Add", ["x", "x"], ["y"])
    graph = helper.make_graph([node], "tiny", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
