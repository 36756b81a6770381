"""Fixes as the command line takes them: `--device cpu` where Python says `device="cpu"`."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from inference_core.resolution import Resolution
from inference_core.verdict import Reason

_OPTIONS = ("allow_code", "backend", "batch_size", "device", "options", "precision", "preference")


def on_the_command_line(resolution: Resolution) -> Resolution:
    """The resolution with those of its fixes that are arguments of Python written as options."""
    candidates = [
        replace(
            each, verdict=replace(each.verdict, reasons=tuple(map(_reason, each.verdict.reasons)))
        )
        for each in resolution.candidates
    ]
    return replace(resolution, candidates=tuple(candidates))


def as_options(fix: str) -> str:
    """`device="cpu"` as `--device cpu`; a fix that isn't made of such arguments as it is."""
    try:
        call = ast.parse(f"f({fix})", mode="eval").body
    except (SyntaxError, ValueError):  # a command, or a sentence
        return fix
    if not isinstance(call, ast.Call) or call.args or not call.keywords:
        return fix
    words: list[str] = []
    for keyword in call.keywords:
        if keyword.arg not in _OPTIONS:
            return fix
        try:
            words += _words(keyword.arg, ast.literal_eval(keyword.value))
        except ValueError:
            return fix
    return shlex.join(words) if words else fix


def _words(name: str, value: Any) -> Iterator[str]:
    flag = f"--{name.replace('_', '-')}"
    if value is True:
        yield flag
    elif name == "options" and isinstance(value, dict):
        for key, item in value.items():
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            yield from ("--option", f"{key}={text}")
    elif name == "preference" and isinstance(value, (list, tuple)):
        yield from (flag, ",".join(value))
    elif isinstance(value, (str, int)):
        yield from (flag, str(value))
    else:  # `precision=None` means: leave the option out
        raise ValueError(f"no option says {name}={value!r}")


def _reason(reason: Reason) -> Reason:
    return replace(reason, fix=as_options(reason.fix)) if reason.fix else reason
