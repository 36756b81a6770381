"""The one place that knows how this project's own distributions are installed.

Every `fix` that installs something is made here. Our distributions come from a checkout or from a
folder of built wheels, never by bare name from the public index, where a name may be a stranger's:
the version range with the epoch (`>=1!0.1,<1!1`) makes sure that pip can't take that one.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from inference_core import distributions

RANGE = ">=1!0.1,<1!1"
EPOCH = "1!"
# pip keeps no record of --find-links, so the folder can't be named; as a comment it pastes as it is.
_HINT = "# with --find-links and the folder of this project's wheels, or INFERENCE_WHEELS set to it"


def install_command(*requirements: str, installer: str | None = None) -> str:
    """A pip command to paste, for our distributions and others alike.

    Args:
        requirements: as pip takes them; ours by name and extras only ("inference-onnx[cpu]").
        installer: "uv pip" where only that can do it; None for this Python's pip.
    """
    origin = _origin()
    words: list[str] = []
    find_links = unknown = False
    for requirement in requirements:
        name, _, extras = requirement.partition("[")
        if not name.startswith("inference-"):
            words.append(quoted(requirement))
        elif origin and (folder := _checkout_folder(origin, name)):
            words.append(quoted(f"{folder}[{extras}" if extras else str(folder)))
        else:
            words.append(quoted(requirement + RANGE))
            find_links, unknown = origin is not None, origin is None
    where = ["--find-links", quoted(str(origin))] if find_links else []
    hint = [_HINT] if unknown and os.name != "nt" else []
    return " ".join([installer or pip_command(), "install", *where, *words, *hint])


def pip_command() -> str:
    """ "pip", or where a shell would find the pip of another Python, this Python with "-m pip"."""
    found = shutil.which("pip")
    scripts = Path(sys.prefix, "Scripts" if os.name == "nt" else "bin")
    if not sys.executable or (found and Path(found).parent.resolve() == scripts.resolve()):
        return "pip"
    return f"{quoted(sys.executable)} -m pip"


def foreign_cores() -> list[str]:
    """Versions of installed distributions called inference-core that aren't ours."""
    from importlib import metadata  # not above: it takes a while, and is for reports

    found = metadata.distributions(name="inference-core")
    return sorted({v for v in map(_version, found) if not v.startswith(EPOCH)})


def _version(distribution: Any) -> str:
    try:
        return str(distribution.version or "of unknown version")
    except Exception:  # noqa: BLE001 - what an interrupted uninstallation leaves may raise anything
        return "of unknown version"


@functools.cache
def _origin() -> Path | None:
    """The checkout or the folder of wheels that this core was installed from, if that is known.

    INFERENCE_WHEELS names it; else it is in the record that pip keeps of an installation from a
    path (direct_url.json, PEP 610).
    """
    if named := os.environ.get("INFERENCE_WHEELS"):
        return Path(named)
    import json  # not above: it is for who is told what to install, not for every start

    try:
        core = distributions.find("inference-core")
        text = core.read_text("direct_url.json") if core else None
        url = urlsplit(json.loads(text or "{}").get("url", ""))
    except ValueError:
        return None
    if url.scheme != "file":
        return None
    # From a wheel: the folder it lies in. From a checkout: the folder that holds core/.
    # (urllib.request, which has url2pathname, takes longer to import than all of this package.)
    path = unquote(url.path)
    folder = Path(path.lstrip("/") if os.name == "nt" else path).parent
    return folder if folder.is_dir() else None


def _checkout_folder(origin: Path, name: str) -> Path | None:
    folder = origin / "core" if name == "inference-core" else origin / "plugins" / name
    return folder if (folder / "pyproject.toml").is_file() else None


def quoted(word: str) -> str:
    """A word as a shell of this system takes it."""
    if os.name == "nt":
        return f'"{word}"' if any(c in word for c in " []<>=!;") else word
    return shlex.quote(word)  # in double quotes, an interactive bash would expand the "!"
