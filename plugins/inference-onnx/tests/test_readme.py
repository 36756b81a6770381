"""The README's sample runs, and its table lists every option."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from inference_onnx.options import OnnxOptions

from .conftest import identity

README = Path(__file__).parents[1].joinpath("README.md").read_text()


def test_the_sample_runs(save, monkeypatch, tmp_path):
    save(identity())
    monkeypatch.chdir(tmp_path)
    sample = re.search(r"```python\n(import.*?)```", README, re.DOTALL)
    namespace: dict = {}
    exec(sample[1], namespace)
    assert namespace["outputs"]["y"].shape == (1, 3)


def test_every_option_is_in_the_table():
    table = {
        name
        for row in re.findall(r"^\| (`.*?) \|", README, re.M)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert table == {field.name for field in dataclasses.fields(OnnxOptions)}
