"""Which modules a plugin may load before it loads a model, and which not. Standard library and core."""

from __future__ import annotations

import functools
import json
import sys
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from urllib.parse import unquote, urlsplit

from inference_core import discovery, distributions

# What core stands on, which is loaded anyway or light.
_CORE = {"inference_core", "packaging", "platformdirs", "pluggy"}


def heavy_name(module: str) -> str | None:
    """What to call `module` if it is too heavy to be loaded, None if it is light."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in _CORE or top.startswith("_sysconfigdata"):
        return None
    if top not in _own_packages() and not _is_in_a_project(module):
        return top
    spec = getattr(sys.modules.get(module), "__spec__", None)
    native = isinstance(getattr(spec, "loader", None), ExtensionFileLoader)
    return f"{module} (native code)" if native else None


@functools.cache
def _own_packages() -> set[str]:
    """Packages of the distributions that bring plugins."""
    found = {record.value.partition(":")[0].partition(".")[0] for record in discovery.records()}
    for name in {record.distribution for record in discovery.records()}:
        folder = distributions.find(name)
        record = (folder.read_text("RECORD") if folder else None) or ""
        files = (line.partition(",")[0] for line in record.splitlines())
        found |= {file.partition("/")[0].removesuffix(".py") for file in files}
    return found


@functools.cache
def _projects() -> list[Path]:
    """Folders of the editable installations among them (direct_url.json, PEP 610)."""
    found = []
    for name in {record.distribution for record in discovery.records()}:
        folder = distributions.find(name)
        origin = json.loads((folder.read_text("direct_url.json") if folder else None) or "{}")
        if origin.get("dir_info", {}).get("editable"):
            path = unquote(urlsplit(origin["url"]).path)
            found.append(Path(path.lstrip("/") if sys.platform == "win32" else path))
    return found


def _is_in_a_project(module: str) -> bool:
    """Whether the module is a file of such a project, and not of an environment inside of it."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or "site-packages" in file:
        return False
    return any(Path(file).is_relative_to(project) for project in _projects())
