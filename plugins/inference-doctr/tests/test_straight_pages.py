"""Pages as they are scanned: words, geometry and order are those that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from inference_core import AutoModel, InvalidArgument, InvalidInput, InvalidModel
from inference_doctr import engines
from inference_doctr.options import CallOptions
from PIL import Image

from . import drawn
from .conftest import PARAMETERS, write_package

LETTER = [("abc", 40, 60), ("dd", 220, 60), ("aabbh", 40, 130), ("gag", 40, 400)]


def letter() -> np.ndarray:
    page = drawn.blank()
    for word in LETTER:
        drawn.write(page, *word)
    return page


def test_words_are_read_where_they_were_drawn(model):
    (page,) = model(letter(), color_format="rgb")
    assert page.image_size == (384, 512)
    assert {word.text for word in page.words} == {text for text, _, _ in LETTER}
    for word in page.words:
        (drawn_there,) = (each for each in LETTER if each[0] == word.text)
        np.testing.assert_allclose(word.xyxy, drawn.found_box(*drawn_there), atol=2)
        # From the upper left corner, clockwise.
        around = drawn.corners_of(drawn.found_box(*drawn_there))
        np.testing.assert_allclose(word.corners, around, atol=2)
        # Resizing mixes a little of the separators into the letters.
        assert word.confidence == pytest.approx(drawn.CONFIDENCE, abs=0.02)
        # Nearly 1 on the ink; the box of the ink has a border of one pixel of paper on two sides.
        assert 0.9 < word.detection_confidence <= 1


def test_they_come_as_lines_and_blocks_in_reading_order(model):
    close = drawn.blank()
    # Two words to a line, 24 + 2 × 14 pixels for the boxes around them and a gap of 5.
    for word in (("abc", 30, 60), ("dd", 155, 60), ("ha", 30, 125), ("bead", 30, 400)):
        drawn.write(close, *word)
    (page,) = model(close, color_format="rgb")
    assert page.text == "abc dd\nha\n\nbead"
    assert [[line.text for line in block.lines] for block in page] == [["abc dd", "ha"], ["bead"]]


def test_columns_are_read_one_after_the_other(model):
    page = drawn.blank()
    for row, (left, right) in enumerate((("ab", "ea"), ("ac", "eb"), ("ad", "ec"))):
        drawn.write(page, left, 30, 60 + 60 * row)
        drawn.write(page, right, 250, 60 + 60 * row)
    (found,) = model(page, color_format="rgb")
    assert found.text.split() == ["ab", "ac", "ad", "ea", "eb", "ec"]
    assert len(found.blocks) == 2


def test_a_blank_page_has_no_words(model):
    document = model(drawn.blank())
    assert (len(document), document.text, document[0].blocks) == (1, "", ())


def test_every_form_of_a_picture_gives_the_same(model, tmp_path):
    page = letter()
    path = tmp_path / "letter.png"
    Image.fromarray(page).save(path)
    expected = model(page, color_format="rgb").to_dict()
    forms = (page[..., ::-1], path, str(path), path.read_bytes(), Image.fromarray(page))
    for form in forms:
        assert model(form).to_dict() == expected


def test_wide_and_large_pages_are_brought_to_the_detectors_size(model):
    wide = drawn.blank(1024, 300)
    words = [("cab", 100, 40), ("hedge"[:1] + "ead", 500, 200)]
    large = np.kron(wide, np.ones((2, 2, 1), np.uint8))  # 2048 x 600, drawn at twice the size
    for text, left, top in words:
        part = drawn.blank(drawn.word_width(text), drawn.HEIGHT)
        drawn.write(part, text, 0, 0)
        double = np.kron(part, np.ones((4, 4, 1), np.uint8))
        large[2 * top : 2 * top + len(double), 2 * left : 2 * left + double.shape[1]] = double
    (page,) = model(large, color_format="rgb")
    assert page.text.split() == ["cab", "head"]
    for word, (text, left, top) in zip(page.words, words, strict=True):
        # The page is seen at a quarter of its size: a pixel there is four here.
        box = 4 * drawn.found_box(text, left / 2, top / 2)
        np.testing.assert_allclose(word.xyxy, box, atol=9)


def test_a_list_gives_a_document_each_and_a_tuple_is_one_document(model):
    page = letter()
    several = model([page, drawn.blank()], color_format="rgb")
    assert [len(each.words) for each in several] == [4, 0]
    together = model((page, drawn.blank(), page), color_format="rgb")
    assert [len(each.words) for each in together] == [4, 0, 4]


def test_a_stream_of_pages_keeps_their_order(model):
    pages = []
    for text in ("ab", "cd", "ef", "gh"):
        pages.append(drawn.blank())
        drawn.write(pages[-1], text, 100, 100)
    found = [result.text for _, result in model.stream(pages, color_format="rgb")]
    assert found == ["ab", "cd", "ef", "gh"]


def test_words_of_little_confidence_are_left_out(model):
    assert model(letter(), color_format="rgb", confidence=0.95).text == ""
    assert len(model(letter(), color_format="rgb", confidence=0.5).words) == 4


def test_without_blocks_or_lines_all_is_one(model):
    (page,) = model(letter(), color_format="rgb", resolve_blocks=False, keep_reading_order=False)
    assert (len(page.blocks), len(page.lines)) == (1, 4)
    (page,) = model(letter(), color_format="rgb", resolve_lines=False, keep_reading_order=False)
    assert (len(page.lines), len(page.words)) == (1, 4)


def seen_by_the_detector(monkeypatch, model, page, **options) -> np.ndarray:
    """Which columns of what the detector gets are the page, and no margin: bool (512,)."""
    seen = []

    def spy(self, inputs):
        seen.append(inputs)
        return run(self, inputs)

    run = engines.Detector.run
    monkeypatch.setattr(engines.Detector, "run", spy)
    model(page, **options)
    monkeypatch.undo()
    return (seen[0][0] > 0).all(axis=(0, 2))


def test_narrow_pages_get_a_margin_or_are_stretched(monkeypatch, model):
    page = drawn.blank(128, 512)
    found = [
        np.flatnonzero(seen_by_the_detector(monkeypatch, model, page, **options))[[0, -1]].tolist()
        for options in ({}, {"symmetric_pad": False}, {"preserve_aspect_ratio": False})
    ]
    assert found == [[192, 319], [0, 127], [0, 511]]


@pytest.mark.parametrize(
    "options",
    [{}, {"symmetric_pad": False}, {"preserve_aspect_ratio": False}],
)
def test_places_are_on_the_page_whatever_its_margin(model, options):
    page = drawn.blank(256, 512)
    drawn.write(page, "abc", 100, 200)
    (word,) = model(page, color_format="rgb", **options).words
    assert word.text == "abc"
    left, _, right, _ = word.xyxy
    assert (left + right) / 2 == pytest.approx(100 + drawn.word_width("abc") / 2, abs=1.5)


def test_a_wide_gap_begins_another_line_where_it_is_called_one(model):
    page = drawn.blank()
    drawn.write(page, "abc", 30, 60)
    drawn.write(page, "dd", 190, 60)  # a gap of 42 pixels between their boxes, of 384
    for paragraph_break, lines in ((0.035, ["abc", "dd"]), (0.2, ["abc dd"])):
        found = model(page, color_format="rgb", paragraph_break=paragraph_break)
        assert [line.text for line in found[0].lines] == lines


def test_the_thresholds_are_those_of_the_call(model):
    page = letter()
    sure = model(page, color_format="rgb", box_threshold=0.5)[0].words
    assert len(sure) == 4
    least = min(word.detection_confidence for word in sure)
    assert len(model(page, color_format="rgb", box_threshold=least + 1e-6)[0].words) < 4
    # Paper has a probability of 1 / (1 + exp(20)), which counts as text where nothing is too little.
    assert model(page, color_format="rgb", bin_threshold=0.0).text == ""


def test_the_answer_is_drawn_on_the_page(model):
    page = letter()
    picture = model(page, color_format="rgb").annotate(page, color_format="rgb")
    assert picture.shape == page.shape
    left, top, right, _ = drawn.found_box(*LETTER[0]).round().astype(int)
    changed = (picture[..., ::-1] != page).any(axis=-1)
    assert changed[top - 2 : top + 3, left:right].any(axis=0).mean() > 0.95
    assert not changed[200:350].any()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"recognition": "crnn"}, 'no "vocabulary" is stated'),
        ({"vocabulary": "abc"}, 'no "recognition" is stated'),
        ({"vocabulary": "aba", "recognition": "crnn"}, "'a' more than once"),
        ({**PARAMETERS, "recognition": "trocr"}, "recognition"),
        ({**PARAMETERS, "vocabulry": "x"}, "did you mean 'vocabulary'"),
    ],
)
def test_a_manifest_that_lacks_what_the_files_need_fails_to_load(tmp_path, parameters, said):
    write_package(tmp_path, parameters=parameters)
    with pytest.raises(InvalidModel, match=said):
        AutoModel.from_pretrained(tmp_path, backend="doctr")


@pytest.mark.parametrize("vocabulary", ["abcdefg", "abcdefghi"])
def test_a_vocabulary_of_another_length_than_the_classes_is_refused(model, vocabulary):
    with pytest.raises(InvalidArgument, match=rf"{len(vocabulary)} characters.*9 classes wants 8"):
        model(letter(), vocabulary=vocabulary)


def test_a_long_vocabulary_is_looked_through_once():
    class Letters(str):
        def count(self, *_):
            raise AssertionError("a look through all for each character")

    assert CallOptions(vocabulary=Letters("abc"), recognition="crnn").vocabulary == "abc"
    with pytest.raises(InvalidArgument, match="'ac' more than once"):
        CallOptions(vocabulary=Letters("cabca"), recognition="crnn")


def test_the_vocabulary_says_what_the_classes_mean(model):
    words = model(letter(), color_format="rgb", vocabulary="ABCDEFGÄ").words
    assert sorted(word.text for word in words) == ["AABBÄ", "ABC", "DD", "GAG"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere.png", "no such file"),
        (b"", "empty"),
        (b"hello", "not an image"),
        ((), "tuple is empty"),
        (3, "can't read an image from"),
    ],
)
def test_what_is_no_page_is_refused(model, given, said):
    with pytest.raises(InvalidInput, match=said):
        model(given)
