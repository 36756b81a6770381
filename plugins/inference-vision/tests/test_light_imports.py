"""What entry points name loads no numpy, no OpenCV, no Pillow: `recognise` must work without them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

GROUPS = ("inference_core.processors", "inference_core.readers", "inference_core.sources")
OURS = [
    point
    for group in GROUPS
    for point in entry_points(group=group)
    if point.value.startswith("inference_vision")
]

# What a processor is asked while a model is resolved: exports of Ultralytics, and of nobody known.
ASKED = [
    {"metadata": {"names": "{0: 'a'}", "stride": "32", "task": task}}
    for task in ("detect", "segment", "pose", "obb", "classify")
] + [{}]


def test_all_entry_points_are_there():
    project = Path(__file__).parents[1] / "pyproject.toml"
    declared = tomllib.loads(project.read_text("utf-8"))["project"]["entry-points"]
    assert sorted((point.group, point.name) for point in OURS) == sorted(
        (group, name) for group in GROUPS for name in declared[group]
    )


@pytest.mark.parametrize("point", OURS, ids=lambda point: point.name)
def test_an_entry_point_loads_light(point):
    use = "[found.recognise(facts) for facts in asked]"
    if point.group == "inference_core.sources":
        use = f"found({point.name!r})"
    elif point.group == "inference_core.readers":
        use = "from pathlib import Path; found(Path.cwd())"
    code = (
        f"import sys; from {point.module} import {point.attr} as found; asked = {ASKED}; {use}; "
        "heavy = sorted({'numpy', 'cv2', 'PIL', 'pydantic'} & set(sys.modules)); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
