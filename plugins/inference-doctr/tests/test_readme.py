"""The README's samples run, and its tables list every option."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

from inference_doctr.options import CallOptions, DoctrOptions
from PIL import Image

from . import drawn
from .test_documents import pdf

README = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")


def test_the_sample_runs(package, monkeypatch, tmp_path):
    shutil.copytree(package, tmp_path / "my-ocr")
    (tmp_path / "letter.pdf").write_bytes(pdf())
    page = drawn.blank()
    drawn.write(page, "bee", 130, 200)
    Image.fromarray(drawn.turned(page, 15)).save(tmp_path / "scan.png")
    monkeypatch.chdir(tmp_path)
    sample = re.search(r"```python\n(from pathlib.*?)```", README, re.DOTALL)
    assert sample
    namespace: dict = {}
    exec(sample[1], namespace)
    assert [page.text.split() for page in namespace["document"]] == [["abc", "head"], ["dd", "gag"]]
    assert "abc</span>" in (tmp_path / "letter.hocr").read_text()
    assert namespace["turned"].text == "bee"
    edge = namespace["turned"].words[0].corners
    assert edge[0, 1] > edge[1, 1]  # turned counter-clockwise: it rises
    assert namespace["picture"].shape == (512, 384, 3)
    again = README[README.index("from inference_doctr import read_pages") :]
    exec(again[: again.index("```")], namespace)
    for number in (1, 2):
        with Image.open(tmp_path / f"letter-{number}.png") as picture:
            assert picture.size == (384, 512)


def test_the_manifest_shown_is_one(package, tmp_path):
    from inference_core import manifest

    shown = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert shown
    data = json.loads(shown[1])
    for name in data["artifacts"][0]["parts"].values():
        shutil.copy(package / "detection.onnx", tmp_path / name)
    (tmp_path / "model.json").write_text(shown[1])
    assert manifest.read(tmp_path).task == "ocr"
    CallOptions(**data["parameters"])


def test_every_option_is_in_the_table():
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", README, re.M)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert {field.name for field in dataclasses.fields(CallOptions)} == listed
    for field in dataclasses.fields(DoctrOptions):
        assert f"`{field.name}`" in README


def test_the_defaults_in_the_table_are_those_of_the_code():
    rows = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", README, re.M))
    defaults = {field.name: field.default for field in dataclasses.fields(CallOptions)}
    for name, text in rows.items():
        assert text.replace('"', "'") == repr(defaults[name]), name
