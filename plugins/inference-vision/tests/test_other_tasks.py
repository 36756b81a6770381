"""Through AutoModel: exports of every task are answered as what they are, and as nothing else."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from inference_core import AutoModel, InvalidModel
from onnx import TensorProto, helper, numpy_helper

ONNX = {"backend": "onnx", "device": "cpu", "options": {"threads": 1}}
LABELS = ["circle", "square", "triangle"]
BOXES = 2100
# The outputs of each task for three labels: 32 coefficients of masks, 17 keypoints, an angle.
OUTPUTS = {
    "segment": [(1, 4 + 3 + 32, BOXES), (1, 32, 80, 80)],
    "pose": [(1, 4 + 3 + 17 * 3, BOXES)],
    "obb": [(1, 4 + 3 + 1, BOXES)],
}
TASKS = {
    "segment": "instance-segmentation",
    "pose": "keypoint-detection",
    "obb": "oriented-object-detection",
}


def export(path, task: str) -> None:
    """An ONNX file as Ultralytics exports that task, whose answer is always one square."""
    nodes, outputs = [], []
    for index, shape in enumerate(OUTPUTS[task]):
        answer = np.ones(shape, np.float32) if index else np.zeros(shape, np.float32)
        if index == 0:
            answer[0, :4, 9] = 160, 160, 80, 40
            answer[0, 5, 9] = 0.875
            answer[0, 7:, 9] = np.pi / 2 if task == "obb" else 1
        value = numpy_helper.from_array(answer)
        nodes.append(helper.make_node("Constant", [], [f"output{index}"], value=value))
        outputs.append(helper.make_tensor_value_info(f"output{index}", TensorProto.FLOAT, shape))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 320, 320))
    graph = helper.make_graph(nodes, "graph", [images], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    metadata = {"task": task, "names": str(dict(enumerate(LABELS))), "stride": "32"}
    if task == "pose":
        metadata["kpt_shape"] = "[17, 3]"
    helper.set_model_props(model, metadata)
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
def test_a_bare_export_is_answered_as_its_own_task(task, tmp_path):
    export(tmp_path / "export.onnx", task)
    with AutoModel.from_pretrained(tmp_path / "export.onnx", **ONNX) as model:
        assert (model.task, list(model.labels)) == (TASKS[task], LABELS)
        found = model(np.zeros((320, 320, 3), np.uint8))
    assert [(one.label, one.confidence) for one in found] == [("square", 0.875)]
    upright, turned = [120, 140, 200, 180], [140, 120, 180, 200]
    np.testing.assert_allclose(found.xyxy, [turned if task == "obb" else upright], atol=1e-4)
    has = [found.masks is not None, found.keypoints is not None, found.corners is not None]
    assert has == [task == "segment", task == "pose", task == "obb"]
    if task == "segment":
        assert found.masks.sum() == 80 * 40


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
