"""Segmentation, Depth and Embedding: checked when they are made, and convertible."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inference_core import Depth, Embedding, InferenceError, Segmentation
from inference_core.errors import InvalidArgument

MAP = np.array([[0, 0, 2], [0, 2, 2]], np.uint8)
LABELS = ("sky", "road", "car")


def decoded(mask) -> np.ndarray:
    """A mask from COCO's uncompressed run lengths, the other way round than the code makes them."""
    flat = [value for i, count in enumerate(mask["counts"]) for value in [i % 2] * count]
    return np.array(flat, bool).reshape(mask["size"], order="F")


def test_a_segmentation_prints_the_share_of_each_class():
    assert repr(Segmentation(MAP, LABELS, (3, 2))) == "Segmentation(sky 50%, car 50%)"


def test_masks_are_asked_for_by_label_or_id():
    found = Segmentation(MAP, LABELS, (3, 2))
    assert found.class_ids == (0, 2)
    np.testing.assert_array_equal(found.mask("car"), MAP == 2)
    np.testing.assert_array_equal(found.mask(0), MAP == 0)
    assert not found.mask("road").any()
    with pytest.raises(KeyError):
        found.mask("tree")
    unnamed = Segmentation(MAP.astype(np.int64), (), (3, 2))
    np.testing.assert_array_equal(unnamed.mask("2"), MAP == 2)


@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 2)
    )
)
def test_the_masks_in_json_make_the_class_map_again(class_map):
    height, width = class_map.shape
    data = json.loads(Segmentation(class_map, LABELS, (width, height)).to_json())
    again = np.full(class_map.shape, 9, np.uint8)
    for row in data["classes"]:
        again[decoded(row["mask"])] = row["class_id"]
        assert row["label"] == LABELS[row["class_id"]]
        assert row["share"] == pytest.approx((class_map == row["class_id"]).mean())
    np.testing.assert_array_equal(again, class_map)


def test_the_confidence_in_json_is_the_mean_of_the_class():
    sure = np.array([[0.5, 0.7, 1], [0.9, 1, 0.4]], np.float32)
    rows = Segmentation(MAP, LABELS, (3, 2), sure).to_dict()["classes"]
    assert [row["confidence"] for row in rows] == [0.7, 0.8]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ((MAP, ("a",), (3, 2)), ValueError, "class id 2"),
        ((MAP.astype(np.int64) - 1, (), (3, 2)), ValueError, "class id -1"),
        ((MAP, LABELS, (2, 3)), ValueError, "shape"),
        ((MAP.astype(np.int32), LABELS, (3, 2)), TypeError, "uint8"),
        ((MAP, ["a"], (3, 2)), TypeError, "tuple"),
        ((MAP, LABELS, (3, 2), np.full((2, 3), np.nan, np.float32)), ValueError, "NaN"),
    ],
)
def test_a_wrong_segmentation_is_refused(fields, error, words):
    with pytest.raises(error, match=words):
        Segmentation(*fields)


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 4)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_depth_survives_json_and_scales_to_one(depth):
    height, width = depth.shape
    result = Depth(depth, (width, height))
    data = json.loads(result.to_json())["depth"]
    again = np.frombuffer(base64.b64decode(data["data"]), "<f4").reshape(depth.shape)
    np.testing.assert_array_equal(again, depth)
    assert np.float32(data["minimum"]) == depth.min()
    assert np.float32(data["maximum"]) == depth.max()
    scaled = result.scaled()
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (0, 1 if depth.min() < depth.max() else 0)


def test_a_wrong_depth_is_refused():
    with pytest.raises(ValueError, match="shape"):
        Depth(np.zeros((2, 3), np.float32), (2, 3))
    with pytest.raises(ValueError, match="infinite"):
        Depth(np.full((2, 3), np.inf, np.float32), (3, 2))


def test_similarity_is_the_cosine():
    one = Embedding(np.array([3, 4, 0], np.float32))
    assert one.similarity(Embedding(np.array([30, 40, 0], np.float32))) == pytest.approx(1)
    assert one.similarity(Embedding(np.array([4, -3, 9], np.float32))) == pytest.approx(0)
    assert one.similarity(Embedding(np.array([-3e38, 0, 0], np.float32))) == pytest.approx(-0.6)
    assert one.similarity(Embedding(np.zeros(3, np.float32))) == 0
    with pytest.raises(ValueError, match="3 numbers"):
        one.similarity(Embedding(np.zeros(2, np.float32)))
    assert repr(one) == "Embedding(3, length 5)"
    assert one.to_dict() == {"embedding": [3.0, 4.0, 0.0]}


def test_an_embedding_is_not_drawn():
    pytest.importorskip("inference_vision")
    picture = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises((InvalidArgument, InferenceError), match="Embedding"):
        Embedding(np.zeros(3, np.float32)).annotate(picture)
