"""Checks the smallest useful set, in the Python that it is installed in: its size, and no torch.

    python tools/check_smallest.py MOST_DISTRIBUTIONS MOST_MEGABYTES

Torch isn't there and not needed, but what could run with it is told how to get it.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path


def main(most_distributions: int, most_megabytes: int) -> int:
    """Print what the environment holds; ends with what is wrong with it."""
    count = len({each.metadata["Name"].lower() for each in metadata.distributions()})
    folder = Path(sysconfig.get_path("purelib"))
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    print(
        f"{count} distributions (at most {most_distributions}), "
        f"{megabytes:.0f} MB in {folder.name} (at most {most_megabytes})"
    )
    if count > most_distributions or megabytes > most_megabytes:
        sys.exit("the smallest useful set has grown too large")
    if importlib.util.find_spec("torch"):
        sys.exit("torch belongs to no smallest set, but it is there")
    why = [sys.executable, "-m", "inference_core", "why", "shapes", "--json"]
    candidates = json.loads(subprocess.run(why, capture_output=True, check=True).stdout)[
        "candidates"
    ]
    reasons = [r for each in candidates if each["backend"] == "torch" for r in each["reasons"]]
    fixes = [each["fix"] or "" for each in reasons if each["code"] == "not-installed"]
    if not any("inference-torch" in fix for fix in fixes):
        sys.exit(f"nothing says how to install torch: {reasons}")
    print(f"for torch it says: {', '.join(fixes)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
