"""A fresh process to its first detection: wall time, CPU time and peak memory, ours against bare.

"ours" runs the same ONNX file on the same runtime as the bare script. Where torch is installed too,
"default" is the call without `backend=` on the whole package, which may take torch: what a user gets.
The scripts are run in turn (ours, bare, default, ours, …), so that a machine whose speed drifts slows
all; the figures are medians and their ratios to bare. The boxes must be the same, or nothing is
reported.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
# Or whatever isn't compiled yet, such as an editable installation, is compiled in every process.
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)


def measure(rounds: int = 15) -> dict[str, Any]:
    """Medians of wall seconds, CPU seconds and peak MiB of each script, and their ratios to bare."""
    from inference_vision.bundled import sample_paths, shapes

    package, picture = shapes("shapes"), str(sample_paths()[0])
    graph = str(package / "shapes.onnx")
    commands = {
        "ours": ["our_detection.py", graph, picture, "onnx"],
        "bare": ["bare_detection.py", graph, picture],
    }
    if all(importlib.util.find_spec(name) for name in ("torch", "inference_torch")):
        commands["default"] = ["our_detection.py", str(package), picture]
    _check_same(commands)
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(_run(command))
    figures: dict[str, Any] = {}
    for index, figure in enumerate(("wall_s", "cpu_s", "peak_mib")):
        medians = {name: statistics.median(run[index] for run in runs[name]) for name in runs}
        ratios = {name: round(value / medians["bare"], 3) for name, value in medians.items()}
        figures[figure] = {
            name: {"median": round(medians[name], 3), "ratio": ratios[name]} for name in medians
        }
    return figures


def _run(command: list[str]) -> tuple[float, float, float]:
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        child = subprocess.Popen(_words(command), stdout=output, env=ENVIRONMENT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit code {child.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _words(command: list[str]) -> list[str]:
    return [sys.executable, str(HERE / command[0]), *command[1:]]


def _check_same(commands: dict[str, list[str]]) -> None:
    answers = {name: _boxes(command) for name, command in commands.items()}
    bare = answers["bare"]
    for name, found in answers.items():
        same = len(found) == len(bare) > 0 and all(
            a[0] == b[0] and all(abs(x - y) < 1 for x, y in zip(a[1:], b[1:], strict=True))
            for a, b in zip(found, bare, strict=True)
        )
        if not same:
            raise SystemExit(f"{name} and bare disagree:\n{found}\n{bare}")


def _boxes(command: list[str]) -> list[tuple[Any, ...]]:
    ended = subprocess.run(
        _words(command), capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    rows = [line.split() for line in ended.stdout.splitlines()]
    return sorted((row[0], *map(float, row[1:])) for row in rows)
