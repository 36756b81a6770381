"""Finds plugins: phase 0 lists them from metadata, phase 1 imports one light module under a guard.

Phase 2, importing a framework, happens only inside a backend's `load` or deep probe. A plugin that
can't be imported becomes a value with a reason: it stops nothing else and shows in every report.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from inference_core import configuration, distributions
from inference_core.arguments import did_you_mean
from inference_core.configuration import PLUGIN_KINDS, Configuration
from inference_core.distributions import normalised_name
from inference_core.errors import InferenceError, PluginWarning
from inference_core.verdict import Reason

T = TypeVar("T")

# As entry points are written; extras in brackets, which nothing uses any more, are passed over.
_REFERENCE = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+)\s*)?(?:\[.*\]\s*)?")


@dataclass(frozen=True, slots=True)
class Record:
    """One entry point of ours, as metadata states it; nothing is imported.

    Attributes:
        kind: "backends", "wrappers", "readers", "processors" or "sources".
        name: what users call the plugin.
        value: the object reference, "package.module" or "package.module:attribute".
        distribution: the distribution that brings it, normalised; version: the installed one.
    """

    kind: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """Distribution and version, as messages name it."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, eq=False)
class Plugin:
    """A record, and either the object it stands for or the reason why there is none."""

    record: Record
    value: Any = None
    failure: Reason | None = None


def records() -> tuple[Record, ...]:
    """All plugins that metadata lists, sorted by kind, name and distribution. Imports none."""
    return _scan()[0]


def damaged() -> tuple[Reason, ...]:
    """A problem for each distribution whose plugins can't be seen: its metadata can't be read, or names
    a group that there isn't."""
    return _scan()[1]


@functools.cache
def _scan() -> tuple[tuple[Record, ...], tuple[Reason, ...]]:
    """What metadata lists, and what is wrong with it. A file is opened per installed distribution,
    so this is done once per process; `refresh()` repeats it."""
    found: dict[tuple[str, str, str], Record] = {}
    problems: list[Reason] = []
    for distribution in distributions.installed():
        try:
            listed = distribution.read_text("entry_points.txt") or ""
            if "inference_core." not in listed:
                continue
            text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
            name = distributions.header(text, "Name")
            version = distributions.header(text, "Version")
            if not name:
                raise ValueError("it states no name")
        except Exception as error:  # noqa: BLE001 - one distribution's damage hides no other's
            problems.append(_damage(distribution, error))
            continue
        for point in distributions.entry_points(listed):
            package, _, kind = point.group.partition(".")
            if package != "inference_core":
                continue
            if kind not in PLUGIN_KINDS:
                problems.append(_unknown_group(point.group, name))
                continue
            origin = normalised_name(name)
            record = Record(kind, point.name, point.value, origin, version or "unknown")
            # A distribution that is on the path twice counts once: the first one, as for imports.
            found.setdefault((kind, point.name, record.distribution), record)
    records = sorted(found.values(), key=lambda r: (r.kind, r.name, r.distribution))
    return tuple(records), tuple(problems)


def _unknown_group(group: str, distribution: str) -> Reason:
    groups = [f"inference_core.{kind}" for kind in PLUGIN_KINDS]
    hint = did_you_mean(group, groups) or f"; known: {', '.join(groups)}"
    return Reason(
        "error",
        f"{distribution} has entry points in the group {group!r}, which nothing looks into{hint}",
        f"report it to the author of {distribution}",
    )


def _damage(distribution: Any, error: Exception) -> Reason:
    # Its name may be what can't be read; importlib.metadata keeps the folder in `_path`.
    where = getattr(distribution, "path", getattr(distribution, "_path", "an unknown place"))
    return Reason(
        "broken-install",
        f"the metadata of the distribution in {where} can't be read: {type(error).__name__}: {error}",
        "reinstall that distribution, or remove the folder",
    )


_forgetting: list[Callable[[], object]] = []


def on_refresh(forget: Callable[[], object]) -> None:
    """Have `forget` called by `refresh`: for what is kept about plugins elsewhere."""
    _forgetting.append(forget)


def refresh() -> None:
    """Forget what was found, so that plugins installed since then are seen."""
    for forget in _forgetting:
        forget()
    distributions.forget()
    _scan.cache_clear()
    _imported.cache_clear()


def names(kind: str) -> list[str]:
    """Names of all plugins of a kind, from metadata."""
    return sorted({record.name for record in records() if record.kind == kind})


def plugins(
    kind: str, settings: Configuration | None = None, only: Collection[str] | None = None
) -> list[Plugin]:
    """The plugins of a kind, each imported unless it is disabled or ambiguous.

    Args:
        kind: "backends", "wrappers", "readers", "processors" or "sources".
        settings: the configuration; read if not given.
        only: names to consider; the others aren't imported.
    """
    settings = settings or configuration.read()
    chosen = [r for r in records() if r.kind == kind and (only is None or r.name in only)]
    found = []
    for record in chosen:
        failure = blocked(record, settings)
        found.append(Plugin(record, None, failure) if failure else _imported(record))
    return found


def blocked(record: Record, settings: Configuration) -> Reason | None:
    """Why configuration or a second claimant keeps this plugin from being used, or None."""
    if reason := _disabled(record):
        return reason
    rivals = sorted(
        {
            rival.origin
            for rival in records()
            if (rival.kind, rival.name) == (record.kind, record.name) and not _disabled(rival)
        }
    )
    if len(rivals) < 2:
        return None
    picked = settings.pick.get(record.kind, {}).get(record.name)
    if picked is not None and normalised_name(picked) == record.distribution:
        return None
    if picked is not None:
        return Reason("disabled", f"{settings.path} gives the name {record.name!r} to {picked}")
    others = " and ".join(rivals)
    return Reason(
        "ambiguous",
        f"the name {record.name!r} is claimed by {others}; switch one off, or give the name to one "
        f'in {settings.path}: pick.{record.kind}."{record.name}" = "{record.distribution}"',
        f"INFERENCE_DISABLE={record.distribution}",
    )


def _disabled(record: Record) -> Reason | None:
    own = _called(record)
    if own & {normalised_name(name) for name in configuration.listed("INFERENCE_DISABLE")}:
        return Reason(
            "disabled",
            f"{record.name} is switched off by INFERENCE_DISABLE={os.environ['INFERENCE_DISABLE']}",
            "unset INFERENCE_DISABLE",
        )
    allowed = configuration.listed("INFERENCE_PLUGINS")
    if allowed and not own & {normalised_name(name) for name in allowed}:
        return Reason(
            "disabled",
            f"{record.name} is not in INFERENCE_PLUGINS={os.environ['INFERENCE_PLUGINS']}",
            f"INFERENCE_PLUGINS={','.join((*allowed, record.distribution))}",
        )
    return None


def _called(record: Record) -> set[str]:
    """The names by which the INFERENCE_* variables may call a plugin."""
    names = (record.name, record.distribution, record.distribution.removeprefix("inference-"))
    return {normalised_name(name) for name in names}


def asked(plugin: Plugin, method: str | None, argument: Any, wanted: type[T]) -> T | None:
    """What a reader or recogniser answers when asked whether it knows `argument`.

    One that raises or answers nonsense must not keep every other model from loading: it is passed
    over with a `PluginWarning`. An `InferenceError` is an answer (it knows the file, which is
    damaged) and is passed on.

    Args:
        plugin: an imported reader or processor.
        method: which of its methods to call; None calls the plugin itself.
        argument: what to ask about.
        wanted: the type of an answer other than None.
    """
    record = plugin.record
    try:
        answer = (getattr(plugin.value, method) if method else plugin.value)(argument)
    except InferenceError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        mistake = f"raised {type(error).__name__}: {error}"
    else:
        if answer is None or isinstance(answer, wanted):
            return answer
        mistake = f"returned {type(answer).__name__} instead of a {wanted.__name__}"
    warnings.warn(
        f"{record.kind.removesuffix('s')} {record.name!r} ({record.origin}) {mistake}. It is passed "
        f"over; INFERENCE_DISABLE={record.distribution} switches it off",
        PluginWarning,
        stacklevel=2,
    )
    return None


def unknown_names() -> list[Reason]:
    """A problem for each name in INFERENCE_PLUGINS or INFERENCE_DISABLE that nothing answers to."""
    known = {name for record in records() for name in _called(record)}
    return [
        Reason(
            "error",
            f"{variable} names {name!r}, which no plugin is called{did_you_mean(name, known)}",
        )
        for variable in ("INFERENCE_PLUGINS", "INFERENCE_DISABLE")
        for name in configuration.listed(variable)
        if normalised_name(name) not in known
    ]


@functools.cache
def _imported(record: Record) -> Plugin:
    """Phase 1. `SystemExit` is caught too: a module that calls exit() must not end the program."""
    try:
        return Plugin(record, _object(record.value))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        message = (
            f"importing {record.value} of {record.origin} raised "
            f"{type(error).__name__}: {error}".rstrip(": ")
        )
        fix = f"INFERENCE_DISABLE={record.distribution}"
        return Plugin(record, None, Reason("error", message, fix))


def _object(reference: str) -> Any:
    """The object that "package.module:attribute" stands for."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError(f"{reference!r} is no reference to an object, such as package.module")
    module, attributes = match.groups()
    value: Any = importlib.import_module(module)
    for attribute in filter(None, (attributes or "").split(".")):
        value = getattr(value, attribute)
    return value
