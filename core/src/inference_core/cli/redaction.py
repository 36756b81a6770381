"""Takes out of a report what is nobody's business: for what people paste into bug reports.

The home folder becomes "~", the user's name in other paths "<user>", and "***" what is shaped like a
secret: credentials, queries and fragments of addresses, the values of what is called like a secret, and
tokens that show what they are. A bare random word is beyond it.
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
_START = r"\b[a-zA-Z][\w+.-]{1,20}:/{1,2}"
# Up to white space, for a password may hold anything else; or in quotes.
_VALUE = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\S+)"""
# Names that stand for a secret whatever follows ("token: x"), though not "tokenizer" or "tokens" …
_SECRET = (
    r"(?:token(?!i[sz]|s)|secret(?!iv)|passw(?:or)?d|passphrase|credential|bearer|authori[sz]ation"
    r"|(?:api|access|account|auth|private|secret)[-_]?key)"
)
# … and those that do where something is set ("key=x"), for "key: x" may be a message about a key.
_PERHAPS = (
    r"(?:(?<![a-z])|(?-i:(?=[A-Z])))(?:key|auth|sig|signature|pass|pwd|pw|sas|cookie)(?![a-z])"
)
_CALLED_SECRET = re.compile(f"{_SECRET}|{_PERHAPS}", re.IGNORECASE)

# Lengths are bounded where a long text could make the search take as long as its square.
_SECRETS = [
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in [
        (r"-----BEGIN [\w ]*PRIVATE KEY(?s:.*?)(?:-----END [\w ]*-----|\Z)", "***"),
        # Up to the last "@" before a slash, for a password may hold one; it may even hold a slash.
        (rf"({_START})[^/\s]{{0,4000}}@", r"\1***@"),
        (rf"({_START})[^/\s:@]+:(?!\d+/)\S{{0,400}}?@", r"\1***@"),
        (rf"""({_START}[^\s?#'"]{{0,1000}}[?#])[^\s'"]+""", r"\1***"),
        # Headers, whose values may be of several words.
        (r"""((?:authori[sz]ation|cookie)["']?\s*[:=]\s*)[^\n]+""", r"\1***"),
        (r"\b(bearer\s+)\S+", r"\1***"),
        (r"\b(basic\s+)(?=\S*(?-i:[\dA-Z=]))[a-z0-9+/]{6,}={0,2}", r"\1***"),
        (rf"""({_SECRET}[\w.-]{{0,60}}["']?\s*(?:[:=]|%3[AD])\s*){_VALUE}""", r"\1***"),
        (rf"""({_PERHAPS}[\w.-]{{0,60}}["']?\s*(?:=|%3D)\s*){_VALUE}""", r"\1***"),
        (rf"((?<![\w-])--[\w-]{{0,60}}(?:{_SECRET}|{_PERHAPS})[\w-]{{0,60}}\s+){_VALUE}", r"\1***"),
        # Credentials without a scheme, as proxies are written.
        (r"""(?<![^\s'"=,;])[^\s:/@'"=]+:[^\s/'"]+@(?=[\w-])""", "***@"),
        # Tokens by their prefix: Hugging Face, GitHub, npm, Roboflow, Stripe; GitLab, Slack, PyPI,
        # NVIDIA, OpenAI; Google, AWS; and JSON Web Tokens (RFC 7519), which begin with {".
        (r"(?<![a-z0-9])(?:hf|api_org|gh[opsur]|github_pat|npm)_[a-z0-9]{8,}\w*", "***"),
        (r"(?<![a-z0-9])(?:rf_[a-z0-9]{16,}|[rsp]k_(?:live|test)_\w+)", "***"),
        (r"(?<![a-z0-9])(?:glpat|xox[a-z]|nvapi|sk)-[\w-]{8,}", "***"),
        (r"(?<![a-z0-9])pypi-\w[\w-]{15,}", "***"),
        (r"(?-i:AIza[\w-]{20,}|ya29\.[\w.-]+|(?:AKIA|ASIA)[A-Z0-9]{12,})", "***"),
        (r"(?<![a-z0-9])(?-i:eyJ)[\w-]+(?:\.[\w-]*)*", "***"),
    ]
]
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
        return {key: _masked(key, _walk(item)) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return dataclasses.replace(value, **{f.name: _walk(getattr(value, f.name)) for f in fields})
    return value


def _masked(name: Any, value: Any) -> Any:
    secret = isinstance(name, str) and _CALLED_SECRET.search(name)
    return "***" if secret and value and isinstance(value, (str, tuple, list)) else value


def _text(text: str) -> str:
    for pattern, kept in _SECRETS:
        text = pattern.sub(kept, text)
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
