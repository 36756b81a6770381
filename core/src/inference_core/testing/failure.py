"""How a check that found something ends: what is wrong, and what the author should change."""

from __future__ import annotations

from typing import NoReturn

import pytest


def failed(problem: str, change: str) -> NoReturn:
    """Fail the test, with both sentences and without the kit's own traceback."""
    pytest.fail(f"{problem}\nWhat to change: {change}", pytrace=False)
