"""What the kit runs in processes of its own.

    python -m inference_core.testing.child SCENARIO PLAN STEPS

A scenario yields one mapping per step; each is written to the file STEPS at once, after a line that
says which step begins, so that what ends the process is known. Nothing here imports pytest or, before
the plugin does, numpy.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from inference_core.testing import judging, running
from inference_core.testing.opened import Plan, Step

SCENARIOS: dict[str, Callable[[Plan], Iterator[Step]]] = {
    scenario.__name__: scenario
    for scenario in (
        judging.probe,
        judging.verdicts,
        judging.without_runtime,
        judging.unpacked,
        running.loads,
        running.answer,
        running.rounds,
        running.after_close,
        running.deep,
    )
}


def main(scenario: str, plan: str, steps: str) -> None:
    """Run one scenario."""
    with open(steps, "w", encoding="utf-8") as file:
        for step in SCENARIOS[scenario](json.loads(Path(plan).read_text("utf-8"))):
            file.write(json.dumps(step, default=str) + "\n")
            file.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
