"""The JSON and text files of a Roboflow package, read with limits and errors that name what is wrong.

Light: standard library and inference_core only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference_core.errors import InvalidModel

MAX_BYTES = 16 << 20


class ConfigFile:
    """A JSON file, its values by key; a nested key is written with dots, as in messages.

    Raises:
        InvalidModel: it can't be read, or is no JSON.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._content: Any = json.loads(_bytes(path))
        except (ValueError, RecursionError) as error:
            raise InvalidModel(f"{path} is no JSON: {error}") from error

    def keys(self, key: str = "") -> set[str]:
        """Those of the object at a key; none if it isn't there. Without a key those of the outermost
        object, none if it is something else."""
        if not key:
            return set(self._content) if isinstance(self._content, dict) else set()
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.refused(key, value, "it must be an object")
        return set(value or ())

    def entries(self) -> list[Any]:
        """The whole file, which must be a list."""
        if not isinstance(self._content, list):
            raise InvalidModel(f"{self.path} must hold a list")
        return self._content

    def get(self, key: str) -> Any:
        """What is at a key; None if it, or what it is in, isn't there."""
        value = self._content
        for part in key.split("."):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise InvalidModel(f"{self.path}: {key} can't be there: it isn't within an object")
            value = value.get(part)
        return value

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self.get(key)
        if not isinstance(value, str) or not value:
            raise self.refused(key, value, "it must be a text")
        return value

    def choice(self, key: str, choices: dict[str, Any]) -> Any:
        """What a text that must be there stands for."""
        value = self.get(key)
        if not isinstance(value, str) or value not in choices:
            raise self.refused(key, value, f"known are {', '.join(choices)}")
        return choices[value]

    def flag(self, key: str) -> bool:
        """A boolean; false if it isn't there."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.refused(key, value, "it must be true or false")
        return bool(value)

    def whole_number(self, key: str) -> int | None:
        """A number without a fraction, at least 0; None if it isn't there."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.refused(key, value, "it must be a whole number, at least 0")
        return value

    def number(self, key: str) -> float | None:
        """A finite number; None if it isn't there."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e30:
            raise self.refused(key, value, "it must be a number")
        return float(value)

    def share(self, key: str) -> float | None:
        """A number of 0 to 1; None if it isn't there."""
        value = self.number(key)
        if value is not None and not 0 <= value <= 1:
            raise self.refused(key, self.get(key), "it must be 0 to 1")
        return value

    def shares(self, key: str) -> dict[str, float]:
        """An object of numbers of 0 to 1; empty if it isn't there."""
        self.keys(key)
        value = self.get(key) or {}
        if any(isinstance(n, bool) or not isinstance(n, (int, float)) for n in value.values()):
            raise self.refused(key, value, "it must be a number by label")
        if not all(0 <= number <= 1 for number in value.values()):
            raise self.refused(key, value, "its numbers must be 0 to 1")
        return {name: float(number) for name, number in value.items()}

    def refused(self, key: str, value: Any, why: str) -> InvalidModel:
        """The error that names file, key and value."""
        shown = json.dumps(value)
        return InvalidModel(
            f"{self.path}: {key} is {shown if len(shown) <= 120 else shown[:117] + '...'}, which this "
            f"library can't do: {why}"
        )


def label_lines(path: Path) -> tuple[str, ...]:
    """A label per line, blank lines at the end left out.

    Raises:
        InvalidModel: it can't be read, is no UTF-8, is empty, or has a blank line in between.
    """
    try:
        lines = [line.strip() for line in _bytes(path).decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InvalidModel(f"{path} is no text in UTF-8: {error}") from error
    while lines and not lines[-1]:
        lines.pop()
    if not all(lines):
        raise InvalidModel(f"{path}: line {lines.index('') + 1} is blank: each line is a label")
    if not lines:
        raise InvalidModel(f"{path} is empty: it must hold a label per line, by class id")
    return tuple(lines)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe would never end
            raise InvalidModel(f"{path} is no file")
        if path.stat().st_size > MAX_BYTES:
            raise InvalidModel(f"{path} is larger than {MAX_BYTES >> 20} MiB: that is no such file")
        return path.read_bytes()
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error
