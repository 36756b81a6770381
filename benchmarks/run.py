"""All benchmarks in one run: `python benchmarks/run.py [--json] [--rounds N]`.

Each compares this library with what a user would write instead, in the same run and in turn; read
the ratios, not the seconds. Ends with 1 if a figure is over its budget.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import call_overhead
import detection_overhead
import first_detection
import stream

# Ratios of a fresh process to its first detection, ours to bare; "default" has none, for where it
# takes torch, importing torch is most of it.
BUDGETS = {"wall_s": 1.5, "peak_mib": 1.4}
ADDED_US = 5.0
# CPU time that a picture adds to a run of the graph, ours as a part of plain code's, by task; and of
# code that has been made as tight as its author could.
ADDED_RATIO = {"detect": 0.5, "segment": 0.4}
TIGHT_RATIO = {"detect": 0.8, "segment": 1.2}
# Least frame rate of a stream as a part of its slowest stage's alone.
STREAM_RATIO = 0.9


def main() -> int:
    """Measure, print a line per figure with its budget; 1 if one is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--rounds", type=int, default=15, help="processes of each kind (default 15)"
    )
    options = parser.parse_args()
    first = first_detection.measure(options.rounds)
    call = call_overhead.measure()
    added = detection_overhead.measure()
    streamed = stream.measure()
    over = _over(first, call) + _added_over(added) + _stream_over(streamed)
    if options.json:
        report = {"first_detection": first, "call_overhead": call, "detection_overhead": added}
        print(json.dumps({**report, "stream": streamed, "over_budget": over}, indent=2))
    else:
        _print(first, call)
        _print_added(added)
        _print_stream(streamed)
    for line in over:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if over else 0


def _over(first: dict[str, Any], call: dict[str, Any]) -> list[str]:
    over = [
        f"{name} of the first detection: ratio {first[name]['ours']['ratio']}, budget {budget}"
        for name, budget in BUDGETS.items()
        if first[name]["ours"]["ratio"] > budget
    ]
    if call["added_us"] > ADDED_US:
        over.append(f"a call adds {call['added_us']} us, budget {ADDED_US}")
    return over


def _print(first: dict[str, Any], call: dict[str, Any]) -> None:
    print("A fresh process to its first detection, against onnxruntime + OpenCV on the ONNX file")
    for figure, rows in first.items():
        for name, row in rows.items():
            budget = BUDGETS.get(figure) if name == "ours" else None
            shown = f"  (budget {budget})" if budget else ""
            print(f"  {figure:9} {name:8} {row['median']:9.3f}  ratio {row['ratio']:.2f}{shown}")
    print("Model.predict_tensors against session.run on a tiny graph")
    print(
        f"  per call  ours {call['ours_us']:.2f} us, bare {call['bare_us']:.2f} us, "
        f"added {call['added_us']:.2f} us  (budget {ADDED_US:g})"
    )


def _added_over(added: dict[str, Any]) -> list[str]:
    return [
        f"CPU time added to {figure}: {row[f'{other}_ratio']} of {other} code's, budget {budget}"
        for figure, row in added.items()
        for other, budget in _added_budgets(figure).items()
        if row[f"{other}_ratio"] > budget
    ]


def _added_budgets(figure: str) -> dict[str, float]:
    task = figure.split(maxsplit=1)[0]
    return {"plain": ADDED_RATIO[task], "tight": TIGHT_RATIO[task]}


def _print_added(added: dict[str, Any]) -> None:
    print("CPU time added to session.run, and ours as a part of others'")
    print("  (plain: cv2.dnn.blobFromImage + numpy + NMSBoxes; tight: the same, made tight)")
    for figure, row in added.items():
        budgets = _added_budgets(figure)
        others = []
        for name in ("plain", "tight", "roboflow"):
            if f"{name}_ms" not in row:
                others.append(f"{name} not installed")
                continue
            budget = f" (budget {budgets[name]})" if name in budgets else ""
            others.append(f"{name} {row[f'{name}_ms']:.2f} ms {row[f'{name}_ratio']:.2f}{budget}")
        print(f"  {figure:16}  ours {row['ours_ms']:.2f} ms; {'; '.join(others)}")


def _stream_over(streamed: dict[str, Any]) -> list[str]:
    if streamed["ratio"] >= STREAM_RATIO:
        return []
    return [f"a stream's frame rate: ratio {streamed['ratio']}, budget at least {STREAM_RATIO}"]


def _print_stream(streamed: dict[str, Any]) -> None:
    stages = ", ".join(f"{name} {ms:.2f}" for name, ms in streamed["stage_ms"].items())
    print(f"Model.stream over {streamed['frames']} frames, {streamed['cores']} cores")
    print(
        f"  per frame {streamed['stream_ms']:.2f} ms; alone, in ms: {stages}; frame rate to that of "
        f"{streamed['slowest']} alone {streamed['ratio']:.2f}  (budget at least {STREAM_RATIO:g})"
    )


if __name__ == "__main__":
    sys.exit(main())
