"""Turned pages: the words, their corners as they lie, the angle, and the order."""

from __future__ import annotations

import numpy as np
import pytest

from . import drawn

SIDE = 512
# The same letters in each, for the made-up orientation graph compares beginnings with ends.
WORDS = [("hgab", 160, 170), ("ghba", 160, 240), ("hgba", 180, 310)]


def page() -> np.ndarray:
    blank = drawn.blank(SIDE, SIDE)
    for word in WORDS:
        drawn.write(blank, *word)
    return blank


def corners(text: str, degrees: float) -> np.ndarray:
    (word,) = (each for each in WORDS if each[0] == text)
    upright = drawn.corners_of(drawn.found_box(*word))
    return drawn.turned_points(upright, degrees, (SIDE, SIDE))


@pytest.mark.parametrize("degrees", [0, 7, -7, 20, -33])
def test_words_of_a_skewed_page_are_read_where_they_lie(model, degrees):
    found = model(
        drawn.turned(page(), degrees),
        color_format="rgb",
        assume_straight_pages=False,
        detect_orientation=True,
    )[0]
    assert found.text.split() == [text for text, _, _ in WORDS]
    for word in found.words:
        np.testing.assert_allclose(word.corners, corners(word.text, degrees), atol=4)
        assert word.confidence == pytest.approx(drawn.CONFIDENCE, abs=0.05)
    assert found.orientation == pytest.approx(-degrees, abs=1)


@pytest.mark.parametrize("degrees", [0, 90, 180, -90, 70, -110, 155])
def test_the_orientation_parts_tell_pages_that_stand_on_end_or_upside_down(
    orienting_model, degrees
):
    found = orienting_model(
        drawn.turned(page(), degrees),
        color_format="rgb",
        assume_straight_pages=False,
        detect_orientation=True,
    )[0]
    assert {word.text for word in found.words} == {text for text, _, _ in WORDS}
    for word in found.words:
        # Beginning with the corner where the text begins, however the page lies.
        np.testing.assert_allclose(word.corners, corners(word.text, degrees), atol=4)
    clockwise = (-degrees - found.orientation + 180) % 360 - 180
    assert abs(clockwise) <= 1


@pytest.mark.parametrize("degrees", [90, 180, -90, 70, -110])
def test_straightened_pages_are_read_in_order_and_give_places_on_the_page_itself(
    orienting_model, degrees
):
    found = orienting_model(
        drawn.turned(page(), degrees), color_format="rgb", straighten_pages=True
    )[0]
    assert found.text == "hgab\nghba\nhgba"
    assert found.image_size == (SIDE, SIDE)
    for word in found.words:
        around = corners(word.text, degrees)
        box = (*around.min(axis=0), *around.max(axis=0))
        np.testing.assert_allclose(word.xyxy, box, atol=5)


@pytest.mark.parametrize("degrees", [90, 180, -110])
def test_straightened_pages_can_have_their_corners_too(orienting_model, degrees):
    found = orienting_model(
        drawn.turned(page(), degrees),
        color_format="rgb",
        straighten_pages=True,
        assume_straight_pages=False,
    )[0]
    assert found.text == "hgab\nghba\nhgba"
    for word in found.words:
        np.testing.assert_allclose(word.corners, corners(word.text, degrees), atol=5)


@pytest.mark.parametrize("straighten", [False, True])
def test_blank_and_tiny_pages_have_no_words(orienting_model, straighten):
    options = {"assume_straight_pages": False, "straighten_pages": straighten}
    blank = drawn.blank()
    tiny = [np.full((*size, 3), 255, np.uint8) for size in ((1, 1), (1, 900), (900, 1), (3, 3))]
    found = orienting_model((blank, *tiny, page()), color_format="rgb", **options)
    assert [len(each.words) for each in found] == [0, 0, 0, 0, 0, 3]


def test_a_turned_line_has_an_angle_in_hocr(orienting_model):
    found = orienting_model(
        drawn.turned(page(), 90), color_format="rgb", assume_straight_pages=False
    )
    assert found.to_hocr().count("textangle 90.0") == len(found[0].lines)


def test_calls_with_different_options_do_not_disturb_each_other(orienting_model):
    straight = {"color_format": "rgb"}
    turned = {**straight, "assume_straight_pages": False}
    first = orienting_model(page(), **straight).to_dict()
    boxes = orienting_model(drawn.turned(page(), 20), **turned)[0].words[0].corners
    assert not np.isclose(boxes[0, 1], boxes[1, 1])
    assert orienting_model(page(), **straight).to_dict() == first
