"""Runs a scenario of `child` in a process of its own, where a crash or an import can be seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STDERR_LINES = 15


@dataclass(frozen=True, eq=False)
class Steps:
    """What a scenario reported.

    Attributes:
        done: each step by name, as the child described it.
        ending: how the process ended, None if as it should.
        at: the step at which it ended, if it did.
        raised: whether it was an exception of Python that ended it.
    """

    done: Mapping[str, Mapping[str, Any]]
    ending: str | None = None
    at: str | None = None
    raised: bool = False


def run_steps(
    scenario: str,
    plan: Mapping[str, Any],
    folder: Path,
    site: Path | None = None,
    first: Path | None = None,
    timeout: float = 300.0,
) -> Steps:
    """Run a scenario.

    Args:
        scenario: one of `child.SCENARIOS`.
        plan: what it is about; anything that JSON takes.
        folder: where the files of this run go.
        site: the only folder, beside the standard library, that the child finds packages in; None
            for what this process finds.
        first: a folder that comes before all others on the child's path.
        timeout: seconds after which the child is killed.
    """
    plan_file, step_file = folder / f"{scenario}.plan.json", folder / f"{scenario}.steps.jsonl"
    plan_file.write_text(json.dumps(plan, default=str), "utf-8")
    step_file.unlink(missing_ok=True)
    # Not the current folder: it may hold the package under test, or anything by the name of another.
    isolation = ["-P", "-S"] if site else ["-P"]
    # No .pyc files: they would look like files that a hook writes.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if site:
        environment["PYTHONPATH"] = str(site)
    if first:
        older = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(first), *([older] if older else [])])
    command = [sys.executable, *isolation, "-m", "inference_core.testing.child"]
    with (folder / f"{scenario}.stderr").open("w+b") as stderr:
        child = subprocess.Popen(
            [*command, scenario, str(plan_file), str(step_file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
        )
        try:
            code: int | None = child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            code = None
        stderr.seek(0)
        noise = stderr.read().decode("utf-8", "replace").strip().splitlines()
    done, at = _read(step_file)
    if code == 0 and at is None:
        return Steps(done)
    return Steps(done, _ending(code, timeout, noise), at, raised=code == 1)


def _read(file: Path) -> tuple[dict[str, dict[str, Any]], str | None]:
    done: dict[str, dict[str, Any]] = {}
    at = None
    lines: Sequence[str] = file.read_text("utf-8").splitlines() if file.exists() else ()
    for line in lines:
        step = json.loads(line)
        if "begin" in step:
            at = step["begin"]
        else:
            done[step.pop("step")], at = step, None
    return done, at


def _ending(code: int | None, timeout: float, noise: Sequence[str]) -> str:
    said = "".join(f"\n  | {line}" for line in noise[-_STDERR_LINES:])
    if code is None:
        return f"hung for {timeout:g} seconds{said}"
    if code < 0:
        return f"was killed by signal {-code}{said}"
    return f"ended with exit status {code}{said}"
