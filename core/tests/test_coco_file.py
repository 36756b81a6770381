"""The file of --coco: COCO's three lists, complete however the run ends, and never half."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from inference_core import InvalidArgument
from inference_core.cli.coco import CocoFile
from inference_core.results import Classification, Detections


def found(class_ids=(1, 0), **more):
    count = len(class_ids)
    return Detections(
        np.tile(np.array([1, 2, 4, 6], np.float32), (count, 1)),
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        np.array(class_ids, np.int64),
        tuple(f"class {index}" for index in class_ids),
        (8, 7),
        **more,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "found.json"


def read(path):
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return json.loads(path.read_text())


def test_images_annotations_and_categories_count_from_1_and_refer_to_each_other(path):
    with CocoFile(path) as file:
        file.labels(["class 0", "class 1", "class 2"])
        file.add(found(), "a.png")
        file.add(Detections.empty((3, 5)), "b.png")
        file.add(found((2,)), "c.mp4", {"frame": 7, "timestamp": 0.28})
    coco = read(path)
    assert coco["images"] == [
        {"id": 1, "file_name": "a.png", "width": 8, "height": 7},
        {"id": 2, "file_name": "b.png", "width": 3, "height": 5},
        {"id": 3, "file_name": "c.mp4", "width": 8, "height": 7, "frame": 7, "timestamp": 0.28},
    ]
    assert [(a["id"], a["image_id"], a["category_id"]) for a in coco["annotations"]] == [
        (1, 1, 2), (2, 1, 1), (3, 3, 3)]  # fmt: skip
    first = coco["annotations"][0]
    assert (first["bbox"], first["score"], first["iscrowd"]) == ([1, 2, 3, 4], 0.9, 0)
    assert [c["name"] for c in coco["categories"]] == ["class 0", "class 1", "class 2"]


def test_masks_are_run_lengths_and_keypoints_name_their_category(path):
    masks = np.zeros((1, 7, 8), bool)
    masks[0, 2:6, 1:4] = True
    points = np.array([[[1, 2, 1], [3, 4, 0]]], np.float32)
    with CocoFile(path) as file:
        file.add(found((4,), masks=masks, keypoints=points, keypoint_names=("nose", "tail")), "a")
    coco = read(path)
    (annotation,) = coco["annotations"]
    segmentation = annotation["segmentation"]
    flat = np.repeat(np.arange(len(segmentation["counts"])) % 2, segmentation["counts"])
    assert (flat.reshape(segmentation["size"], order="F") == masks[0]).all()
    assert annotation["area"] == 12
    assert annotation["num_keypoints"] == 1
    # The model has no labels: the results name those that were found.
    assert coco["categories"] == [{"id": 5, "name": "class 4", "keypoints": ["nose", "tail"]}]


def test_keypoints_outside_the_picture_are_not_visible():
    points = np.array([[[8, 7, 0.9], [9, 2, 0.9], [1, -1, 0.9], [-5, 2, 0]]], np.float32)
    (row,) = found((0,), keypoints=points).to_coco(1)
    assert row["keypoints"] == [8, 7, 2, 9, 2, 1, 1, -1, 1, 0, 0, 0]
    assert row["num_keypoints"] == 3


def test_an_interrupt_leaves_what_was_found(path):
    with pytest.raises(KeyboardInterrupt), CocoFile(path) as file:  # noqa: PT012
        file.add(found(), "a.png")
        raise KeyboardInterrupt
    assert len(read(path)["annotations"]) == 2


def test_an_interrupt_while_it_is_finished_leaves_what_was_there(path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    path.write_text('{"before": 1}')
    monkeypatch.setattr(type(path), "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), CocoFile(path) as file:
        file.add(found(), "a.png")
    assert read(path) == {"before": 1}


def test_without_a_result_the_file_stays_as_it_was(path):
    path.write_text('{"before": 1}')
    with pytest.raises(KeyboardInterrupt), CocoFile(path):
        raise KeyboardInterrupt
    assert read(path) == {"before": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a POSIX system")
def test_what_is_no_file_is_not_replaced(path):
    os.mkfifo(path)
    with pytest.raises(InvalidArgument, match="is a device or pipe"):
        CocoFile(path)
    assert path.is_fifo()


def test_what_has_no_boxes_is_refused(path):
    with (
        CocoFile(path) as file,
        pytest.raises(InvalidArgument, match="a Classification has no boxes"),
    ):
        file.add(Classification(np.array([0]), np.array([1], np.float32), ("a",), (8, 7)), "a.png")
