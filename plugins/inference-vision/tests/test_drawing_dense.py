"""Segmentations and depths drawn onto their pictures."""

from __future__ import annotations

import numpy as np
import pytest
from inference_core import Depth, Embedding, Segmentation
from inference_core.errors import InvalidArgument, InvalidInput
from inference_vision.drawing_tools import colour_of

GREY = np.full((200, 300, 3), 100, np.uint8)


def test_a_segmentation_tints_each_class_and_names_it():
    class_map = np.zeros((200, 300), np.uint8)
    class_map[:, 150:] = 2
    drawn = Segmentation(class_map, ("sky", "road", "car"), (300, 200)).annotate(GREY)
    for x, class_id in ((100, 0), (290, 2)):
        np.testing.assert_allclose(
            drawn[190, x], 50 + np.multiply(colour_of(class_id), 0.5), atol=1
        )
    text = drawn[:60, :80].reshape(-1, 3).tolist()
    assert list(colour_of(0)) in text  # the labels' rectangles
    assert list(colour_of(2)) in text
    assert (GREY == 100).all()


def test_classes_beyond_a_byte_are_drawn_too():
    drawn = Segmentation(np.full((200, 300), 300), (), (300, 200)).annotate(GREY)
    np.testing.assert_allclose(drawn[190, 290], 50 + np.multiply(colour_of(300), 0.5), atol=1)


def test_depth_grows_brighter():
    ramp = np.tile(np.linspace(3, 9, 300, dtype=np.float32), (200, 1))
    drawn = Depth(ramp, (300, 200)).annotate(GREY)
    brightness = drawn.astype(int).sum(axis=2)[0]
    assert (np.diff(brightness[::20]) > 0).all()


def test_what_has_no_picture_or_another_one_is_refused():
    with pytest.raises(InvalidInput, match="belongs to a picture of 2 x 2"):
        Depth(np.zeros((2, 2), np.float32), (2, 2)).annotate(GREY)
    with pytest.raises(InvalidArgument, match="not Embedding"):
        Embedding(np.zeros(3, np.float32)).annotate(GREY)
