"""What commands print: rich tables on a terminal, the same as plain text anywhere else, or JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from inference_core.tables import printable
from inference_core.verdict import Reason

_STYLES = {
    "chosen": "bold green",
    "ready": "green",
    "could run it": "green",
    "no": "yellow",
    "incomplete": "yellow",
    "disabled": "yellow",
    "problem": "yellow",
    "broken": "red",
}


# Where JSON goes while stdout is kept for it; None for wherever sys.stdout leads.
_kept: ContextVar[TextIO | None] = ContextVar("kept", default=None)


@contextmanager
def stdout_for_json(own_process: bool) -> Iterator[None]:
    """Keep stdout for `print_json`: what plugins and their libraries print meanwhile goes to stderr.

    Args:
        own_process: this process runs the command and nothing else, so its file descriptor of stdout
            is turned round as well, for good: C libraries write to that one, and may do so only when
            the process ends.
    """
    stdout = _parted(sys.stdout) if own_process else sys.stdout
    kept = _kept.set(stdout)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = stdout
        _kept.reset(kept)


def _parted(stdout: TextIO) -> TextIO:
    """A stream to where `stdout` led; the file descriptor of `stdout` leads to stderr from now on."""
    stdout.flush()
    # Line by line, for who reads the results of a camera; open until the process ends.
    copy = open(os.dup(stdout.fileno()), "w", 1, encoding="ascii", closefd=False)  # noqa: SIM115
    os.dup2(sys.stderr.fileno(), stdout.fileno())
    return copy


def print_json(value: Any, indent: int | None = 2) -> None:
    """JSON on stdout, on a line of its own if `indent` is None."""
    print(json.dumps(value, indent=indent), file=_kept.get() or sys.stdout)


def print_table(
    text: str,
    title: str,
    head: Sequence[str],
    rows: Iterable[tuple[Sequence[str], tuple[Reason, ...]]],
) -> None:
    """The plain `text`, or on a terminal the same rows as a table, each with its reasons below."""
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(printable(title)),
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2),
    )
    for name in head:
        table.add_column(name, no_wrap=True, header_style="dim")
    console = Console(highlight=False)
    after: list[tuple[str, Reason]] = []
    for cells, reasons in rows:
        style = next((_STYLES[cell] for cell in cells if cell in _STYLES), "")
        table.add_row(*map(escape, cells), style=style)
        after += [(cells[0], reason) for reason in reasons]
    console.print(table)
    if after:
        console.print()
    for name, reason in after:
        console.print(
            f"[bold]{escape(name)}[/] {reason.code}: {escape(printable(reason.message))}",
            soft_wrap=True,
        )
        if reason.fix:
            console.print(f"  fix: [cyan]{escape(printable(reason.fix))}[/]", soft_wrap=True)


@contextmanager
def status(message: str) -> Iterator[None]:
    """A spinner on stderr while something takes its time; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(printable(message))):
        yield


def progress(items: Iterable[Any], total: int | None, message: str, unit: str) -> Generator[Any]:
    """`items`, with a progress bar on stderr if it is a terminal and there are several.

    Args:
        items: what is passed on.
        total: how many there are, None if that isn't known.
        message: what stands before the bar.
        unit: what they are called in "12.3 frames/s".
    """
    if (total is not None and total < 2) or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(escape(printable(message)), total=total, rate="")
        for item in items:
            yield item
            bars.advance(bar)
            speed = bars.tasks[0].speed
            bars.update(bar, rate=f"{speed:.1f} {unit}/s" if speed else "")
