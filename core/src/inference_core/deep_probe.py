"""Runs one backend's deep probe in a child process with a time limit, and says how it went.

A framework that hangs, aborts or exits takes down the child only; what happened becomes a problem in
the report. Run as a module it is the child: `python -m inference_core.deep_probe NAME FILE`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_core import configuration, machine
from inference_core.backend import open_backends
from inference_core.discovery import Record
from inference_core.plain import to_plain
from inference_core.verdict import BackendReport, Reason

_STDERR_LINES = 3


@dataclass(frozen=True, slots=True)
class DeepReport:
    """How a backend's deep probe went.

    Attributes:
        outcome: "passed" (without a problem), "failed" or "timed out".
        seconds: that its process took, the start of Python included.
        report: what the backend says of itself then; of a process that did not end well, only how
            it ended, as a problem.
    """

    outcome: str
    seconds: float
    report: BackendReport

    @property
    def problems(self) -> tuple[Reason, ...]:
        """What went wrong, () if it passed."""
        return self.report.problems

    def __str__(self) -> str:
        if self.outcome == "passed":
            return f"passed in {self.seconds:.1f} s"
        why = "; ".join(problem.message for problem in self.problems)
        return f"{self.outcome} after {self.seconds:.1f} s: {why}"


def deep_report(record: Record, timeout: float) -> DeepReport:
    """How the deep probe of the backend `record` goes. Never raises for what the plugin does.

    Args:
        record: of an installed backend.
        timeout: seconds that its process may take.
    """
    begun = time.monotonic()
    try:
        report = _in_child(record, timeout)
    except subprocess.TimeoutExpired:
        report = _problem(record, f"did not finish within {timeout:g} seconds")
        return DeepReport("timed out", time.monotonic() - begun, report)
    outcome = "failed" if report.problems else "passed"
    return DeepReport(outcome, time.monotonic() - begun, report)


def _in_child(record: Record, timeout: float) -> BackendReport:
    """What the child reports, or how it ended; raises TimeoutExpired once it was ended for that."""
    with tempfile.TemporaryDirectory(prefix="inference-probe-") as folder:
        answer, noise = Path(folder, "report.json"), Path(folder, "stderr")
        # Output goes to files, not pipes: a grandchild that outlives a killed child would keep a
        # pipe open and this process waiting.
        with noise.open("wb") as stderr:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "inference_core.deep_probe", record.name, str(answer)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
            try:
                code = child.wait(timeout)
            finally:
                _end(child)
        if code != 0 or not answer.exists():
            last = noise.read_text("utf-8", "replace").strip().splitlines()[-_STDERR_LINES:]
            said = f"; it said: {' | '.join(last)}" if last else ""
            return _problem(record, f"{_ending(code)}{said}")
        return _from_plain(json.loads(answer.read_text("utf-8")))


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and its own children, whatever is left of them."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()


def _ending(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        return f"crashed with signal {-code} ({name})"
    return f"ended with exit status {code}"


def _problem(record: Record, what: str) -> BackendReport:
    return BackendReport(
        problems=(
            Reason(
                "broken-install",
                f"the deep probe of {record.name} ({record.origin}) {what}",
                f"reinstall its runtime, or INFERENCE_DISABLE={record.distribution}",
            ),
        )
    )


def _from_plain(data: dict[str, Any]) -> BackendReport:
    facts = {k: tuple(v) if isinstance(v, list) else v for k, v in data["facts"].items()}
    return BackendReport(
        runtime=data["runtime"],
        runtime_version=data["runtime_version"],
        devices=tuple(data["devices"]),
        facts=facts,
        problems=tuple(Reason(**problem) for problem in data["problems"]),
    )


def main(name: str, answer: str) -> None:
    """The child: probe deeply and write the report to the file `answer`."""
    for _, backend in open_backends(configuration.read(), only=name):
        if isinstance(backend, Reason):
            report = BackendReport(problems=(backend,))
        else:
            report = backend.probe(machine.current(), deep=True)
        # Written aside and renamed, so that a crash in between leaves no half report.
        partial = Path(answer + ".partial")
        partial.write_text(json.dumps(to_plain(report)), "utf-8")
        partial.replace(answer)
        return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
