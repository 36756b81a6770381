"""Strict arguments: a name that isn't known is an error that suggests the one that was meant."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from inference_core.errors import InferenceError, InvalidArgument, PluginError

T = TypeVar("T")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'threads'?" where one of `known` is close to `name`, else ""."""
    match = closest(name, known)
    return f"; did you mean {match!r}?" if match else ""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` may be a misspelling of."""
    import difflib  # not above: only mistakes need it

    known = sorted(known)
    close = difflib.get_close_matches(
        name.lower(), [word.lower() for word in known], n=1, cutoff=0.55
    )
    if not close:
        # "backend_type" for "backend": too long for the ratio, yet obvious to a person.
        inside = (word for word in known if min(len(word), len(name)) > 3)
        close = [word for word in inside if word in name or name in word][:1]
    return next((word for word in known if close and word.lower() == close[0].lower()), None)


def unknown_argument(what: str, name: str, known: Iterable[str]) -> InvalidArgument:
    """The error for an argument that doesn't exist, with its suggestion or the list of names."""
    known = list(known)
    hint = did_you_mean(name, known) or f"; it takes {', '.join(sorted(known)) or 'none'}"
    return InvalidArgument(f"{what} has no argument {name!r}{hint}")


def build_options(cls: type[T], values: Mapping[str, Any], what: str) -> T:
    """An instance of the options dataclass `cls`, its names and types checked.

    Args:
        cls: a dataclass; pydantic reads its annotations, its `__post_init__` checks ranges.
        values: the options by name. Numbers and booleans may be given as text, as from a command
            line.
        what: whose options they are, for the message.

    Raises:
        InvalidArgument: an unknown name (with a suggestion) or a value that doesn't fit.
        PluginError: the class itself is broken.
    """
    try:
        if not values:
            return cls()
        return _checked(cls, values, what)
    except (InferenceError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin's dataclass may raise anything
        raise PluginError(
            f"{what}: its options class {cls.__name__} raised {type(error).__name__}: {error}"
        ) from error


def _checked(cls: type[T], values: Mapping[str, Any], what: str) -> T:
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise unknown_argument(what, name, names)
    import pydantic

    try:
        return _adapter(cls).validate_python(dict(values))  # type: ignore[arg-type,no-any-return]
    except pydantic.ValidationError as error:
        # One for each type that an option may have is about the same value.
        by_value: dict[Any, list[Mapping[str, Any]]] = {}
        for issue in error.errors():
            by_value.setdefault((issue["loc"][:1], repr(issue["input"])), []).append(issue)
        raise InvalidArgument(f"{what}: {'; '.join(map(_sentence, by_value.values()))}") from None


def _sentence(issues: Sequence[Mapping[str, Any]]) -> str:
    """Pydantic's complaints about a value. Those of `__post_init__` name the option themselves."""
    first, *others = issues
    if not first["loc"]:
        return str(first["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if not others:
        return f"{'.'.join(map(str, first['loc']))}={first['input']!r}: {first['msg']}"
    wanted = dict.fromkeys(str(issue["msg"]).removeprefix("Input should be ") for issue in issues)
    return f"{first['loc'][0]}={first['input']!r}: Input should be {', or '.join(wanted)}"


@functools.cache
def _adapter(cls: type) -> Any:
    import pydantic

    return pydantic.TypeAdapter(cls)
