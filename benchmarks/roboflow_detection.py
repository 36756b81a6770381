"""Detection and segmentation with Roboflow's inference-models, where that is installed.

What `detection_overhead.py` compares with besides plain code. The package that it is given holds the
very graph that the others run.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

TASKS = {"detect": "object-detection", "segment": "instance-segmentation"}


def roboflow_detector(
    graph: Path, task: str, classes: int, side: int
) -> Callable[[NDArray[Any]], int] | None:
    """What counts the objects in a picture; None where inference-models isn't installed."""
    if importlib.util.find_spec("inference_models") is None:
        return None
    from inference_models import AutoModel

    folder = graph.with_suffix("")
    folder.mkdir()
    shutil.copy(graph, folder / "weights.onnx")
    names = "\n".join(f"class {index}" for index in range(classes))
    (folder / "class_names.txt").write_text(names, "utf-8")
    described = {
        "model_architecture": "yolov8",
        "task_type": TASKS[task],
        "backend_type": "onnx",
    }
    (folder / "model_config.json").write_text(json.dumps(described), "utf-8")
    config = {
        "image_pre_processing": {},
        "network_input": {
            "training_input_size": {"height": side, "width": side},
            "dynamic_spatial_size_supported": False,
            "color_mode": "rgb",
            "resize_mode": "letterbox",
            "padding_value": 114,
            "input_channels": 3,
            "scaling_factor": 255,
            "normalization": None,
        },
        "forward_pass": {"static_batch_size": 1},
        "post_processing": {"type": "nms", "fused": False},
    }
    (folder / "inference_config.json").write_text(json.dumps(config), "utf-8")
    model = AutoModel.from_pretrained(str(folder), device="cpu")

    def count(picture: NDArray[Any]) -> int:
        answer = model(picture, confidence=0.25, iou_threshold=0.45)
        return len(answer[0].xyxy)

    return count
