"""Through AutoModel: exports of tasks that aren't detection are never answered as detections."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from inference_core import AutoModel, InferenceError, InvalidModel
from onnx import TensorProto, helper, numpy_helper

ONNX = {"backend": "onnx", "device": "cpu", "options": {"threads": 1}}
LABELS = ["circle", "square", "triangle"]
BOXES = 2100
# The outputs of each task for three labels: 32 coefficients of masks, 17 keypoints, an angle.
OUTPUTS = {
    "segment": [(1, 4 + 3 + 32, BOXES), (1, 32, 160, 160)],
    "pose": [(1, 4 + 3 + 17 * 3, BOXES)],
    "obb": [(1, 4 + 3 + 1, BOXES)],
}


def export(path, task: str) -> None:
    """An ONNX file as Ultralytics exports that task, with zeros for an answer."""
    nodes, outputs = [], []
    for index, shape in enumerate(OUTPUTS[task]):
        name = f"output{index}"
        value = numpy_helper.from_array(np.zeros(1, np.float32))
        size = numpy_helper.from_array(np.array(shape, np.int64))
        nodes.append(helper.make_node("Constant", [], [f"size{index}"], value=size))
        nodes.append(helper.make_node("ConstantOfShape", [f"size{index}"], [name], value=value))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 320, 320))
    graph = helper.make_graph(nodes, "graph", [images], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    names = str(dict(enumerate(LABELS)))
    helper.set_model_props(
        model, {"task": task, "names": names, "stride": "32", "imgsz": "[320, 320]"}
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def manifest(folder, labels: list[str]) -> None:
    content = {
        "schema_version": 1,
        "name": "claims",
        "task": "object-detection",
        "labels": labels,
        "processor": {"name": "yolo"},
        "artifacts": [{"format": "onnx", "parts": {"model": "export.onnx"}}],
    }
    (folder / "model.json").write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize("task", OUTPUTS)
def test_a_bare_export_of_another_task_gives_no_detections(task, tmp_path, picture):
    export(tmp_path / "export.onnx", task)
    with (
        pytest.raises(InferenceError),
        AutoModel.from_pretrained(tmp_path / "export.onnx", **ONNX) as model,
    ):
        model(picture)


@pytest.mark.parametrize("task", OUTPUTS)
def test_a_manifest_that_claims_another_task_for_detection_is_refused(task, tmp_path):
    export(tmp_path / "export.onnx", task)
    manifest(tmp_path, LABELS)
    with pytest.raises(InvalidModel, match=r"no output fits.*3 labels.*other tasks"):
        AutoModel.from_pretrained(tmp_path, **ONNX)


def test_a_manifest_without_labels_is_refused_for_a_model_that_segments(tmp_path):
    export(tmp_path / "export.onnx", "segment")
    manifest(tmp_path, [])
    with pytest.raises(InvalidModel, match="without labels"):
        AutoModel.from_pretrained(tmp_path, **ONNX)
