"""The README's sample runs, and its table lists every option."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from inference_example.options import ExampleOptions

README = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")


def test_the_sample_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (sample,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(sample, {})
    assert "[[2.]]" in capsys.readouterr().out


def test_every_option_is_in_the_table():
    table = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert table == [field.name for field in dataclasses.fields(ExampleOptions)]
