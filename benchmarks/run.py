"""All benchmarks in one run: `python benchmarks/run.py [--json] [--rounds N]`.

Each compares this library with what a user would write instead, in the same run and in turn; read
the ratios, not the seconds. The budgets are those of the project; nothing here is a test.
"""

from __future__ import annotations

import argparse
import json

import call_overhead
import first_detection


def main() -> None:
    """Measure, and print a line per figure with its budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--rounds", type=int, default=15, help="processes of each kind (default 15)"
    )
    options = parser.parse_args()
    first = first_detection.measure(options.rounds)
    call = call_overhead.measure()
    if options.json:
        print(json.dumps({"first_detection": first, "call_overhead": call}, indent=2))
        return
    print(
        "A fresh process to its first detection from a local ONNX file, against onnxruntime + OpenCV"
    )
    budgets = {"wall_s": 1.5, "cpu_s": 1.5, "peak_mib": 1.4}
    for name, row in first.items():
        print(
            f"  {name:9} ours {row['ours']:8.3f}  bare {row['bare']:8.3f}  "
            f"ratio {row['ratio']:.2f}  (budget {budgets[name]})"
        )
    print("Model.predict_tensors against session.run on a tiny graph")
    print(
        f"  per call  ours {call['ours_us']:.2f} us, bare {call['bare_us']:.2f} us, "
        f"added {call['added_us']:.2f} us  (budget 5)"
    )


if __name__ == "__main__":
    main()
