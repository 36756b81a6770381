"""Drawing: what is drawn lies where the result says, and the given picture stays as it is."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from inference_core.errors import InvalidArgument, InvalidInput
from inference_core.results import Classification, Detections
from inference_vision.drawing import annotate, colour_of
from inference_vision.drawing_detections import draw_detections


def detections(boxes, size, **more):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(count, 0.9, np.float32),
        np.arange(count),
        tuple("abc"[:count]),
        size,
        **more,
    )


def test_a_box_is_drawn_in_the_colour_of_its_class():
    grey = np.full((300, 400, 3), 128, np.uint8)
    before = grey.copy()
    drawn = annotate(grey, detections([[100, 100, 200, 250]], (400, 300)))
    np.testing.assert_array_equal(grey, before)
    assert drawn.dtype == np.uint8
    assert tuple(drawn[180, 100]) == tuple(drawn[180, 199]) == colour_of(0)
    assert (drawn[110:240, 110:190] == 128).all()  # the inside stays
    assert (drawn[270:] == 128).all()
    assert not (drawn[:100] == 128).all()  # the label, above


def test_rgb_pictures_come_back_bgr(picture):
    drawn = annotate(picture, detections([], (90, 60)), color_format="rgb")
    np.testing.assert_array_equal(drawn, picture[..., ::-1])


def test_the_first_colours_differ():
    colours = np.array([colour_of(i) for i in range(39)], int)
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2) + 1000 * np.eye(39, dtype=int)
    assert apart.min() > 20


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (10, 10), (8000, 20), (5, 900)])
def test_pictures_of_any_size_are_drawn_on(size):
    width, height = size
    blank = np.zeros((height, width, 3), np.uint8)
    drawn = annotate(blank, detections([[0, 0, width, height]], size))
    assert drawn.shape == blank.shape
    assert drawn.any()


def test_masks_and_keypoints_are_drawn():
    mask = np.zeros((1, 100, 100), bool)
    mask[0, 60:80, 60:80] = True
    keypoints = np.array([[[30, 40, 1], [5, 95, 0]]], np.float32)
    blank = np.zeros((100, 100, 3), np.uint8)
    result = detections([[20, 20, 90, 90]], (100, 100), masks=mask, keypoints=keypoints)
    drawn = annotate(blank, result)
    assert drawn[70, 70].any()
    assert tuple(drawn[40, 30]) == colour_of(0)
    assert not drawn[95, 5].any()  # an invisible keypoint


def test_a_classification_is_written_into_the_corner():
    result = Classification(
        np.array([1, 0]), np.array([0.8, 0.2], np.float32), ("cat", "dog"), (400, 300)
    )
    drawn = annotate(np.zeros((300, 400, 3), np.uint8), result)
    assert drawn[:60, :100].any()
    assert not drawn[100:].any()


def test_another_picture_or_result_is_refused(picture):
    with pytest.raises(InvalidInput, match="90 x 60"):
        annotate(picture, detections([], (60, 90)))
    with pytest.raises(InvalidArgument, match="dict"):
        annotate(picture, {})


def test_masks_of_every_form_are_drawn_alike():
    mask = np.zeros((1, 100, 100), bool)
    mask[0, 60:80, 60:80] = True
    blank = np.zeros((100, 100, 3), np.uint8)
    result = detections([[20, 20, 90, 90]], (100, 100), masks=mask)
    drawn = annotate(blank, result)
    for form in ("rle", "polygons"):
        np.testing.assert_array_equal(annotate(blank, result.with_masks(form)), drawn)


def test_an_oriented_box_is_drawn_as_it_lies():
    corners = np.array([[[200, 50], [350, 200], [200, 350], [50, 200]]], np.float32)
    blank = np.zeros((400, 400, 3), np.uint8)
    drawn = annotate(blank, detections([[50, 50, 350, 350]], (400, 400), corners=corners))
    assert drawn[275, 275].any()  # on its lower right edge
    assert not drawn[345, 345].any()  # where the upright box would have its corner
    assert not drawn[200, 200].any()


def test_the_bones_between_keypoints_of_a_person_are_drawn_where_both_ends_are_seen():
    names = ("left_hip", "left_knee", "left_ankle")
    keypoints = np.array([[[50, 100, 1], [50, 200, 1], [150, 200, 0.1]]], np.float32)
    blank = np.zeros((300, 300, 3), np.uint8)
    box = [[10, 80, 290, 290]]
    drawn = annotate(blank, detections(box, (300, 300), keypoints=keypoints, keypoint_names=names))
    assert drawn[150, 50].any()
    assert not drawn[200, 100].any()
    without = annotate(blank, detections(box, (300, 300), keypoints=keypoints))
    assert not without[150, 50].any()


def test_what_lies_far_outside_the_picture_is_drawn_without_an_error():
    far = np.array([[[3e38, -3e38], [1e9, 5], [5, 1e9], [-3e38, 3e38]]], np.float32)
    keypoints = np.array([[[3e38, -3e38, 1], [5, 5, 1]]], np.float32)
    result = detections(
        [[0, 0, 50, 50]], (60, 60), corners=far, keypoints=keypoints,
        keypoint_names=("nose", "left_eye"),
    )  # fmt: skip
    annotate(np.zeros((60, 60, 3), np.uint8), result)


def test_a_mesh_of_many_points_leaves_the_face_to_be_seen():
    """478 points in a box of 100 x 100 pixels colour less than half of it, six points each a spot."""

    def coloured(points: int) -> int:
        xy = np.random.default_rng(0).uniform(60, 140, (1, points, 2))
        found = Detections(
            np.array([[50, 50, 150, 150]], np.float32),
            np.ones(1, np.float32),
            np.zeros(1, np.int64),
            ("face",),
            (200, 200),
            keypoints=np.concatenate([xy, np.ones((1, points, 1))], axis=2).astype(np.float32),
        )
        drawn = annotate(np.zeros((200, 200, 3), np.uint8), found)
        return int(drawn[60:140, 60:140].any(axis=2).sum())

    assert coloured(6) > 6 * 12
    assert 478 < coloured(478) < 80 * 80 / 2


@pytest.mark.parametrize("form", ["bitmap", "rle", "polygons"])
def test_masks_are_mixed_in_where_they_are_even_outside_their_boxes(form):
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 256, (90, 120, 3), np.uint8)
    masks = np.zeros((2, 90, 120), bool)
    masks[0, 50:80, 60:119] = rng.random((30, 59)) < 0.5  # the second is empty
    result = detections([[2, 2, 6, 6], [3, 3, 6, 6]], (120, 90), masks=masks)
    drawn = annotate(picture, result.with_masks(form))
    expected = picture * 0.6 + np.multiply(colour_of(0), 0.4)
    inside = masks[0]
    assert np.abs(drawn[inside] - expected[inside]).max() <= 1
    np.testing.assert_array_equal(drawn[45:][~inside[45:]], picture[45:][~inside[45:]])


@pytest.mark.parametrize("form", ["bitmap", "rle", "polygons"])
def test_small_masks_are_drawn_without_memory_for_the_whole_picture(form):
    masks = np.zeros((1, 2000, 2000), bool)
    masks[0, 500:520, 500:530] = True
    result = detections([[500, 500, 530, 520]], (2000, 2000), masks=masks).with_masks(form)
    picture = np.zeros((2000, 2000, 3), np.uint8)
    tracemalloc.start()
    draw_detections(picture, result)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert picture[510, 515].any()
    assert peak < 200_000  # bytes; one mask as a bitmap takes 4 million
