"""Tries installed distributions of ours: imports all their entry points and runs `infer backends`.

    python -I -W error tools/try_wheel.py inference-doctr inference-onnx inference-vision

For a Python that has core and these and nothing else: no framework, no other plugin. Standard library
only, for nothing else is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

INFER = (sys.executable, "-I", "-W", "error", "-m", "inference_core")
# What a backend may be here: usable, or without its runtime.
WORKS = ("ready", "incomplete")


def main(names: list[str]) -> int:
    """Try the distributions; 0, or it ends with what doesn't work."""
    points = [point for name in names for point in metadata.distribution(name).entry_points]
    site = Path(sysconfig.get_path("purelib")).resolve()
    for point in points:
        loaded = point.load()
        file = Path(str(sys.modules[point.module].__file__)).resolve()
        if not file.is_relative_to(site):
            sys.exit(f"{point.value} was imported from {file}, not from {site}")
        print(f"{point.group}: {point.name} is {loaded}", flush=True)
    subprocess.run([*INFER, "backends"], check=True)
    report = subprocess.run([*INFER, "backends", "--json"], check=True, capture_output=True)
    states = {
        each["record"]["name"]: each["state"] for each in json.loads(report.stdout)["plugins"]
    }
    expected = {point.name for point in points if point.group == "inference_core.backends"}
    if states.keys() != expected or not set(states.values()) <= set(WORKS):
        sys.exit(f"infer backends should list {sorted(expected)} as {WORKS}: {states}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
