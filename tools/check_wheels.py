"""Checks what the built wheels say of themselves and hold. Standard library only.

    python tools/check_wheels.py dist/*.whl

A wheel of ours carries the version epoch, pins the core by it, and holds its licence, its type
marker and no tests: what goes wrong there is only seen by those who install it.
"""

from __future__ import annotations

import email
import re
import sys
import zipfile
from email.message import Message
from pathlib import Path

EPOCH = "1!"
PIN = {">=1!0.1", "<1!1"}


def main(paths: list[str]) -> int:
    """Print what is wrong with each wheel; 1 if anything is."""
    problems = [f"{path}: {problem}" for path in paths for problem in problems_of(Path(path))]
    print("\n".join(problems) or f"{len(paths)} wheels are as they should be")
    return 1 if problems or not paths else 0


def problems_of(path: Path) -> list[str]:
    """What is wrong with one wheel, [] if nothing is."""
    with zipfile.ZipFile(path) as wheel:
        files = wheel.namelist()
        info = next(name.split("/")[0] for name in files if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    package = str(metadata["Name"]).replace("-", "_")
    found = problems_of_metadata(metadata)
    for needed in (f"{package}/py.typed", f"{package}/__init__.py", f"{info}/licenses/LICENSE"):
        if needed not in files:
            found.append(f"{needed} is missing")
    strays = [name for name in files if name.split("/")[0] not in (package, info)]
    return found + [f"{name} doesn't belong into it" for name in strays]


def problems_of_metadata(metadata: Message) -> list[str]:
    """What is wrong with the METADATA of a wheel of ours."""
    found = []
    if not str(metadata["Version"]).startswith(EPOCH):
        found.append(f"version {metadata['Version']} lacks the epoch {EPOCH}")
    if metadata["License-Expression"] != "Apache-2.0":
        found.append(f"its licence is {metadata['License-Expression']}, not Apache-2.0")
    if metadata["Requires-Python"] != ">=3.11":
        found.append(f"it requires Python {metadata['Requires-Python']}, not >=3.11")
    if not str(metadata.get_payload()).strip():
        found.append("it has no description: README.md is empty")
    for requirement in metadata.get_all("Requires-Dist", []):
        ours = re.match(r"inference-[a-z-]+(?:\[[^]]*\])?\s*([^;]*)", requirement)
        if ours and set(ours[1].strip().split(",")) != PIN:
            found.append(f"{requirement}: ours are pinned as >=1!0.1,<1!1")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
