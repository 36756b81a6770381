"""What the user configured: the configuration file and the INFERENCE_* variables.

The file is `config.toml` in the user's configuration folder (INFERENCE_CONFIG names another):

    preference = ["onnx", "torch"]      # order of backends, overridden by INFERENCE_PREFERENCE

    [pick.backends]                     # which distribution a doubly claimed name belongs to
    onnx = "inference-onnx"

Everything is read when it is asked for, so that a change counts without a restart.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference_core.arguments import did_you_mean
from inference_core.errors import ConfigurationError

PLUGIN_KINDS = ("backends", "wrappers", "readers", "processors", "sources")


@dataclass(frozen=True, eq=False)
class Configuration:
    """What the configuration file says.

    Attributes:
        path: where the file is, or would be.
        preference: backend names, best first; () if it says nothing.
        pick: by kind of plugin ("backends", …) and name, the distribution that name belongs to.
    """

    path: Path
    preference: tuple[str, ...] = ()
    pick: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def path() -> Path:
    """Where the configuration file is, whether or not it exists."""
    if named := os.environ.get("INFERENCE_CONFIG"):
        return Path(named)
    import platformdirs

    return platformdirs.user_config_path("inference-core") / "config.toml"


def read() -> Configuration:
    """The configuration file; defaults where there is none.

    Raises:
        ConfigurationError: it can't be read, or says something that isn't known.
    """
    where = path()
    try:
        text = where.read_text(encoding="utf-8")
    except FileNotFoundError:
        if os.environ.get("INFERENCE_CONFIG"):
            raise ConfigurationError(
                f"INFERENCE_CONFIG names {where}, which doesn't exist"
            ) from None
        return Configuration(where)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{where} can't be read: {error}") from error
    import tomllib  # not above: most machines have no configuration file

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} can't be read: {error}") from error
    for key in table:
        if key not in ("preference", "pick"):
            hint = did_you_mean(key, ("preference", "pick")) or "; it knows 'preference' and 'pick'"
            raise ConfigurationError(f"{where}: unknown key {key!r}{hint}")
    return Configuration(where, _preference(table, where), _pick(table, where))


def _preference(table: Mapping[str, Any], where: Path) -> tuple[str, ...]:
    preference = table.get("preference", [])
    if not isinstance(preference, list) or not all(isinstance(name, str) for name in preference):
        raise ConfigurationError(
            f'{where}: preference is a list of names, such as ["onnx", "torch"]'
        )
    return tuple(preference)


def _pick(table: Mapping[str, Any], where: Path) -> dict[str, Mapping[str, str]]:
    pick = table.get("pick", {})
    if not isinstance(pick, dict):
        raise ConfigurationError(
            f"{where}: [pick] is a table with the keys {', '.join(PLUGIN_KINDS)}"
        )
    for kind, names in pick.items():
        if kind not in PLUGIN_KINDS:
            hint = did_you_mean(kind, PLUGIN_KINDS) or f"; it knows {', '.join(PLUGIN_KINDS)}"
            raise ConfigurationError(f"{where}: [pick] has an unknown key {kind!r}{hint}")
        if not isinstance(names, dict) or not all(isinstance(v, str) for v in names.values()):
            raise ConfigurationError(
                f'{where}: [pick.{kind}] has lines such as onnx = "inference-onnx"'
            )
    return pick


def listed(variable: str) -> tuple[str, ...]:
    """The comma-separated names in an environment variable, () if it is unset or empty."""
    return tuple(name.strip() for name in os.environ.get(variable, "").split(",") if name.strip())
