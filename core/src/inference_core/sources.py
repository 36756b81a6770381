"""From what the user typed to a path: a bundled name, a URL scheme, or a path as it is.

A name that an installed source registers means that source, also where a folder of the same name
exists (write "./shapes" for the folder). Names are known from metadata without an import.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from inference_core import catalog, discovery
from inference_core.arguments import did_you_mean
from inference_core.configuration import Configuration
from inference_core.errors import InferenceError, InvalidArgument, ModelNotFound, PluginError
from inference_core.install import install_command


def locate(reference: str | os.PathLike[str], settings: Configuration) -> Path:
    """The path that a reference means.

    Raises:
        InvalidArgument: it is neither str nor path.
        ModelNotFound: nothing is there; the message tells a missing file, a misspelt name and an
            unknown scheme apart.
        PluginError: the source that should provide it failed.
    """
    if not isinstance(reference, (str, os.PathLike)):
        raise InvalidArgument(f"a model is a str or a path, not {type(reference).__name__}")
    text = os.fspath(reference)
    if not isinstance(text, str):
        raise InvalidArgument("a model is a str or a path of str, not of bytes")
    if not text.strip():
        raise ModelNotFound("the model's name is empty")
    if isinstance(reference, str):
        scheme = re.match(r"([a-z][a-z0-9+.-]+):", text)
        name = scheme.group(1) if scheme else text
        if name in discovery.names("sources"):
            return _from_source(name, text, settings)
        if scheme and not _exists(Path(text)):
            raise _unknown_scheme(scheme.group(1), text)
    path = Path(text)
    if not _exists(path):
        raise _missing(path, text)
    try:
        return path.absolute()
    except OSError as error:  # the current folder was deleted
        raise ModelNotFound(f"{text!r} can't be found from here: {error}") from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False


def _from_source(name: str, text: str, settings: Configuration) -> Path:
    failures = []
    for plugin in discovery.plugins("sources", settings, only=(name,)):
        if plugin.failure:
            failures.append(str(plugin.failure))
            continue
        origin = f"source {name!r} ({plugin.record.origin})"
        try:
            path = plugin.value(text)
        except InferenceError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{origin} raised {type(error).__name__}: {error}") from error
        if not isinstance(path, Path):
            raise PluginError(f"{origin} returned {type(path).__name__} instead of a Path")
        return path
    raise ModelNotFound(f"{text!r} can't be had: {'; '.join(failures)}")


def _unknown_scheme(scheme: str, text: str) -> ModelNotFound:
    known = discovery.names("sources")
    hint = did_you_mean(scheme, known) or f"; installed sources: {', '.join(known) or 'none'}"
    return ModelNotFound(
        f"{text!r} starts with {scheme}:, which no installed source answers to{hint}. "
        "Download the model and name its path"
    )


def _missing(path: Path, text: str) -> ModelNotFound:
    if text in catalog.BUNDLED_MODELS:
        command = install_command(catalog.BUNDLED_MODELS[text])
        return ModelNotFound(f"{text!r} comes with {catalog.BUNDLED_MODELS[text]}: {command}")
    shown = text if len(text) <= 200 else f"{text[:200]}…"
    try:
        path.stat()
    except PermissionError as error:
        return ModelNotFound(f"{shown} can't be opened: {error.strerror}")
    except (OSError, ValueError):
        pass  # what it is that's missing is told below
    looks_like_path = path.suffix or len(path.parts) > 1 or text.startswith((".", "~"))
    if not looks_like_path:
        known = {*discovery.names("sources"), *catalog.BUNDLED_MODELS}
        hint = did_you_mean(text, known) or f"; bundled names: {', '.join(sorted(known))}"
        return ModelNotFound(
            f"{shown!r} is no bundled model, and no file or folder here{hint.rstrip('?;')}"
            + ("?" if hint.endswith("?") else "")
        )
    parent = path.parent
    if text.startswith("~"):
        return ModelNotFound(f"{shown} isn't expanded; pass os.path.expanduser({shown!r})")
    if not _exists(parent):
        return ModelNotFound(f"{shown} doesn't exist: there is no folder {str(parent)[:200]}")
    import difflib

    try:
        siblings = sorted(entry.name for entry in parent.iterdir())
    except OSError:
        siblings = []
    close = difflib.get_close_matches(path.name, siblings, n=3)
    hint = f"; close to it: {', '.join(close)}" if close else ""
    return ModelNotFound(f"{shown} doesn't exist in {str(parent.absolute())[:200]}{hint}")
