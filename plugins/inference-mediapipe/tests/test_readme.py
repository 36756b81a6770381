"""The README's sample runs, its tables list every option and task, and its manifest is one."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import cv2
import numpy as np
from inference_core import manifest
from inference_mediapipe.options import MediapipeOptions
from inference_mediapipe.tasks import TASKS
from inference_mediapipe.tiny_model import MODEL

from .models import mean_colour

README = Path(__file__).parents[1].joinpath("README.md").read_text()


def test_the_sample_finds_the_face(trained, portrait, monkeypatch, tmp_path, capsys):
    name = "face_detection_short_range.tflite"
    tmp_path.joinpath(name).write_bytes(trained(name))
    cv2.imwrite(str(tmp_path / "portrait.png"), portrait[..., ::-1])
    monkeypatch.chdir(tmp_path)
    sample = re.search(r"```python\n(from.*?)```", README, re.DOTALL)
    namespace: dict = {}
    exec(sample[1], namespace)
    assert capsys.readouterr().out.startswith("face 0.92 at (177, 82, 272, 177) {'right_eye': ")
    assert namespace["drawn"].shape == portrait.shape


def names_in(heading: str) -> set[str]:
    table = README.partition(heading)[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.M)
    return {name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)}


def test_every_option_and_every_task_is_in_its_table():
    assert names_in("| load option |") == {f.name for f in dataclasses.fields(MediapipeOptions)}
    assert names_in("| task | file |") == set(TASKS)


def test_the_manifest_is_read(tmp_path):
    text = re.search(r"```json\n(.*?)```", README, re.DOTALL)[1]
    (tmp_path / "model.json").write_text(text)
    (tmp_path / "embedder.tflite").write_bytes(mean_colour(labels=()))
    (artifact,) = manifest.read(tmp_path).artifacts
    assert artifact.task == json.loads(text)["task"] == "image-embedding"


def test_the_model_of_the_deep_probe_is_the_one_made_here(saved, opened):
    made = mean_colour()
    assert made == MODEL
    model = opened(saved(MODEL))
    assert model(np.full((9, 9, 3), 255, np.uint8)).confidence.tolist() == [1, 1, 1]
