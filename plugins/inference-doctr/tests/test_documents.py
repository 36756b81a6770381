"""PDFs and TIFFs of several pages."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pikepdf
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_core import InvalidArgument, InvalidInput
from inference_doctr.options import CallOptions
from inference_doctr.pages import read_pages
from PIL import Image

from . import drawn
from .conftest import PARAMETERS

# Of 192 x 256 points, which are 384 x 512 pixels at 144 dpi: two pixels to a point.
WIDTH, HEIGHT = 192, 256
PAGES = [
    [("abc", 40, 60), ("head", 40, 130)],
    [("gag", 60, 400), ("dd", 200, 60)],
]


def pdf(pages=PAGES, rotate: int = 0) -> bytes:
    """A PDF with words as vector rectangles, written by hand (ISO 32000-1, 7.5)."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    numbers = [3 + 2 * index for index in range(len(pages))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects.append(f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>")
    for number, words in zip(numbers, pages, strict=True):
        content = "\n".join(_rectangles(words))
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Rotate {rotate} "
            f"/Contents {number + 1} 0 R /Resources << >> >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    out, places = b"%PDF-1.4\n", []
    for index, each in enumerate(objects, 1):
        places.append(len(out))
        out += f"{index} 0 obj\n{each}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    return (
        out
        + (
            f"xref\n0 {size}\n0000000000 65535 f \n{table}"
            f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
        ).encode()
    )


def _rectangles(words):
    for text, left, top in words:
        for start, end, colour in drawn.strips(text, left):
            red, green, blue = (value / 255 for value in colour)
            bottom = HEIGHT - (top + drawn.HEIGHT) / 2
            place = f"{start / 2} {bottom} {(end - start) / 2} {drawn.HEIGHT / 2}"
            yield f"{red:.4f} {green:.4f} {blue:.4f} rg {place} re f"


def test_a_pdf_of_two_pages_is_read_page_by_page(model, tmp_path):
    path = tmp_path / "letter.pdf"
    path.write_bytes(pdf())
    for form in (path, str(path), path.read_bytes(), bytearray(path.read_bytes())):
        document = model(form)
        assert [page.text.split() for page in document] == [["abc", "head"], ["dd", "gag"]]
        assert [page.image_size for page in document] == [(384, 512)] * 2
        for page, words in zip(document, PAGES, strict=True):
            for word in page.words:
                (there,) = (each for each in words if each[0] == word.text)
                np.testing.assert_allclose(word.xyxy, drawn.found_box(*there), atol=2)


def test_a_page_of_a_pdf_that_says_it_is_turned_is_turned(model):
    # /Rotate turns clockwise; the words then lie on their side, and nothing straight is found.
    upright = model(pdf(PAGES[:1]))[0]
    turned = model(pdf(PAGES[:1], rotate=90))[0]
    assert turned.image_size == upright.image_size[::-1]
    assert turned.text.split() != upright.text.split()


def test_places_follow_the_resolution(model):
    fine = model(pdf(), dpi=288)
    assert fine[0].image_size == (768, 1024)
    assert fine.text == model(pdf()).text
    np.testing.assert_allclose(
        fine[0].words[0].xyxy, 2 * np.array(model(pdf())[0].words[0].xyxy), atol=4
    )


def test_pages_can_be_chosen(model):
    assert model(pdf(), pages=[2]).text.split() == ["dd", "gag"]
    assert len(model(pdf(), pages=(2, 1, 2))) == 3
    with pytest.raises(InvalidArgument, match=r"page 3, and .* has 2 pages"):
        model(pdf(), pages=[3])
    with pytest.raises(InvalidArgument, match="must be 1 to"):
        model(pdf(), pages=[0])
    with pytest.raises(InvalidArgument, match="page 2, and a picture has one page"):
        model(drawn.blank(), pages=[2])


def test_an_odd_number_of_pages_is_read_to_the_end(model):
    document = model(pdf([*PAGES, PAGES[0], PAGES[1], PAGES[0]]))
    assert [len(page.words) for page in document] == [2] * 5


def test_a_picture_and_a_pdf_can_be_one_document(model):
    page = drawn.blank()
    drawn.write(page, "bee", 100, 100)
    document = model((page, pdf()), color_format="rgb")
    assert [page.text.split() for page in document] == [["bee"], ["abc", "head"], ["dd", "gag"]]


def test_an_empty_pdf_has_no_pages_or_is_refused(model):
    with pytest.raises(InvalidInput, match="can't be opened as PDF"):
        model(b"%PDF-1.4\nand nothing more")
    with pytest.raises(InvalidInput, match="can't be opened as PDF"):
        model(pdf()[:300])


def test_a_page_too_large_to_render_says_so(model):
    huge = pdf().replace(f"[0 0 {WIDTH} {HEIGHT}]".encode(), b"[0 0 14400 14400]")
    with pytest.raises(InvalidInput, match=r"page 1 has 240000 x 240000 pixels at dpi=1200"):
        model(huge, dpi=1200)


def test_an_encrypted_pdf_asks_for_its_password(model, tmp_path):
    encrypted = _encrypted(pdf())
    with pytest.raises(InvalidInput, match="give password="):
        model(encrypted)
    assert len(model(encrypted, password="open")) == 2


def _encrypted(plain: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain)) as file:
        file.save(out, encryption=pikepdf.Encryption(owner="o", user="open"))
    return out.getvalue()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # what Pillow says of the damaged one
def test_a_tiff_of_several_pages_is_a_document(model, tmp_path):
    pictures = []
    for words in PAGES:
        page = drawn.blank()
        for word in words:
            drawn.write(page, *word)
        pictures.append(Image.fromarray(page))
    path = tmp_path / "scan.tiff"
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    for form in (path, path.read_bytes()):
        document = model(form)
        assert [page.text.split() for page in document] == [["abc", "head"], ["dd", "gag"]]
    assert model(path, pages=[2]).text.split() == ["dd", "gag"]
    with pytest.raises(InvalidInput):
        model(path.read_bytes()[:2000])


def test_several_threads_may_render_at_once(model):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: model(pdf()).text, range(8)))
    assert len(set(found)) == 1


@given(st.binary(max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_damaged_pdf_gives_pages_or_an_error_in_words(noise, at, cut):
    whole = pdf()
    start = int(at * len(whole))
    damaged = whole[:start] + noise + whole[start + len(noise) :]
    damaged = damaged[: len(damaged) if cut > 0.5 else int(2 * cut * len(damaged))]
    if b"%PDF-" not in damaged[:1024]:
        return
    with contextlib.suppress(InvalidInput):
        for page in read_pages(damaged, CallOptions(**PARAMETERS)):
            assert (page.dtype, page.shape[2]) == (np.uint8, 3)


def test_the_file_is_let_go_of(model, tmp_path):
    path = tmp_path / "letter.pdf"
    path.write_bytes(pdf())
    model(path)
    with pytest.raises(InvalidArgument):
        model(path, pages=[1, 9])
    assert pypdfium2.PdfDocument(pdf()).__len__() == 2
    path.unlink()
