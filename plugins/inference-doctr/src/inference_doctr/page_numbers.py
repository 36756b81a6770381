"""What a file of several pages is called in messages, and which of its pages are read."""

from __future__ import annotations

import os
from typing import Any

from inference_core.errors import InvalidInput


def name_of(value: Any, kind: str) -> str:
    """The path, or what stands for bytes: `<PDF of 1234 bytes>`."""
    if isinstance(value, (str, os.PathLike)):
        return os.fsdecode(value)
    return f"<{kind} of {memoryview(value).nbytes} bytes>"


def chosen_pages(numbers: tuple[int, ...], count: int, name: str) -> range | tuple[int, ...]:
    """The indices of the pages to read of a file that has `count` of them: all, or `numbers` from 1.

    Raises:
        InvalidInput: it hasn't the ones asked for.
    """
    for number in numbers:
        if number > count:
            has = "one page" if count == 1 else f"{count} pages"
            raise InvalidInput(f"{name} has {has}, and page {number} was asked for")
    return tuple(number - 1 for number in numbers) or range(count)
