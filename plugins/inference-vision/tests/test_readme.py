"""The README's samples run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import cv2

README = Path(__file__).parent.parent / "README.md"


def test_the_samples_of_the_readme_run(tmp_path, monkeypatch):
    samples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for sample in samples:
        exec(compile(sample, str(README), "exec"), names)
    assert cv2.imread("annotated.png") is not None
