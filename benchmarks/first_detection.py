"""A fresh process to its first detection: wall time, CPU time and peak memory, ours against bare.

Both scripts are run in turn (ours, bare, ours, bare, …), so that a machine whose speed drifts slows
both; the figures are medians and their ratio. The boxes must be the same, or nothing is reported.
"""

from __future__ import annotations

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


def measure(rounds: int = 15) -> dict[str, Any]:
    """Medians of wall seconds, CPU seconds and peak MiB of both, and the ratios ours / bare."""
    from inference_vision.bundled import sample_paths, shapes

    arguments = [str(shapes("shapes") / "shapes.onnx"), str(sample_paths()[0])]
    ours, bare = [], []
    _check_same(arguments)
    for _ in range(rounds):
        ours.append(_run("our_detection.py", arguments))
        bare.append(_run("bare_detection.py", arguments))
    figures: dict[str, Any] = {}
    for index, name in enumerate(("wall_s", "cpu_s", "peak_mib")):
        a = statistics.median(run[index] for run in ours)
        b = statistics.median(run[index] for run in bare)
        figures[name] = {"ours": round(a, 3), "bare": round(b, 3), "ratio": round(a / b, 3)}
    return figures


def _run(script: str, arguments: list[str]) -> tuple[float, float, float]:
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments], stdout=output, env=ENVIRONMENT
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{script} failed with exit code {child.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _check_same(arguments: list[str]) -> None:
    answers = []
    for script in ("our_detection.py", "bare_detection.py"):
        command = [sys.executable, str(HERE / script), *arguments]
        text = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
        rows = [line.split() for line in text.stdout.splitlines()]
        answers.append(sorted((row[0], *map(float, row[1:])) for row in rows))
    same = len(answers[0]) == len(answers[1]) > 0 and all(
        a[0] == b[0] and all(abs(x - y) < 1 for x, y in zip(a[1:], b[1:], strict=True))
        for a, b in zip(*answers, strict=True)
    )
    if not same:
        raise SystemExit(f"the two scripts disagree:\n{answers[0]}\n{answers[1]}")
