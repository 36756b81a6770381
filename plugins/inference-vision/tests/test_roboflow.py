"""Packages of Roboflow's platform: read as they are, prepared as they say, or refused by name."""

from __future__ import annotations

import copy
import json
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from inference_core import AutoModel, InvalidModel
from inference_vision.image import Image
from inference_vision.picture_input import PictureInput
from inference_vision.roboflow import read
from inference_vision.settings import PICTURE_SETTINGS, Settings
from onnx import TensorProto, helper, numpy_helper

ONNX = {"backend": "onnx", "device": "cpu", "options": {"threads": 1}}

MODEL = {"model_architecture": "yolov8", "task_type": "object-detection", "backend_type": "onnx"}
INFERENCE: dict[str, Any] = {
    "image_pre_processing": {"auto-orient": {"enabled": True}},
    "network_input": {
        "training_input_size": {"height": 64, "width": 96},
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


def graph(path, outputs, image=(1, 3, 64, 96)) -> None:
    """An ONNX file that answers anything with the arrays given; "mean" gives those of its channels."""
    nodes, specs = [], []
    for name, value in outputs.items():
        if isinstance(value, str):
            nodes.append(helper.make_node("ReduceMean", ["images", "axes"], [name], keepdims=0))
            specs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)))
            continue
        tensor = numpy_helper.from_array(np.asarray(value, np.float32))
        nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        specs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, np.shape(value)))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, image)
    axes = numpy_helper.from_array(np.array([2, 3], np.int64), "axes")
    made = helper.make_model(
        helper.make_graph(nodes, "graph", [images], specs, [axes]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(made)
    path.write_bytes(made.SerializeToString())


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with values replaced; keys of nested objects are written with dots."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        *parents, last = key.split(".")
        inner = result
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return result


@pytest.fixture
def package(tmp_path):
    """`package(model=…, inference=…, labels=…, outputs=…)`: a folder as the platform makes them."""

    def made(model=None, inference=None, labels=("a", "b", "c"), outputs=None):
        folder = tmp_path / "package"
        folder.mkdir()
        texts = {
            "model_config.json": json.dumps(merged(MODEL, model or {})),
            "inference_config.json": json.dumps(merged(INFERENCE, inference or {})),
            "class_names.txt": "\n".join(labels) + "\n",
        }
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
        graph(folder / "weights.onnx", outputs or {"output0": np.zeros((1, 7, 126))})
        return folder

    return made


def test_a_detector_answers_in_pixels_of_the_picture(package, picture):
    # 90 x 60 in 96 x 64: scale 16/15, all of it. One box, cx 48, cy 32, 32 x 16, of class 1.
    rows = np.zeros((1, 7, 126))
    rows[0, :, 5] = [48, 32, 32, 16, 0.1, 0.9, 0]
    with AutoModel.from_pretrained(package(outputs={"output0": rows}), **ONNX) as model:
        assert model.task == "object-detection"
        result = model(picture)
    assert result.labels == ("b",)
    np.testing.assert_allclose(result.xyxy, [[30, 22.5, 60, 37.5]], atol=1e-3)


def test_padding_is_where_their_rounding_puts_it(package):
    # 100 x 59 in 96 x 64: 56.64 rows, cut to 56; 4 above.
    pixels = np.zeros((59, 100, 3), np.uint8)
    rows = np.zeros((1, 7, 126))
    rows[0, :, 5] = [48, 32, 96, 56, 0.9, 0, 0]
    with AutoModel.from_pretrained(package(outputs={"output0": rows}), **ONNX) as model:
        np.testing.assert_allclose(model(pixels).xyxy, [[0, 0, 100, 59]], atol=1e-3)


def test_a_classifier_sees_the_channels_it_was_trained_with(package):
    folder = package(
        {"model_architecture": "resnet", "task_type": "multi-label-classification"},
        {
            "network_input.color_mode": "bgr",
            "network_input.resize_mode": "stretch",
            "network_input.normalization": [[0.1, 0.2, 0.3], [0.5, 0.25, 1.0]],
            "post_processing": {"type": "sigmoid", "fused": True},
        },
        outputs={"output0": "mean"},
    )
    colour = np.full((20, 30, 3), (51, 102, 204), np.uint8)  # RGB: 0.2, 0.4, 0.8
    with AutoModel.from_pretrained(folder, **ONNX) as model:
        assert model.task == "image-classification"
        result = model(colour, color_format="rgb")
    found = dict(zip(result.labels, result.confidence.tolist(), strict=True))
    assert found == pytest.approx({"a": (0.8 - 0.1) / 0.5, "b": 0.8, "c": -0.1}, abs=1e-4)


def test_what_a_transformer_removes_is_no_label_and_keeps_its_column(package, picture):
    scores = np.full((1, 5, 5), -9.0)
    scores[0, 2, 2] = 3  # column 2: "b", once "nothing" is gone
    scores[0, 3, 0] = 5  # what was removed
    scores[0, 4, 4] = 5  # a column beyond the names: no object
    boxes = np.tile([0.5, 0.5, 0.2, 0.4], (1, 5, 1))
    folder = package(
        {"model_architecture": "rfdetr"},
        {
            "network_input.resize_mode": "stretch",
            "class_names_operations": [{"type": "class_name_removal", "class_name": "nothing"}],
        },
        labels=("nothing", "a", "b", "c"),
        outputs={"dets": boxes, "labels": scores},
    )
    with AutoModel.from_pretrained(folder, **ONNX) as model:
        result = model(picture)
    assert result.labels == ("b",)
    assert result.class_id.tolist() == [1]
    np.testing.assert_allclose(result.xyxy, [[36, 18, 54, 42]], atol=1e-3)


def prepared(image: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Their preprocessing of a BGR picture, step by step: planes of float32.

    A statement of its own of the documented order: crop, grey, resize, channels, scale, normalise.
    """
    network, steps = config["network_input"], config["image_pre_processing"]
    height, width = (network["training_input_size"][side] for side in ("height", "width"))
    if (crop := steps.get("static-crop", {})).get("enabled"):
        h, w = image.shape[:2]
        rows = slice(int(crop["y_min"] * h / 100), int(crop["y_max"] * h / 100))
        image = image[rows, int(crop["x_min"] * w / 100) : int(crop["x_max"] * w / 100)]
    if steps.get("grayscale", {}).get("enabled"):
        image = np.stack([cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)] * 3, axis=2)
    h, w = image.shape[:2]
    mode = network["resize_mode"]
    if mode == "stretch":
        canvas = cv2.resize(image, (width, height))
    elif mode == "center-crop":
        canvas = np.zeros((height, width, 3), np.uint8)
        top, left = max(0, (height - h) // 2), max(0, (width - w) // 2)
        y, x = max(0, h - height) // 2, max(0, w - width) // 2
        part = image[y : y + height, x : x + width]
        canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
    else:
        grey = 127 if mode == "fit-longer-edge" else network["padding_value"] or 0
        canvas = np.full((height, width, 3), grey, np.uint8)
        scale = min(width / w, height / h)
        inner = int(w * scale), int(h * scale)
        top, left = int((height - inner[1]) / 2), int((width - inner[0]) / 2)
        canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner)
    if network["color_mode"] == "rgb":
        canvas = canvas[..., ::-1]
    planes = canvas.astype(np.float32) / (network["scaling_factor"] or 1)
    mean, std = network["normalization"] or [[0] * 3, [1] * 3]
    return ((planes - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)


IMAGENET = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]


@pytest.mark.parametrize("size", [(150, 100), (40, 90), (97, 33)])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"network_input.padding_value": None, "network_input.color_mode": "bgr"},
        {"network_input.resize_mode": "letterbox-reflect-edges"},
        {"network_input.resize_mode": "fit-longer-edge"},
        {"network_input.resize_mode": "center-crop", "network_input.normalization": IMAGENET},
        {"network_input.resize_mode": "stretch", "network_input.scaling_factor": None},
        {"network_input.color_mode": "bgr", "network_input.normalization": IMAGENET},
        {
            "image_pre_processing.grayscale": {"enabled": True},
            "network_input.color_mode": "bgr",
            "network_input.normalization": IMAGENET,
        },
        {
            "image_pre_processing.static-crop": {
                "enabled": True, "x_min": 10, "y_min": 5, "x_max": 80, "y_max": 95,
            },
            "image_pre_processing.contrast": {"enabled": False, "type": "Contrast Stretching"},
        },
    ],
)  # fmt: skip
def test_the_tensor_is_what_their_steps_give(package, changes, size):
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    found = read(package(inference=changes))
    assert found is not None
    facts = found.artifacts[0].facts["model"]
    settings = Settings(found, ("layout", "stride", *PICTURE_SETTINGS))
    tensor, _ = PictureInput(found, settings, facts["inputs"])([Image(pixels, "bgr", "")])
    wanted = prepared(pixels, merged(INFERENCE, changes))
    np.testing.assert_allclose(tensor[0], wanted, atol=2e-5 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize(
    ("stated", "setting"),
    [
        ("Contrast Stretching", "stretching"),
        ("Histogram Equalization", "histogram-equalisation"),
        ("Adaptive Equalization", "adaptive-equalisation"),
    ],
)
def test_contrast_is_asked_for(package, stated, setting):
    changes = {"image_pre_processing.contrast": {"enabled": True, "type": stated}}
    assert read(package(inference=changes)).processor.settings["contrast"] == setting


@pytest.mark.parametrize(
    ("architecture", "task", "processor"),
    [
        ("yolov5", "object-detection", "yolo"),
        ("yolov11", "instance-segmentation", "yolo-segmentation"),
        ("yolov8", "keypoint-detection", "yolo-keypoints"),
        ("yolonas", "object-detection", "yolo-nas"),
        ("rfdetr", "instance-segmentation", "detr"),
        ("vit", "classification", "classification"),
        ("deep-lab-v3-plus", "semantic-segmentation", "semantic-segmentation"),
    ],
)
def test_architecture_and_task_name_the_processor(package, architecture, task, processor):
    folder = package(
        {"model_architecture": architecture, "task_type": task}, {"post_processing": None}
    )
    assert read(folder).processor.name == processor


def test_fused_suppression_and_end_to_end_families_have_a_layout(package):
    fused = read(package(inference={"post_processing.fused": True}))
    assert fused.processor.settings["layout"] == "end-to-end"


def test_recommendations_become_defaults(package):
    folder = package(
        {"recommended_parameters": {"confidence": 0.3, "per_class_confidence": {"b": 0.6}}},
        {
            "post_processing.nms_parameters": {
                "max_detections": 100, "confidence_threshold": 0.2, "iou_threshold": 0.5,
                "class_agnostic": 1,
            }
        },
    )  # fmt: skip
    assert read(folder).parameters == {
        "confidence": {"a": 0.3, "b": 0.6, "c": 0.3},
        "iou": 0.5,
        "max_detections": 100,
        "class_agnostic": True,
    }
    AutoModel.from_pretrained(folder, **ONNX).close()


@pytest.mark.parametrize("stated", [False, 0])
def test_suppression_within_classes_is_stated_as_number_or_boolean(package, stated):
    folder = package(inference={NMS: {"class_agnostic": stated}})
    assert read(folder).parameters == {"class_agnostic": False}


def test_keys_that_change_nothing_are_accepted(package):
    changes = {"model_initialization": {"classes": 3}, "tta": None, "post_processing.soft": False}
    assert read(package(inference=changes)).parameters == {}


def test_a_recommendation_for_a_removed_class_is_left_out(package):
    folder = package(
        {
            "model_architecture": "rfdetr",
            RECOMMENDED + "per_class_confidence": {"nothing": 0.9, "a": 0.4},
        },
        {"class_names_operations": [{"type": "class_name_removal", "class_name": "nothing"}]},
        labels=("nothing", "a", "b"),
    )
    assert read(folder).parameters == {"confidence": {"a": 0.4}}


def test_keypoints_are_named(package):
    folder = package({"task_type": "keypoint-detection"}, outputs={"o": np.zeros((1, 13, 126))})
    described = [
        {"object_class_id": 0, "keypoints": {"1": "tail", "0": "nose"}, "edges": []},
        {"object_class_id": 1, "keypoints": {"0": "nose"}, "edges": []},
    ]
    (folder / "keypoints_metadata.json").write_text(json.dumps(described), "utf-8")
    settings = read(folder).processor.settings
    assert settings["keypoints"] == [2, 3]
    assert settings["keypoint_names"] == ["nose", "tail"]
    AutoModel.from_pretrained(folder, **ONNX).close()


def test_labels_may_stand_in_a_config(package):
    folder = package(inference={"class_names": ["x", "y", "z"]})
    (folder / "class_names.txt").unlink()
    assert read(folder).labels == ("x", "y", "z")


NETWORK = "network_input."
STEPS = "image_pre_processing."
NMS = "post_processing.nms_parameters"
RECOMMENDED = "recommended_parameters."


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("model", {"model_architecture": "yolact"}, r'model_architecture is "yolact"'),
        ("model", {"task_type": "vlm"}, r'task_type is "vlm"'),
        ("model", {"backend_type": "torch"}, r'backend_type is "torch"'),
        ("inference", {NETWORK + "resize_mode": "tile"}, r'network_input.resize_mode is "tile"'),
        ("inference", {NETWORK + "color_mode": "hsv"}, r'network_input.color_mode is "hsv"'),
        ("inference", {NETWORK + "input_channels": 4}, r"network_input.input_channels is 4"),
        ("inference", {NETWORK + "padding_value": 300}, r"network_input.padding_value is 300"),
        ("inference", {NETWORK + "scaling_factor": 0}, r"network_input.scaling_factor is 0"),
        ("inference", {NETWORK + "scaling_factor": "x"}, r'network_input.scaling_factor is "x"'),
        ("inference", {NETWORK + "normalization": [[0.5]]}, r"normalization is \[\[0.5\]\]"),
        ("inference", {NETWORK + "gamma": 2.2}, r"network_input.gamma is 2.2"),
        ("inference", {NETWORK + "training_input_size": {}}, "training_input_size.height is null"),
        (
            "inference",
            {STEPS + "contrast": {"enabled": True, "type": "Gamma"}},
            r'image_pre_processing.contrast.type is "Gamma"',
        ),
        (
            "inference",
            {STEPS + "static-crop": {"enabled": True, "x_min": 10, "y_min": 10, "x_max": 630,
                                     "y_max": 470}},
            r"image_pre_processing.static-crop is .*percent",
        ),
        ("inference", {STEPS + "tile": {"enabled": True}}, "image_pre_processing.tile is"),
        ("inference", {"tta": 2}, "tta is 2"),
        ("inference", {"post_processing.soft": True}, "post_processing.soft is true"),
        ("inference", {"post_processing": [{}]}, r"post_processing.* must be an object"),
        ("inference", {NMS: {"sigma": 0.5}}, "nms_parameters.sigma is 0.5"),
        ("inference", {NMS: {"class_agnostic": "false"}}, 'nms_parameters.class_agnostic is "false"'),
        ("inference", {NMS: {"max_detections": 0}}, "nms_parameters.max_detections is 0"),
        ("inference", {NMS: {"confidence_threshold": 95}}, "confidence_threshold is 95.*0 to 1"),
        ("inference", {NMS: {"iou_threshold": -0.1}}, "nms_parameters.iou_threshold is -0.1"),
        ("model", {RECOMMENDED + "confidence": 30}, "recommended_parameters.confidence is 30"),
        (
            "model",
            {RECOMMENDED + "per_class_confidence": {"b": 95}},
            'per_class_confidence is {"b": 95}.*0 to 1',
        ),
        (
            "model",
            {RECOMMENDED + "perClassConfidence": {"b": True}},
            'perClassConfidence is {"b": true}.*number by label',
        ),
        (
            "model",
            {RECOMMENDED + "per_class_confidence": {"zz": 0.5}},
            "per_class_confidence is .*no label 'zz'",
        ),
        ("model", {RECOMMENDED + "per_class_confidence": 0}, "per_class_confidence is 0"),
        ("inference", {"post_processing.type": "sigmoid"}, 'post_processing.type is "sigmoid"'),
        (
            "inference",
            {"class_names_operations": [{"type": "class_name_removal", "class_name": "a"}]},
            "class_names_operations is",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_with_file_key_and_value(package, file, changes, words):
    folder = package(**{file: changes})
    name = f"{file}_config.json".replace(".", r"\.")
    with pytest.raises(InvalidModel, match=rf"{name}: .*{words}"):
        read(folder)


def test_resizing_twice_is_refused_unless_both_sizes_are_one(package):
    sizes = {NETWORK + "dataset_version_resize_dimensions": {"height": 64, "width": 80}}
    folder = package({"model_architecture": "rfdetr"}, {**sizes, "post_processing": None})
    with pytest.raises(InvalidModel, match=r"dataset_version_resize_dimensions is .*twice"):
        read(folder)
    config = merged(
        INFERENCE, {NETWORK + "dataset_version_resize_dimensions": {"height": 64, "width": 96}}
    )
    (folder / "inference_config.json").write_text(json.dumps(config), "utf-8")
    assert read(folder).processor.settings["resize"] == "letterbox"


def test_a_map_of_classes_needs_the_whole_picture(package):
    model = {"model_architecture": "deep-lab-v3-plus", "task_type": "semantic-segmentation"}
    changes = {"post_processing": None, NETWORK + "resize_mode": "center-crop"}
    with pytest.raises(InvalidModel, match=r'resize_mode is "center-crop".*whole pictures'):
        read(package(model, changes))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model_config.json", "{", "model_config.json is no JSON"),
        ("inference_config.json", "[]", "can't be there"),
        ("class_names.txt", "a\n\nb\n", "line 2 is blank"),
        ("class_names.txt", "\n", "is empty"),
        ("class_names.txt", b"\xff\xfe\x00", "no text in UTF-8"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(package, name, content, words):
    folder = package()
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidModel, match=words):
        read(folder)


def test_a_missing_file_is_an_error_that_names_it(package):
    folder = package()
    (folder / "model_config.json").unlink()
    with pytest.raises(InvalidModel, match=r"no model_config\.json"):
        read(folder)


def test_weights_must_be_there_once(package):
    folder = package()
    (folder / "other.onnx").write_bytes((folder / "weights.onnx").read_bytes())
    with pytest.raises(InvalidModel, match=r"other\.onnx and weights\.onnx"):
        read(folder)
    for name in ("other.onnx", "weights.onnx"):
        (folder / name).unlink()
    (folder / "weights.pt").write_bytes(b"\x80")
    with pytest.raises(InvalidModel, match="no weights that can be run"):
        read(folder)


def test_an_engine_lies_beside_the_onnx_file_as_an_alternative(package):
    folder = package(
        inference={"forward_pass": {"static_batch_size": None, "max_dynamic_batch_size": 8}}
    )
    (folder / "engine.plan").write_bytes(b"engine")
    formats = {artifact.format: artifact for artifact in read(folder).artifacts}
    assert formats["tensorrt"].batch == (1, 8)
    assert formats["onnx"].batch == (1, 1)


def test_other_folders_are_left_to_others(tmp_path):
    assert read(tmp_path) is None
    (tmp_path / "model_config.json").write_text('{"model_type": "bert"}', "utf-8")
    assert read(tmp_path) is None
    assert read(tmp_path / "nothing") is None
