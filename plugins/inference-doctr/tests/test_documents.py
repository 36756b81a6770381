"""PDFs and TIFFs of several pages."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import inference_doctr
import numpy as np
import pikepdf
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_core import AutoModel, InferenceError, InvalidArgument, InvalidInput
from inference_doctr import engines, pdf_pages, read_pages
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from . import drawn

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


def test_a_page_of_a_pdf_that_says_it_is_turned_is_turned():
    # /Rotate turns clockwise.
    (upright,) = read_pages(pdf(PAGES[:1]))
    for quarters in (1, 2, 3):
        (turned,) = read_pages(pdf(PAGES[:1], rotate=90 * quarters))
        np.testing.assert_array_equal(turned.pixels, np.rot90(upright.pixels, -quarters))


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
    with pytest.raises(InvalidInput, match=r"<PDF of .* has 2 pages, and page 3 was asked for"):
        model(pdf(), pages=[3])
    with pytest.raises(InvalidArgument, match="must be 1 to"):
        model(pdf(), pages=[0])
    with pytest.raises(InvalidInput, match="<array> has one page, and page 2 was asked for"):
        model(drawn.blank(), pages=[2])


def test_pages_know_which_of_their_file_they_are(model):
    assert [page.number for page in model(pdf())] == [1, 2]
    assert [page.number for page in model(pdf(), pages=(2, 1, 2))] == [2, 1, 2]
    assert [page.number for page in model(drawn.blank())] == [1]
    assert [page.number for page in model((pdf(), drawn.blank()))] == [None] * 3


def test_the_pages_chosen_of_a_tuple_are_those_of_each(model):
    assert model((pdf(), pdf()), pages=[2]).text.split() == ["dd", "gag"] * 2


def test_an_odd_number_of_pages_is_read_to_the_end(model):
    document = model(pdf([*PAGES, PAGES[0], PAGES[1], PAGES[0]]))
    assert [len(page.words) for page in document] == [2] * 5


def test_a_picture_and_a_pdf_can_be_one_document(model):
    page = drawn.blank()
    drawn.write(page, "bee", 100, 100)
    document = model((page, pdf()), color_format="rgb")
    assert [page.text.split() for page in document] == [["bee"], ["abc", "head"], ["dd", "gag"]]


def test_a_damaged_or_empty_pdf_is_refused(model):
    with pytest.raises(InvalidInput, match="can't be opened as PDF"):
        model(b"%PDF-1.4\nand nothing more")
    with pytest.raises(InvalidInput, match="can't be opened as PDF") as caught:
        model(pdf()[:300])
    assert "password" not in str(caught.value)
    with pytest.raises(InvalidInput, match=r"<PDF of .* can't be opened as PDF.*has no pages"):
        model(pdf([]))


def test_a_text_that_is_called_pdf_is_no_picture_either(model, tmp_path):
    path = tmp_path / "notes.PDF"
    path.write_text("hello")
    with pytest.raises(InvalidInput, match=r"notes\.PDF is no PDF.*starts with b'hello'"):
        model(path)
    path.write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"notes\.PDF: it is empty"):
        model(path)


def test_a_picture_may_mention_a_pdf(model, tmp_path):
    page = drawn.blank()
    drawn.write(page, "bee", 100, 100)
    said = PngInfo()
    said.add_text("note", "made from a %PDF-1.4")
    path = tmp_path / "called.pdf"  # the name decides nothing
    Image.fromarray(page).save(path, "PNG", pnginfo=said)
    assert model(path).text == "bee"
    noise = b"from a mail\n" * 40
    assert len(model(noise + pdf())) == 2  # and a PDF may begin late


def test_what_is_filled_into_a_form_is_read(model):
    blank, whole = io.BytesIO(), pdf([[]])
    with pikepdf.open(io.BytesIO(whole)) as file:
        page = file.pages[0]
        shown = file.make_stream("\n".join(_rectangles([("abc", 0, 0)])).encode())
        shown.Type, shown.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        shown.BBox = [0, 0, WIDTH, HEIGHT]
        shown.Resources = pikepdf.Dictionary()
        field = file.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Annot,
                Subtype=pikepdf.Name.Widget,
                FT=pikepdf.Name.Tx,
                T="name",
                V="abc",
                Rect=[20, -30, 20 + WIDTH, -30 + HEIGHT],  # 20 points to the right, 30 down
                F=4,
                AP=pikepdf.Dictionary(N=shown),
            )
        )
        page.Annots = pikepdf.Array([field])
        file.Root.AcroForm = pikepdf.Dictionary(Fields=[field])
        file.save(blank)
    (word,) = model(blank.getvalue()).words
    assert word.text == "abc"
    np.testing.assert_allclose(word.xyxy, drawn.found_box("abc", 40, 60), atol=2)


def test_a_page_too_large_to_render_says_so(model):
    huge = pdf().replace(f"[0 0 {WIDTH} {HEIGHT}]".encode(), b"[0 0 14400 14400]")
    with pytest.raises(InvalidInput, match=r"page 1 has 240000 x 240000 pixels at dpi=1200"):
        model(huge, dpi=1200)


def test_an_encrypted_pdf_asks_for_its_password(model, tmp_path):
    encrypted = _encrypted(pdf())
    with pytest.raises(InvalidInput, match="is encrypted: give its password="):
        model(encrypted)
    with pytest.raises(InvalidInput, match="that password is wrong"):
        model(encrypted, password="shut")
    assert len(model(encrypted, password="open")) == 2


def _encrypted(plain: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain)) as file:
        file.save(out, encryption=pikepdf.Encryption(owner="o", user="open"))
    return out.getvalue()


def scan(path, **options):
    """A TIFF with the same two pages."""
    pictures = []
    for words in PAGES:
        page = drawn.blank()
        for word in words:
            drawn.write(page, *word)
        pictures.append(Image.fromarray(page))
    pictures[0].save(path, "TIFF", save_all=True, append_images=pictures[1:], **options)
    return path


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_several_pages_is_a_document(model, tmp_path, big):
    path = scan(tmp_path / "scan.tiff", big_tiff=big)
    for form in (path, path.read_bytes()):
        document = model(form)
        assert [page.text.split() for page in document] == [["abc", "head"], ["dd", "gag"]]
    assert model(path, pages=[2]).text.split() == ["dd", "gag"]
    with pytest.raises(InvalidInput, match=r"scan\.tiff has 2 pages, and page 3"):
        model(path, pages=[3])


def test_a_damaged_page_of_a_tiff_is_named(tmp_path):
    path = scan(tmp_path / "scan.tiff", compression="tiff_deflate")
    data = bytearray(path.read_bytes())
    with Image.open(path) as picture:
        picture.seek(1)
        (start, *_), (size, *_) = picture.tag_v2[273], picture.tag_v2[279]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    for value, name in ((path, r"scan\.tiff"), (bytes(data), r"<TIFF of \d+ bytes>")):
        with pytest.raises(InvalidInput, match=f"{name}, page 2 can't be read as TIFF: "):
            list(read_pages(value))
        assert len(list(read_pages(value, pages=[1]))) == 1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File")  # so says Pillow
@pytest.mark.parametrize("kept", [4, 8, 100, 2000])
def test_a_tiff_that_is_cut_off_is_refused(tmp_path, kept):
    path = scan(tmp_path / "scan.tiff")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InvalidInput, match=r"scan\.tiff.* can't be read as TIFF: (?!.*_io)"):
        list(read_pages(path))


def test_a_tiff_of_more_pixels_than_pillow_takes_is_refused(tmp_path, monkeypatch):
    path = scan(tmp_path / "scan.tiff")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 90_000)
    with pytest.raises(InvalidInput, match=r"scan\.tiff can't be read as TIFF: .*196608 pixels"):
        list(read_pages(path))


def test_several_threads_render_one_after_the_other(monkeypatch):
    inside, most = [], []

    def spy(*arguments):
        inside.append(None)
        most.append(len(inside))
        time.sleep(0.005)  # another thread would come in
        inside.pop()
        return render(*arguments)

    render = pdf_pages._rendered
    monkeypatch.setattr(pdf_pages, "_rendered", spy)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: [each.pixels for each in read_pages(pdf())], range(8)))
    assert (max(most), len(most)) == (1, 16)
    expected = [each.pixels for each in read_pages(pdf())]
    assert all(np.array_equal(each, expected) for each in found)


def test_several_threads_read_what_was_drawn(model):
    letters = [pdf([[(text, 40, 60)]]) for text in ("abc", "head", "gag", "dd")] * 2
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda letter: model(letter).text, letters))
    assert found == ["abc", "head", "gag", "dd"] * 2


@given(st.binary(max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_damaged_pdf_gives_pages_or_an_error_in_words(noise, at, cut):
    whole = pdf()
    start = int(at * len(whole))
    damaged = whole[:start] + noise + whole[start + len(noise) :]
    damaged = damaged[: len(damaged) if cut > 0.5 else int(2 * cut * len(damaged))]
    if b"%PDF-" not in damaged[:1024]:
        return
    with contextlib.suppress(InvalidInput):
        for page in read_pages(damaged):
            assert (page.pixels.dtype, page.pixels.shape[2]) == (np.uint8, 3)


def handles(path) -> int:
    """How often this process has a file open."""
    return sum(
        each.samefile(path)
        for each in Path("/proc/self/fd").iterdir()
        if each.exists()  # the one of this very listing is gone by now
    )


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("write", [lambda path: path.write_bytes(pdf()), scan], ids=["pdf", "tiff"])
def test_the_file_is_let_go_of(package, monkeypatch, tmp_path, write):
    path = tmp_path / "letter"
    write(path)
    pictures = read_pages(path)
    next(pictures)
    assert handles(path) == 1
    pictures.close()
    assert handles(path) == 0
    with AutoModel.from_pretrained(package, options={"detection_batch": 1}) as model:
        model(path)
        assert handles(path) == 0
        with pytest.raises(InvalidInput):
            model(path, pages=[1, 9])
        assert handles(path) == 0

        def fail(*_):
            assert handles(path) == 1
            raise InferenceError("nothing works")

        monkeypatch.setattr(engines.Detector, "check", fail)
        # The exception, which is kept, keeps what was read of the file.
        with pytest.raises(InferenceError, match=r"letter, page 1: nothing works") as kept:
            model(path)
        assert handles(path) == 0
        del kept


@pytest.mark.parametrize("options", [{}, {"pages": [9]}])
def test_a_document_is_closed_while_no_other_thread_is_in_pdfium(monkeypatch, options):
    # Left to pypdfium2, it would be closed when it is collected, whatever others do.
    locked = []

    def spy(self, **keywords):
        locked.append(pdf_pages._pdfium._is_owned())
        return close(self, **keywords)

    close = pypdfium2.PdfDocument.close
    monkeypatch.setattr(pypdfium2.PdfDocument, "close", spy)
    with contextlib.suppress(InvalidInput):
        list(read_pages(pdf(), **options))
    assert locked == [True]


def test_the_garbage_collector_may_close_a_document_while_another_is_rendered():
    abandoned = read_pages(pdf())
    next(abandoned)

    def collect():
        with pdf_pages._pdfium:  # as when it comes by there
            abandoned.close()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_pages_are_pictures_that_results_are_drawn_on(model, tmp_path):
    path = tmp_path / "letter.pdf"
    path.write_bytes(pdf())
    document = model(path, dpi=100)
    pictures = list(inference_doctr.read_pages(path, dpi=100))
    assert [each.source for each in pictures] == [f"{path}, page {number}" for number in (1, 2)]
    for page, picture in zip(document, pictures, strict=True):
        assert picture.size == page.image_size
        on_it = page.annotate(picture)
        left, top, right, _ = np.round(page.words[0].xyxy).astype(int)
        changed = (on_it[..., ::-1] != picture.pixels).any(axis=-1)
        assert changed[top - 2 : top + 3, left:right].any(axis=0).mean() > 0.95
    (array,) = read_pages(drawn.blank()[..., ::-1], color_format="rgb")
    assert (array.source, array.color_format) == ("<array>", "rgb")
    with pytest.raises(InvalidArgument, match="dpi=5"):
        read_pages(path, dpi=5)
