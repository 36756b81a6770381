"""Takes out of a report what is nobody's business: for what people paste into bug reports.

The home folder becomes "~", the user's name in other paths "<user>", and credentials in addresses
"***". It can't know every secret: a plugin that puts one into a message is beyond it.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# An address; one that was taken for a path has a single slash, and "C:/" is none.
_START = r"\b[a-zA-Z][\w+.-]+:/{1,2}"
# Up to the last "@" before a slash, for a password may hold one.
_CREDENTIALS = re.compile(rf"({_START})[^/\s]*@")
_QUERY = re.compile(rf"""({_START}[^\s?'"]*\?)[^\s'"]+""")
# shlex.quote quotes a word for these, and a shell doesn't expand "~" in quotes.
_QUOTED = re.compile(r"'~/([^']*[^\w@%+=:,./'-][^']*)'")


def redacted(value: T) -> T:
    """The same value, texts in dataclasses, tuples, lists and mappings included, without those."""
    return _walk(value)  # type: ignore[no-any-return]


def _walk(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (tuple, list)):
        return type(value)(map(_walk, value))
    if isinstance(value, Mapping):
        return {key: _walk(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return dataclasses.replace(value, **{f.name: _walk(getattr(value, f.name)) for f in fields})
    return value


def _text(text: str) -> str:
    text = _CREDENTIALS.sub(r"\1***@", text)
    text = _QUERY.sub(r"\1***", text)
    # Path.home() raises where there is none; this leaves the "~".
    home, user = _patterns(os.path.expanduser("~"))  # noqa: PTH111
    text = home.sub("~", text) if home else text
    text = _QUOTED.sub(r"~/'\1'", text)
    return user.sub("<user>", text) if user else text


@functools.cache
def _patterns(home: str) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
    """What finds the home folder at the start of a path, and the user's name as a folder in one."""
    if len(Path(home).parts) < 2:  # "/" is the home of some users in containers
        return None, None
    places = "|".join(sorted({re.escape(home), re.escape(str(Path(home).resolve()))}, key=len))
    flags = re.IGNORECASE if os.name == "nt" else 0
    user = re.escape(Path(home).name)
    return (
        re.compile(rf"(?<![\w.~-])(?:{places})(?![\w.-])", flags),
        re.compile(rf"(?<=[/\\]){user}(?![\w.-])", flags),
    )
