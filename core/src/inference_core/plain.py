"""Dataclasses as plain data for `--json`: dicts, lists, str, numbers, None."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any


def to_plain(value: object) -> Any:
    """`value` as what `json.dumps` takes: dataclasses and mappings as dicts, paths as str."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (Sequence, Set)) and not isinstance(value, (bytes, bytearray)):
        return [to_plain(item) for item in value]
    return str(value)
