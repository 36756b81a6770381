"""A folder of packages that holds core and the plugin, and nothing else: no runtime."""

from __future__ import annotations

import importlib.util
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from inference_core import discovery


def bare_site(plugin: str, folder: Path) -> Path:
    """Link what core needs, the distribution `plugin` and the plugins it requires into `folder`.

    Raises:
        OSError: links can't be made here.
    """
    folder.mkdir(parents=True)
    for name in _needed("inference-core"):
        _link(metadata.distribution(name), folder)
    ours = {record.distribution for record in discovery.records()}
    for name in _needed(plugin, within=ours):
        _link(metadata.distribution(name), folder)
    return folder


def _needed(name: str, within: set[str] | None = None) -> set[str]:
    """A distribution and what it requires, extras left out; only what is in `within`, if given."""
    found: set[str] = set()
    waiting = [str(canonicalize_name(name))]
    while waiting:
        current = waiting.pop()
        if current in found or (within is not None and current not in within):
            continue
        try:
            requires = metadata.distribution(current).requires or []
        except metadata.PackageNotFoundError:
            continue
        found.add(current)
        for text in requires:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(str(canonicalize_name(requirement.name)))
    return found


def _link(distribution: metadata.Distribution, folder: Path) -> None:
    base = Path(str(distribution.locate_file("")))
    tops = {
        path.parts[0] for path in distribution.files or () if path.parts[0] not in ("..", "/")
    }  # fmt: skip
    places = {base / top for top in tops if not top.endswith((".pth", "__pycache__"))}
    # An editable installation lists no package; its entry points tell where to look.
    for point in distribution.entry_points:
        spec = importlib.util.find_spec(point.module.partition(".")[0])
        if spec and spec.submodule_search_locations:
            places |= set(map(Path, spec.submodule_search_locations))
        elif spec and spec.origin:
            places.add(Path(spec.origin))
    information = getattr(distribution, "_path", None)
    if information is not None:
        places.add(Path(str(information)))
    for place in places:
        target = folder / place.name
        if place.exists() and not target.exists():
            target.symlink_to(place.absolute())
