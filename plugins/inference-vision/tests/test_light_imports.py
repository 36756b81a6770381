"""What entry points name loads no numpy, no OpenCV, no Pillow: `recognise` must work without them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

OURS = [
    point
    for group in ("inference_core.processors", "inference_core.sources")
    for point in entry_points(group=group)
    if point.value.startswith("inference_vision")
]

METADATA = {"names": "{0: 'a'}", "stride": "32"}


def test_all_entry_points_are_there():
    assert sorted(point.name for point in OURS) == ["classification", "shapes", "yolo"]


@pytest.mark.parametrize("point", OURS, ids=lambda point: point.name)
def test_an_entry_point_loads_light(point):
    use = {
        "shapes": "found('shapes')",
        "yolo": f"found.recognise({ {'metadata': {'task': 'detect', **METADATA}} })",
        "classification": f"found.recognise({ {'metadata': {'task': 'classify', **METADATA}} })",
    }[point.name]
    code = (
        f"import sys; from {point.module} import {point.attr} as found; {use}; heavy = "
        "sorted({'numpy', 'cv2', 'PIL', 'pydantic'} & set(sys.modules)); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
