"""Document: pages, blocks, lines and words, as text, JSON and hOCR."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_core import Document, InvalidArgument
from inference_core.results import Block, Line, Page, Word

XHTML = "{http://www.w3.org/1999/xhtml}"


def word(text: str, left: float = 0, top: float = 0, width: float = 40, confidence=0.5) -> Word:
    right, bottom = left + width, top + 10
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return Word(text, confidence, np.array(corners, np.float32))


def turned(text: str, degrees: float, left: float, top: float) -> Word:
    """A word as `word` makes it, with the page turned counter-clockwise about (100, 100)."""
    angle = math.radians(degrees)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    upright = word(text, left, top).corners
    return Word(text, 0.5, ((upright - 100) @ matrix + 100).astype(np.float32))


def page(*lines: tuple[Word, ...]) -> Page:
    return Page((Block(tuple(Line(each) for each in lines)),), (200, 300))


TWO_PAGES = Document(
    (
        Page(
            (
                Block(
                    (
                        Line((word("Dear", 10, 20), word("Ann,", 60, 20))),
                        Line((word("hi", 10, 40),)),
                    )
                ),
                Block((Line((word("Bob", 10, 90),)),)),
            ),
            (200, 300),
        ),
        page((word("P.S.", 5, 5, confidence=0.987),)),
    )
)


def placed(element: ElementTree.Element, name: str) -> list[int]:
    """The numbers of a property in the title of an element of hOCR."""
    found = re.search(rf"(?:^|; ){name} ([-\d. ]+)", element.get("title", ""))
    assert found, element.get("title")
    return [round(float(number)) for number in found[1].split()]


def of_class(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [each for each in root.iter() if each.get("class") == kind]


def test_text_has_lines_blocks_and_pages():
    assert TWO_PAGES.text == "Dear Ann,\nhi\n\nBob\fP.S."
    assert [each.text for each in TWO_PAGES[0].lines] == ["Dear Ann,", "hi", "Bob"]
    assert [str(each) for each in TWO_PAGES.words] == ["Dear", "Ann,", "hi", "Bob", "P.S."]


def test_a_part_of_a_document_is_one():
    assert TWO_PAGES[1:].text == "P.S."
    assert TWO_PAGES[0].text.startswith("Dear")
    assert isinstance(TWO_PAGES[:0], Document)


def test_the_corners_are_the_words_own():
    given = word("a").corners.copy()
    made = Word("a", 0.5, given)
    with pytest.raises(ValueError, match="read-only"):
        made.corners[0, 0] = 7
    given[0, 0] = 7
    assert made.corners[0, 0] == 0


def test_a_page_of_a_file_keeps_its_number():
    last = Document((Page((), (20, 30), number=7),))
    assert json.loads(last.to_json())["pages"][0]["number"] == 7
    (found,) = of_class(ElementTree.fromstring(last.to_hocr()), "ocr_page")
    assert placed(found, "ppageno") == [6]


def test_it_says_how_much_it_holds():
    assert repr(TWO_PAGES) == "Document(2 pages, 5 words)"
    assert repr(TWO_PAGES[1]) == "Page(1 word)"
    assert [len(each) for each in TWO_PAGES] == [2, 1]


def test_a_line_and_a_block_lie_around_their_words():
    first = TWO_PAGES[0].blocks[0]
    np.testing.assert_array_equal(
        first.lines[0].corners, [[10, 20], [100, 20], [100, 30], [10, 30]]
    )
    np.testing.assert_array_equal(first.corners, [[10, 20], [100, 20], [100, 50], [10, 50]])


@given(st.floats(-180, 180))
def test_turned_words_have_a_rectangle_that_is_turned_as_they_are(degrees):
    line = Line((turned("a", degrees, 60, 80), turned("b", degrees, 110, 80)))
    # The upright line from 60 to 150, turned as a whole.
    upright = np.array([[60, 80], [150, 80], [150, 90], [60, 90]], np.float64)
    angle = math.radians(degrees)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    np.testing.assert_allclose(line.corners, (upright - 100) @ matrix + 100, atol=2e-3)


def test_words_that_point_in_opposite_directions_still_have_a_rectangle():
    line = Line((turned("a", 0, 60, 80), turned("b", 180, 60, 80)))
    assert np.isfinite(line.corners).all()


def test_json_has_every_word_with_its_place():
    found = json.loads(TWO_PAGES.to_json())
    assert found["pages"][0]["image"] == {"width": 200, "height": 300}
    assert found["pages"][0]["text"] == "Dear Ann,\nhi\n\nBob"
    line = found["pages"][0]["blocks"][0]["lines"][0]
    assert line["text"] == "Dear Ann,"
    assert line["words"][1] == {
        "text": "Ann,",
        "confidence": 0.5,
        "corners": [[60, 20], [100, 20], [100, 30], [60, 30]],
    }


def test_hocr_has_every_word_with_its_place_and_confidence():
    root = ElementTree.fromstring(TWO_PAGES.to_hocr(source="a.pdf"))
    pages = of_class(root, "ocr_page")
    assert [placed(each, "bbox") for each in pages] == [[0, 0, 200, 300]] * 2
    assert [placed(each, "ppageno") for each in pages] == [[0], [1]]
    assert 'image "a.pdf"' in pages[0].get("title", "")
    assert [len(of_class(each, "ocr_carea")) for each in pages] == [2, 1]
    lines = of_class(root, "ocr_line")
    assert [placed(each, "bbox") for each in lines][:2] == [[10, 20, 100, 30], [10, 40, 50, 50]]
    words = of_class(root, "ocrx_word")
    assert [each.text for each in words] == ["Dear", "Ann,", "hi", "Bob", "P.S."]
    assert placed(words[1], "bbox") == [60, 20, 100, 30]
    assert placed(words[4], "x_wconf") == [99]
    names = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(names) == len(set(names)) == 2 + 2 * 3 + 4 + 5


def test_hocr_tells_how_turned_text_lies():
    root = ElementTree.fromstring(page((turned("up", 90, 80, 100),)).to_hocr())
    (line,), (found,) = of_class(root, "ocr_line"), of_class(root, "ocrx_word")
    assert placed(line, "textangle") == [90]
    # Read upwards: it begins at its lower left corner.
    assert placed(found, "poly") == [100, 120, 100, 80, 110, 80, 110, 120]
    assert placed(found, "bbox") == [100, 80, 110, 120]


@given(st.text(min_size=1), st.text())
def test_hocr_is_xml_whatever_the_text_and_the_name_are(text, source):
    root = ElementTree.fromstring(page((word(text),)).to_hocr(source=source))
    (found,) = of_class(root, "ocrx_word")
    if text.isprintable():
        assert found.text == text


def test_an_empty_page_is_a_page():
    empty = Document((Page((), (20, 30)),))
    assert empty.text == ""
    assert json.loads(empty.to_json())["pages"][0]["blocks"] == []
    assert len(of_class(ElementTree.fromstring(empty.to_hocr()), "ocr_page")) == 1


def test_several_pages_are_not_drawn_on_one_picture():
    with pytest.raises(InvalidArgument, match=r"2 pages.*pages\[0\]"):
        TWO_PAGES.annotate(np.zeros((300, 200, 3), np.uint8))


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Word("a", 1.5, word("a").corners), ValueError, "confidence must be 0 to 1"),
        (lambda: Word("a", math.nan, word("a").corners), ValueError, "confidence must be 0 to 1"),
        (lambda: Word("a", True, word("a").corners), TypeError, "confidence must be a number"),
        (lambda: Word(b"a", 0.5, word("a").corners), TypeError, "text must be a str"),
        (lambda: Word("a", 0.5, np.zeros((2, 2), np.float32)), ValueError, "shape"),
        (lambda: Word("a", 0.5, word("a").corners, 2.0), ValueError, "detection_confidence"),
        (lambda: Line(()), ValueError, "Line.words is empty; leave such a line out"),
        (lambda: Block([Line((word("a"),))]), TypeError, "tuple of Line"),
        (lambda: Page((Line((word("a"),)),), (1, 1)), TypeError, "tuple of Block"),
        (lambda: Document(TWO_PAGES[0]), TypeError, "tuple of Page"),
        (lambda: Page((), "20"), TypeError, r"image_size must be \(width, height\), not '20'"),
        (lambda: Page((), (20, 30, 3)), TypeError, "image_size must be"),
        (lambda: Page((), (20, 3.5)), TypeError, "image_size: the height must be an int, not 3.5"),
        (lambda: Page((), (0, 30)), ValueError, "image_size: the width must be 1 or more, not 0"),
        (lambda: Page((), (20, 30), "up"), TypeError, "orientation must be a number, not 'up'"),
        (lambda: Page((), (20, 30), math.nan), ValueError, "orientation must be finite, not nan"),
        (lambda: Page((), (20, 30), None, 0), ValueError, "number must be 1 or more, not 0"),
        (lambda: Page((), (20, 30), None, True), TypeError, "number must be an int, not True"),
    ],
)
def test_what_is_no_document_is_refused_when_it_is_made(make, error, said):
    with pytest.raises(error, match=said):
        make()
