"""The options that choose a backend, as keyword arguments of `AutoModel`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from inference_core.errors import InvalidArgument


def loading_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments for `AutoModel.from_pretrained` (or `resolve`, without --strict)."""
    arguments = {
        "backend": options.backend,
        "device": options.device,
        "precision": options.precision,
        "batch_size": options.batch_size,
        "preference": _names(options.preference),
        "options": pairs(options.option, "--option"),
        "allow_code": options.allow_code,
    }
    if hasattr(options, "strict"):
        arguments["strict"] = options.strict
    return arguments


def _names(text: str | None) -> list[str] | None:
    return [name.strip() for name in text.split(",")] if text is not None else None


def pairs(texts: Iterable[str], flag: str) -> dict[str, Any]:
    """NAME=VALUE texts as a dict; values are JSON where they can be, else text.

    Raises:
        InvalidArgument: a text without a name or "=".
    """
    import json

    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidArgument(f"{flag} takes NAME=VALUE, not {text!r}")
        try:
            found[name.replace("-", "_")] = json.loads(value)
        except ValueError:
            found[name.replace("-", "_")] = value
    return found
