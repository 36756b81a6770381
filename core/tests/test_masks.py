"""Masks: the same pixels as bitmap, run lengths and polygons, and in COCO's terms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inference_core import Detections
from inference_core.errors import InvalidArgument
from inference_core.results.masks import Polygons, RunLengths, convert_masks, mask_part

bitmaps = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))


def area(outline):
    """Of a polygon, positive where it runs clockwise with y downwards (the shoelace formula)."""
    x, y = outline.astype(float).T
    return sum(x[i - 1] * y[i] - x[i] * y[i - 1] for i in range(len(x))) / 2


def placed(bitmap, at, size):
    whole = np.zeros(size, bool)
    whole[at[1] : at[1] + bitmap.shape[0], at[0] : at[0] + bitmap.shape[1]] = bitmap
    return whole


@given(bitmaps)
def test_run_lengths_are_as_coco_defines_them(bitmap):
    runs = RunLengths.of(bitmap)
    expected, value, length = [], False, 0
    for pixel in bitmap.ravel(order="F"):
        if pixel != value:
            expected.append(length)
            value, length = pixel, 0
        length += 1
    assert runs.counts.tolist() == [*expected, length]
    assert runs.area == bitmap.sum()
    assert np.array_equal(runs.to_bitmap(), bitmap)


@given(bitmaps)
def test_filled_polygons_are_the_same_pixels(bitmap):
    polygons = Polygons.of(bitmap)
    assert np.array_equal(polygons.to_bitmap(), bitmap)
    # Parts count positive and holes negative, so they run in opposite directions.
    assert sum(map(area, polygons.outlines)) == bitmap.sum()
    for outline in polygons.outlines:
        steps = np.roll(outline, -1, axis=0) - outline
        assert ((steps == 0).sum(axis=1) == 1).all()  # along the edges, and corners only
        assert (np.roll(steps, -1, axis=0) * steps == 0).all()


@given(bitmaps, st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(0, 2))
def test_a_part_of_the_picture_gives_the_same_as_the_whole(bitmap, at, more):
    size = (bitmap.shape[0] + at[1] + more, bitmap.shape[1] + at[0] + more)
    whole = placed(bitmap, at, size)
    assert RunLengths.of(bitmap, at, size).counts.tolist() == RunLengths.of(whole).counts.tolist()
    assert np.array_equal(Polygons.of(bitmap, at, size).to_bitmap(), whole)


@given(bitmaps)
def test_the_part_that_has_the_mask_is_its_extent_in_every_form(bitmap):
    rows, columns = (np.flatnonzero(bitmap.any(axis=axis)) for axis in (1, 0))
    extent = (np.ptp(rows) + 1, np.ptp(columns) + 1) if len(rows) else (0, 0)
    for mask in (bitmap, RunLengths.of(bitmap), Polygons.of(bitmap)):
        part, at = mask_part(mask)
        assert part.shape == extent
        assert np.array_equal(placed(part, at, bitmap.shape), bitmap)


def test_runs_of_no_pixels_change_nothing():
    runs = RunLengths((2, 3), np.array([0, 0, 1, 0, 0, 2, 3, 0]))
    assert runs.to_bitmap().astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert mask_part(runs)[0].shape == (2, 2)


def test_small_masks_in_huge_pictures_are_converted_without_the_picture():
    size = (1_000_000, 1_000_000)  # a terabyte as a bitmap
    runs = RunLengths.of(RING, (70_000, 900_000), size)
    (polygons,) = convert_masks((runs,), "polygons", size[::-1])
    (back,) = convert_masks((polygons,), "rle", size[::-1])
    assert back.counts.tolist() == runs.counts.tolist()
    found = Detections(
        np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), ("a",),
        size[::-1], masks=(polygons,),
    )  # fmt: skip
    (row,) = found.to_coco(1)  # with a hole, so as run lengths
    assert row["segmentation"]["counts"] == runs.counts.tolist()


def test_slanted_polygons_are_filled_by_the_centres_of_pixels():
    triangle = Polygons((4, 4), (np.array([[0, 0], [4, 0], [0, 4]], np.float32),))
    expected = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert triangle.to_bitmap().astype(int).tolist() == expected
    beyond = Polygons((2, 3), (np.array([[-5, -5], [9, -5], [9, 9], [-5, 9]], np.float32),))
    assert beyond.to_bitmap().all()


def detections(masks, **more):
    count = len(masks)
    return Detections(
        np.tile(np.array([1, 1, 4, 3], np.float32), (count, 1)),
        np.full(count, 0.5, np.float32),
        np.arange(count),
        tuple("abc"[:count]),
        (5, 4),
        masks=masks,
        **more,
    )


RING = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0]], bool)
BLOCK = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]], bool)


@pytest.mark.parametrize("start", ["bitmap", "rle", "polygons"])
@pytest.mark.parametrize("wanted", ["bitmap", "rle", "polygons"])
def test_detections_convert_their_masks_and_back(start, wanted):
    found = detections(np.stack([RING, BLOCK])).with_masks(start).with_masks(wanted)
    kind = {"bitmap": np.ndarray, "rle": tuple, "polygons": tuple}[wanted]
    assert isinstance(found.masks, kind)
    assert np.array_equal(found.with_masks("bitmap").masks, np.stack([RING, BLOCK]))
    assert len(found[1:].masks) == 1
    assert found[0].mask is found.masks[0] or wanted == "bitmap"
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_dict_has_run_lengths_or_polygons():
    found = detections(np.stack([BLOCK]))
    (row,) = found.to_dict()["detections"]
    assert row["mask"] == {"size": [4, 5], "counts": [5, 2, 2, 2, 2, 2, 5]}
    (row,) = found.with_masks("rle").to_dict()["detections"]
    assert row["mask"] == {"size": [4, 5], "counts": [5, 2, 2, 2, 2, 2, 5]}
    (row,) = found.with_masks("polygons").to_dict()["detections"]
    (outline,) = row["mask"]["polygons"]
    assert sorted(outline) == [[1, 1], [1, 3], [4, 1], [4, 3]]


def test_coco_gets_boxes_categories_and_areas():
    block, ring = detections(np.stack([BLOCK, RING])).with_masks("polygons").to_coco(7)
    assert (block["image_id"], block["category_id"], block["score"]) == (7, 1, 0.5)
    assert (block["bbox"], block["area"]) == ([1, 1, 3, 2], 6)
    assert sorted(zip(*[iter(block["segmentation"][0])] * 2, strict=True)) == [
        (1, 1), (1, 3), (4, 1), (4, 3)
    ]  # fmt: skip
    # A hole can't be said in polygons.
    assert ring["segmentation"]["size"] == [4, 5]
    assert ring["area"] == 8
    (row,) = detections(np.stack([BLOCK])).to_coco(7, first_category=0)
    assert row["segmentation"]["counts"] == [5, 2, 2, 2, 2, 2, 5]
    assert row["category_id"] == 0


@pytest.mark.parametrize("mask_format", ["bitmap", "rle", "polygons"])
def test_coco_gets_an_empty_mask_as_run_lengths(mask_format):
    empty = detections(np.zeros((1, 4, 5), bool)).with_masks(mask_format)
    (row,) = empty.to_coco(7)
    assert row["segmentation"] == {"size": [4, 5], "counts": [20]}
    assert row["area"] == 0


def test_coco_gets_keypoints_and_oriented_boxes():
    points = np.array([[[1.5, 2, 0.9], [3, 3, 0.2], [9, 9, 0]]], np.float32)
    corners = np.array([[[2, 0], [4, 2], [2, 4], [0, 2]]], np.float32)
    found = Detections(
        np.array([[0, 0, 4, 4]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), ("a",),
        (5, 4), keypoints=points, corners=corners, keypoint_names=("nose", "eye", "ear"),
    )  # fmt: skip
    (row,) = found.to_coco(1)
    assert row["keypoints"] == [1.5, 2, 2, 3, 3, 1, 0, 0, 0]
    assert row["num_keypoints"] == 2
    assert row["segmentation"] == [[2, 0, 4, 2, 2, 4, 0, 2]]
    assert row["area"] == 8
    data = found.to_dict()
    assert data["keypoint_names"] == ["nose", "eye", "ear"]
    assert data["detections"][0]["corners"] == [[2, 0], [4, 2], [2, 4], [0, 2]]
    assert found[0].corners.shape == (4, 2)
    assert found[:0].corners.shape == (0, 4, 2)


@pytest.mark.parametrize(
    ("masks", "error", "words"),
    [
        ((RunLengths.of(BLOCK), Polygons.of(BLOCK)), TypeError, "all RunLengths or all Polygons"),
        ((BLOCK,), TypeError, "ndarray"),
        ((RunLengths.of(BLOCK.T),), ValueError, r"size \(4, 5\)"),
        ((), ValueError, "must be 1"),
        ([RunLengths.of(BLOCK)], TypeError, "masks"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, error, words):
    with pytest.raises(error, match=words):
        Detections(
            np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), ("a",),
            (5, 4), masks=masks,
        ) if len(masks) < 2 else detections(masks)  # fmt: skip


def test_run_lengths_and_outlines_that_are_none_are_refused():
    with pytest.raises(ValueError, match="sum 6"):
        RunLengths((2, 3), np.array([1, 2]))
    with pytest.raises(ValueError, match="sum"):
        RunLengths((1, 1), np.array([2, -1]))
    with pytest.raises(TypeError, match="int64"):
        RunLengths((1, 3), [1, 2])
    with pytest.raises(ValueError, match="finite"):
        Polygons((2, 2), (np.full((3, 2), np.nan, np.float32),))
    with pytest.raises(TypeError, match="float32"):
        Polygons((2, 2), (np.zeros((3, 2)),))
    with pytest.raises(InvalidArgument, match="bitmap, rle, polygons"):
        convert_masks(RING[None], "coco", (5, 4))


def test_keypoints_and_names_of_different_number_are_refused():
    with pytest.raises(ValueError, match="keypoints"):
        detections(
            np.stack([RING]), keypoints=np.zeros((1, 3, 3), np.float32), keypoint_names=("a", "b")
        )
    with pytest.raises(ValueError, match="corners"):
        detections(np.stack([RING]), corners=np.zeros((1, 3, 2), np.float32))
