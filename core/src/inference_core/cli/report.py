"""What `infer predict` tells of each input and frame: text or JSON on stdout, JSON lines in a file."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inference_core.cli.output import print_json
from inference_core.cli.saving import naming
from inference_core.plain import to_plain
from inference_core.tables import printable


class JsonLines:
    """The file of --output. What it held is dropped with the first line that is written, no sooner.

    So a run that fails before has cost nothing, and one that is interrupted leaves what it found.

    Args:
        path: opened at once; a context manager closes it, and removes it if it is new and empty.

    Raises:
        OSError: it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_new = not os.path.lexists(path)
        with naming("--output", path):
            self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - see __exit__
        self._begun = False

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a line."""
        line = json.dumps(row)
        with naming("--output", self.path):
            if not self._begun:
                self._begun = True
                if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):  # and no pipe or terminal
                    self._file.truncate(0)
            print(line, file=self._file)

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        with naming("--output", self.path):
            self._file.close()
        if self._is_new and not self._begun:
            self.path.unlink()


class Report:
    """Tells results and failures, and counts the failures.

    Args:
        as_json: JSON lines on stdout instead of text.
        lines: where they go as well.
    """

    def __init__(self, as_json: bool, lines: JsonLines | None) -> None:
        self.failed = 0
        self._told: set[str] = set()
        self._as_json = as_json
        self._lines = lines

    def result(self, name: str, result: Any, saved: Path | None) -> None:
        """An input that was done, and the file that its result was drawn in."""
        self._row({"input": name, "result": result, **({"saved": str(saved)} if saved else {})})
        if not self._as_json and (saved or not self._lines):
            shown = f"{name}: {_summary(result)}" + (f" -> {saved}" if saved else "")
            print(printable(shown))
            if not saved and hasattr(result, "to_hocr"):
                _print_pages(result.pages)

    def frame(self, name: str, at: Mapping[str, Any], result: Any, quiet: bool) -> None:
        """A frame that was done: `at` has its number and time. `quiet`: no line of text for each."""
        self._row({"input": name, **at, "result": result})
        if not (self._as_json or self._lines or quiet):
            print(printable(f"{name} {at['timestamp']:.2f} s: {_summary(result)}"))

    def video(
        self, name: str, frames: int, seconds: float, saved: Path | None, dropped: int | None
    ) -> None:
        """A video that was done up to so many frames, and the one that was drawn from it; of a camera
        how many frames were dropped."""
        rate = frames / seconds if seconds else 0.0
        row: dict[str, Any] = {"input": name, "frames": frames, "frames_per_second": round(rate, 2)}
        if dropped is not None:
            row["dropped"] = dropped
        self._row({**row, "saved": str(saved)} if saved else row)
        if not self._as_json:
            shown = f"{name}: {frames} frames, {rate:.1f} per second"
            shown += f", {dropped} dropped" if dropped else ""
            print(printable(shown + (f" -> {saved}" if saved else "")))

    def undrawable(self, result: Any) -> None:
        """Such results are only told, although --save was given; said once, and no failure."""
        kind = type(result).__name__
        if kind not in self._told:
            self._told.add(kind)
            print(f"warning: --save: there is nothing to draw of a result {kind}", file=sys.stderr)

    def failure(self, message: str, name: str | None = None) -> None:
        """An input that failed; None where it stands for no file."""
        self.failed += 1
        self._row({"input": name, "error": message})
        if not self._as_json:
            print(f"error: {printable(message)}", file=sys.stderr)

    def _row(self, row: Mapping[str, Any]) -> None:
        if not (self._lines or self._as_json):
            return  # what nobody reads isn't put in words: masks take long
        row = _plain(row)
        if self._lines:
            self._lines.write(row)
        if self._as_json:
            print_json(row, indent=None)


def _print_pages(pages: Sequence[Any]) -> None:
    """The text of a document, set in so that it isn't taken for a line of this report."""
    for number, page in enumerate(pages, 1):
        if len(pages) > 1:
            print(f"  --- page {page.number or number} ---")
        for line in page.text.split("\n"):
            print(f"  {printable(line)}".rstrip())


def _plain(result: Any) -> Any:
    if hasattr(result, "to_dict"):
        return result.to_dict()
    if isinstance(result, dict):
        return {name: _plain(value) for name, value in result.items()}
    if _is_array(result):
        return {"dtype": str(result.dtype), "shape": list(result.shape)}
    return to_plain(result)


def _summary(result: Any) -> str:
    if isinstance(result, dict):
        return ", ".join(f"{name} {_summary(value)}" for name, value in result.items())
    return f"{result.dtype}{result.shape}" if _is_array(result) else str(result)


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")
