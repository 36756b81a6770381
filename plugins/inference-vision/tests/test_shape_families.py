"""Graphs without metadata: what they may be is said, with the lines to write, and never guessed."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest
from inference_core import AutoModel, InvalidInput
from inference_core.cli import main
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.shape_families import families
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as Pillow

ONNX = {"backend": "onnx", "device": "cpu", "options": {"threads": 1}}


def found(*outputs, image=(1, 3, 640, 640), labels=0):
    graph = Graph(
        (TensorSpec("images", "float32", image),),
        tuple(TensorSpec(f"output{i}", "float32", shape) for i, shape in enumerate(outputs)),
    )
    return [(each.processor, each.labels) for each in families(graph, labels)]


PROTOTYPES = (1, 32, 160, 160)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([(1, 84, 8400)], [("yolo", 80), ("yolo-oriented", 79), ("yolo-keypoints", 29)]),
        ([(1, 56, 8400)], [("yolo", 52), ("yolo-oriented", 51), ("yolo-keypoints", 1)]),
        ([(1, 5, 8400)], [("yolo", 1)]),
        ([(None, 84, None)], [("yolo", 80), ("yolo-oriented", 79), ("yolo-keypoints", 29)]),
        ([(1, 25200, 85)], [("yolo", 80)]),
        ([(1, 25200, 6)], [("yolo", 1)]),
        ([(1, 25200, 117), PROTOTYPES], [("yolo-segmentation", 80)]),
        ([(1, 116, 8400), PROTOTYPES], [("yolo-segmentation", 80)]),
        ([(1, 300, 6)], [("yolo", None)]),
        ([(1, 300, 7)], [("yolo-oriented", None)]),
        ([(1, 300, 57)], [("yolo-keypoints", None)]),
        ([(1, 300, 38), PROTOTYPES], [("yolo-segmentation", None)]),
        ([(1, 300, 4), (1, 300, 80)], [("detr", 80), ("detr", 79)]),
        ([(1, 1000)], [("classification", 1000)]),
        ([(None, 7)], [("yolo", None), ("yolo-nas", None)]),
        ([(20, 7)], [("yolo", None), ("yolo-nas", None)]),
        ([(1, 7)], [("classification", 7)]),
        ([(1, 1, 1, 1001)], [("classification", 1001)]),
        ([(1, 21, 512, 512)], [("semantic-segmentation", 21)]),
        ([(1, 10, 4), (1, 10), (1, 10), (1,)], [("ssd", None)]),
        # One row per cell and scores in columns, several boxes, a depth map, anything else.
        ([(1, 8400, 84)], []),
        ([(1, 84, 8400), (1, 84, 8400)], []),
        ([(1, 1, 512, 512)], []),
        ([(7,)], []),
        ([None], []),
    ],
)
def test_shapes_tell_what_a_graph_may_be(outputs, expected):
    assert found(*outputs) == expected


def test_channels_may_come_last():
    image = (1, 640, 640, 3)
    assert found((1, 116, 8400), (1, 160, 160, 32), image=image) == [("yolo-segmentation", 80)]
    assert found((1, 512, 512, 21), image=image) == [("semantic-segmentation", 21)]
    assert found((1, 512, 512, 1), image=image) == []


@pytest.mark.parametrize(
    ("image", "rows", "prototypes", "labels"),
    [
        ((1, 640, 640, 3), 116, (1, 32, 160, 160), 80),
        ((1, 640, 640, 3), 38, (1, 32, 160, 160), 2),
        ((1, 3, 640, 640), 38, (1, 160, 160, 32), 2),
        ((1, 3, None, None), 38, (1, 160, 160, 32), 2),
    ],
)
def test_channels_may_come_elsewhere_than_in_the_pictures(image, rows, prototypes, labels):
    wanted = [("yolo-segmentation", labels)]
    assert found((1, rows, 8400), prototypes, image=image, labels=labels) == wanted
    if None not in image:
        assert found((1, rows, 8400), prototypes, image=image) == wanted


def test_classes_of_maps_may_come_elsewhere_than_in_the_pictures():
    image = (1, 3, 512, 512)
    assert found((1, 512, 512, 21), image=image) == [("semantic-segmentation", 21)]
    image = (1, 3, None, None)
    assert found((1, 512, 512, 21), image=image, labels=21) == [("semantic-segmentation", 21)]


def test_the_number_of_labels_narrows_the_choice():
    assert found((1, 56, 8400), labels=1) == [("yolo-keypoints", 1)]
    assert found((1, 84, 8400), labels=80) == [("yolo", 80)]
    assert found((1, 84, 8400), labels=7) == []


def test_a_graph_that_takes_no_pictures_is_none_of_them():
    assert found((1, 84, 8400), image=(1, 16)) == []
    assert found((1, 84, 8400), image=(1, 7, 640, 640)) == []


def bare(path, *outputs) -> None:
    """An ONNX file without metadata that answers with the arrays given."""
    nodes, specs = [], []
    for index, value in enumerate(outputs):
        tensor = numpy_helper.from_array(value.astype(np.float32))
        nodes.append(helper.make_node("Constant", [], [f"output{index}"], value=tensor))
        specs.append(
            helper.make_tensor_value_info(f"output{index}", TensorProto.FLOAT, value.shape)
        )
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 64, 96))
    model = helper.make_model(
        helper.make_graph(nodes, "graph", [images], specs),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def test_what_the_error_says_to_write_is_a_manifest_that_works(tmp_path, picture):
    rows = np.zeros((1, 7, 126))
    rows[0, :, 5] = [48, 32, 32, 16, 0.1, 0.9, 0]
    bare(tmp_path / "best.onnx", rows)
    with AutoModel.from_pretrained(tmp_path / "best.onnx", **ONNX) as model:
        with pytest.raises(InvalidInput, match=r"model\.json") as caught:
            model(picture)
        # Arrays go through it as before.
        assert model({"images": np.zeros((1, 3, 64, 96), np.float32)})["output0"].shape == (
            1,
            7,
            126,
        )
    message = str(caught.value)
    frame = json.loads(re.search(r"\{.*\}\]\}", message)[0])
    first = re.search(r'"task": .*?, "processor": \{.*?\}\}', message)[0]
    assert "3 names in all" in message
    manifest = {**frame, **json.loads(f"{{{first}}}"), "labels": ["a", "b", "c"]}
    (tmp_path / "model.json").write_text(json.dumps(manifest), "utf-8")
    with AutoModel.from_pretrained(tmp_path, **ONNX) as model:
        result = model(picture)
    assert model.task == "object-detection"
    assert result.labels == ("b",)
    np.testing.assert_allclose(result.xyxy, [[30, 22.5, 60, 37.5]], atol=1e-3)


def test_the_command_line_says_what_to_write(tmp_path, capsys):
    bare(tmp_path / "best.onnx", np.zeros((1, 7, 126)))
    Pillow.new("RGB", (9, 6)).save(tmp_path / "photo.png")
    model, photo = str(tmp_path / "best.onnx"), str(tmp_path / "photo.png")
    assert main(["predict", model, photo, "--backend", "onnx"]) == 1
    shown = capsys.readouterr().err
    assert "photo.png: best is a plain graph" in shown
    assert '"processor": {"name": "yolo", "settings": {"layout": "boxes-scores"}}' in shown


def test_names_in_the_metadata_are_the_labels_to_write(tmp_path, picture):
    """YOLOv5 never wrote this layout, so that nothing recognises it by names and stride alone."""
    bare(tmp_path / "best.onnx", np.zeros((1, 7, 126)))
    model = onnx.load(tmp_path / "best.onnx")
    for names, words in [
        (["cat", "dog", "é"], '"labels": ["cat", "dog", "é"] (the 3 names of the metadata)'),
        (["a", "b"], '"name": "yolo-oriented"'),
    ]:
        helper.set_model_props(model, {"names": str(names), "stride": "32"})
        onnx.save(model, tmp_path / "best.onnx")
        with (
            AutoModel.from_pretrained(tmp_path / "best.onnx", **ONNX) as loaded,
            pytest.raises(InvalidInput) as caught,
        ):
            loaded(picture)
        assert words in str(caught.value)


def test_each_family_that_is_named_takes_such_a_graph(tmp_path, picture):
    """What is offered for a shape is accepted by the processor that is named for it."""
    outputs = [
        [np.zeros((1, 7, 126))],
        [np.zeros((1, 58, 126))],
        [np.zeros((1, 378, 8))],
        [np.zeros((1, 39, 126)), np.zeros((1, 32, 16, 24))],
        [np.zeros((1, 40, 6))],
        [np.zeros((1, 40, 57))],
        [np.zeros((1, 40, 4)), np.zeros((1, 40, 6))],
        [np.full((1, 5), 0.2)],
        [np.zeros((3, 7))],
        [np.zeros((1, 4, 16, 24))],
    ]
    for number, arrays in enumerate(outputs):
        folder = tmp_path / str(number)
        folder.mkdir()
        bare(folder / "m.onnx", *arrays)
        graph = Graph(
            (TensorSpec("images", "float32", (1, 3, 64, 96)),),
            tuple(TensorSpec("o", "float32", array.shape) for array in arrays),
        )
        assert families(graph)
        for family in families(graph):
            manifest = {
                "schema_version": 1,
                "name": "made",
                "labels": [f"class {i}" for i in range(family.labels or 3)],
                "processor": {"name": family.processor, "settings": family.settings},
                "artifacts": [{"format": "onnx", "parts": {"model": "m.onnx"}}],
            }
            (folder / "model.json").write_text(json.dumps(manifest), "utf-8")
            with AutoModel.from_pretrained(folder, **ONNX) as model:
                model(picture)
                # The processor says the task that is advised, unless it has several.
                assert model.task == (None if family.processor == "detr" else family.task)
                assert "plain graph" not in f"{model} {model.resolution}"


@pytest.mark.parametrize(
    ("masks", "task"), [((), "object-detection"), (PROTOTYPES, "instance-segmentation")]
)
def test_a_transformer_with_masks_segments(masks, task):
    outputs = [(1, 300, 4), (1, 300, 80), *([masks] if masks else [])]
    graph = Graph(
        (TensorSpec("images", "float32", (1, 3, 640, 640)),),
        tuple(TensorSpec(f"output{i}", "float32", shape) for i, shape in enumerate(outputs)),
    )
    assert [each.task for each in families(graph)] == [task, task]
    assert f'"task": "{task}"' in families(graph)[0].line()
