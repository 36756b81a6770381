"""Plain-text tables with reasons below their rows, as resolutions and reports print them."""

from __future__ import annotations

from collections.abc import Sequence

from inference_core.verdict import Reason


def table_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One row, each cell padded to its column's width."""
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"  {'  '.join(padded)}".rstrip()


def reason_lines(reasons: Sequence[Reason]) -> list[str]:
    """A line per reason, and one below it for its fix."""
    lines = []
    for reason in reasons:
        lines.append(f"    {reason.code}: {reason.message}")
        if reason.fix:
            lines.append(f"      fix: {reason.fix}")
    return lines
