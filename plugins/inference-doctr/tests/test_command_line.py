"""`infer predict` on documents: text, JSON lines and hOCR."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from inference_core import cli
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from . import drawn
from .test_documents import pdf


@pytest.fixture
def scans(tmp_path):
    """A folder with a PDF of two pages and a picture."""
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "letter.pdf").write_bytes(pdf())
    page = drawn.blank()
    drawn.write(page, "bee", 100, 100)
    Image.fromarray(page).save(folder / "note.png")
    return folder


def infer(*words) -> int:
    return cli.main(["predict", *map(str, words)])


def words_of(path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return [each.text or "" for each in root.iter() if each.get("class") == "ocrx_word"]


def test_the_text_of_a_pdf_is_printed_page_by_page(package, scans, capsys):
    assert infer(package, scans / "letter.pdf") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{scans / 'letter.pdf'}: Document(2 pages, 4 words)",
        "  --- page 1 ---",
        "  abc",
        "  head",
        "  --- page 2 ---",
        "  dd",
        "",
        "  gag",
    ]


def test_a_folder_gives_its_pdfs_and_pictures(package, scans, capsys):
    assert infer(package, scans, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(row["result"]["pages"]) for row in rows] == [2, 1]
    word = rows[1]["result"]["pages"][0]["blocks"][0]["lines"][0]["words"][0]
    assert word["text"] == "bee"
    assert len(word["corners"]) == 4


def test_documents_are_saved_as_hocr_and_pictures_also_drawn(package, scans, tmp_path, capsys):
    assert infer(package, scans, "--save", tmp_path / "out") == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["letter.hocr", "note.hocr", "note.png"]
    assert words_of(out / "letter.hocr") == ["abc", "head", "dd", "gag"]
    assert words_of(out / "note.hocr") == ["bee"]
    assert "poly" not in (out / "note.hocr").read_text()  # of an upright box there are no corners
    with Image.open(out / "note.png") as picture:
        assert picture.size == (384, 512)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith(f"-> {out / 'letter.hocr'}")


def test_one_page_of_a_pdf_is_saved_without_a_drawing(package, scans, tmp_path):
    assert infer(package, scans / "letter.pdf", "--save", tmp_path, "-p", "pages=[2]") == 0
    assert words_of(tmp_path / "letter.hocr") == ["dd", "gag"]
    assert not (tmp_path / "letter.png").exists()


@pytest.fixture
def two_pages(tmp_path):
    """A TIFF of two pages."""
    pictures = []
    for text, top in (("abc", 60), ("head", 300)):
        page = drawn.blank()
        drawn.write(page, text, 40, top)
        pictures.append(Image.fromarray(page))
    path = tmp_path / "two.tiff"
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    return path


def test_words_are_drawn_on_no_other_page_than_theirs(package, two_pages, tmp_path, capsys):
    out = tmp_path / "out"
    for pages, drawn_too in (("[2]", False), ("[1,2]", False), ("[1]", True)):
        assert infer(package, two_pages, "--save", out, "-p", f"pages={pages}") == 0
        assert (out / "two.png").exists() == drawn_too
    assert "warning" not in capsys.readouterr().err


def test_hocr_tells_which_page_of_the_file_it_is(package, two_pages, tmp_path, capsys):
    assert infer(package, two_pages, "--save", tmp_path / "out", "-p", "pages=[2]") == 0
    assert "ppageno 1" in (tmp_path / "out" / "two.hocr").read_text()
    assert infer(package, two_pages, "-p", "pages=[2,1]") == 0
    assert [line for line in capsys.readouterr().out.splitlines() if "---" in line] == [
        "  --- page 2 ---",
        "  --- page 1 ---",
    ]


def test_two_inputs_of_one_name_keep_their_files_together(package, scans, tmp_path, capsys):
    Image.open(scans / "note.png").save(scans / "letter.png")
    assert infer(package, scans, "--save", tmp_path / "out") == 0
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == ["letter-2.hocr", "letter-2.png", "letter.hocr", "note.hocr", "note.png"]
    assert words_of(tmp_path / "out" / "letter-2.hocr") == ["bee"]


def test_a_file_without_the_page_is_reported_and_the_others_go_on(package, scans, capsys):
    assert infer(package, scans, "-p", "pages=[2]") == 1
    printed = capsys.readouterr()
    assert f"{scans / 'note.png'} has one page, and page 2 was asked for" in printed.err
    assert f"{scans / 'letter.pdf'}: Document(1 page, 2 words)" in printed.out


def test_a_picture_that_mentions_a_pdf_is_drawn(package, scans, tmp_path):
    said = PngInfo()
    said.add_text("note", "made from a %PDF-1.4")
    Image.open(scans / "note.png").save(scans / "note.png", pnginfo=said)
    assert infer(package, scans / "note.png", "--save", tmp_path / "out") == 0
    assert (tmp_path / "out" / "note.png").exists()


def test_json_lines_go_to_a_file(package, scans, tmp_path, capsys):
    assert infer(package, scans / "letter.pdf", "--output", tmp_path / "found.jsonl") == 0
    (line,) = (tmp_path / "found.jsonl").read_text().splitlines()
    assert json.loads(line)["result"]["pages"][1]["text"] == "dd\n\ngag"


def test_a_damaged_pdf_is_reported_and_the_others_go_on(package, scans, capsys):
    (scans / "damaged.pdf").write_bytes(b"%PDF-1.4\n")
    assert infer(package, scans) == 1
    printed = capsys.readouterr()
    assert "damaged.pdf can't be opened as PDF" in printed.err
    assert "Document(2 pages, 4 words)" in printed.out


def test_a_pdf_in_the_models_place_is_told(package, scans, capsys):
    assert infer(scans / "letter.pdf", package) == 2
    assert "the model comes first" in capsys.readouterr().err


def test_another_resolution_can_be_asked_for(package, scans, capsys):
    assert infer(package, scans / "letter.pdf", "-p", "dpi=288", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["result"]["pages"][0]["image"] == {"width": 768, "height": 1024}
