"""Plain-text tables with reasons below their rows, as resolutions and reports print them."""

from __future__ import annotations

from collections.abc import Sequence

from inference_core.verdict import Reason


def printable(text: str) -> str:
    """One line of text with whatever isn't printable escaped ("\\n", "\\x1b", "\\u202e").

    Names, labels and messages come from files and plugins of others: printed as they are, they
    could steer the terminal, or make up a line of their own in a report.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One row, each cell padded to its column's width."""
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"  {'  '.join(padded)}".rstrip()


def reason_lines(reasons: Sequence[Reason]) -> list[str]:
    """A line per reason, and one below it for its fix."""
    lines = []
    for reason in reasons:
        lines.append(f"    {reason.code}: {printable(reason.message)}")
        if reason.fix:
            lines.append(f"      fix: {printable(reason.fix)}")
    return lines
