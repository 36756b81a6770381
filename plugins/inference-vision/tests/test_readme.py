"""The README's sample runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import cv2

README = Path(__file__).parent.parent / "README.md"


def test_the_sample_of_the_readme_runs(tmp_path, monkeypatch):
    (sample,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(sample, str(README), "exec"), {})
    assert cv2.imread("annotated.png") is not None
