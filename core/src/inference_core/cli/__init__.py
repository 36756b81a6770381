"""The command line `infer`: what the script calls, light enough to be there at once.

All else is imported in `main`, where an interrupt from the keyboard ends in a word and not in a
traceback. Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as `typing` has it, which takes longer to import than this module
if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process if none is given; the exit code."""
    try:
        from inference_core.cli.running import run

        return run(arguments)
    except KeyboardInterrupt:
        if sys.stderr:  # it may be closed
            print("interrupted", file=sys.stderr)
        return INTERRUPTED
