"""`infer new-plugin`: writes the project of a backend, complete and working, for an author to change.

What it writes is in `inference_core/scaffold`: a folder per kind, and what both have in common. There
@NAME@ stands for the backend's name, @PACKAGE@ for the import package (as PACKAGE in paths), and
@RANGE@ for the versions of core that the project is written for.
"""

from __future__ import annotations

import argparse
import keyword
import os
import re
import tempfile
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path

from inference_core import catalog, discovery
from inference_core.cli.output import print_json
from inference_core.distributions import normalised_name
from inference_core.errors import InvalidArgument
from inference_core.install import install_command, pip_command, quoted
from inference_core.tables import printable

_SUFFIX = ".template"
_LONGEST = 40  # letters of a name; lines of the generated code stay within its line length


def run(options: argparse.Namespace) -> int:
    """Write the project and say what to do with it."""
    name = plugin_name(options.name)
    folder = Path(options.directory, f"inference-{name}")
    files = project_files(name, options.kind)
    write_project(folder, files)
    if options.json:
        print_json({"folder": str(folder), "files": sorted(files)})
        return 0
    print(
        f"wrote {printable(str(folder))}: the {options.kind} backend {name}, which works as it is"
    )
    if options.name not in (name, folder.name):
        print(
            f"  ({printable(options.name)} is called {name}, as names of distributions are written)"
        )
    for file in sorted(files):
        print(f"  {file}")
    print("What to change is marked with Yours: in it. Next:")
    for command in next_commands(folder):
        print(f"  {printable(command)}")
    print(f"In another environment first: {printable(install_command('inference-core'))}")
    return 0


def plugin_name(text: str) -> str:
    """The name of the backend that `text` asks for: "foo-bar" for "Foo_Bar" and "inference-foo-bar".

    Raises:
        InvalidArgument: it can't be the name of a new backend, and why.
    """
    name = normalised_name(text).removeprefix("inference-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > _LONGEST:
        raise InvalidArgument(
            f"{text!r} can't be the name of a plugin, which is up to {_LONGEST} letters and digits of "
            "ASCII, a letter first, with - between words"
        )
    if name in map(str.lower, keyword.kwlist):
        raise InvalidArgument(f"{text!r} is a word of Python itself: name the runtime")
    if owner := _owner(name):
        raise InvalidArgument(f"{name!r} is taken: {owner}")
    return name


def _owner(name: str) -> str | None:
    """Who has the name already, in words, or None."""
    distribution = f"inference-{name}"
    for record in discovery.records():
        backend = record.kind == "backends" and normalised_name(record.name) == name
        if backend or record.distribution == distribution:
            kind = record.kind.removesuffix("s")
            return f"{record.origin} is installed and has a {kind} {record.name!r}"
    try:
        return f"{distribution} {metadata.version(distribution)} is installed"
    except metadata.PackageNotFoundError:
        pass
    requirements = (known.requirement.partition("[")[0] for known in catalog.BACKENDS)
    ours = {*requirements, *catalog.PROCESSORS.values(), *catalog.BUNDLED_MODELS.values()}
    if distribution in ours or name in {known.name for known in catalog.BACKENDS}:
        return f"{distribution} is a distribution of the inference-core project itself"
    if name in catalog.FORMAT_TITLES:
        return f"a format of model files has it; name the runtime, such as {name}-runtime"
    return None


def project_files(name: str, kind: str) -> dict[str, str]:
    """The text of each file of the project, by its path in it with "/".

    Args:
        name: as `plugin_name` gives it.
        kind: "tensor" or "task".
    """
    values = {
        "NAME": name,
        "PACKAGE": f"inference_{name.replace('-', '_')}",
        "RANGE": core_range(metadata.version("inference-core")),
    }
    scaffold = resources.files("inference_core") / "scaffold"
    return {
        path.replace("PACKAGE", values["PACKAGE"]): re.sub(
            "@([A-Z]+)@", lambda match: values[match[1]], text
        )
        for folder in ("common", kind)
        for path, text in _templates(scaffold / folder).items()
    }


def _templates(folder: Traversable, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            found[prefix + entry.name.removesuffix(_SUFFIX)] = entry.read_text("utf-8")
    return found


def core_range(version: str) -> str:
    """The versions of core that a plugin written today asks for: ">=1!0.1,<1!1" for "1!0.1.4".

    A pre-release is its own floor, for the release it leads to isn't there yet.
    """
    from packaging.version import Version  # not above: 25 ms

    core = Version(version)
    floor = core.public if core.is_prerelease else f"{core.epoch}!{core.major}.{core.minor}"
    return f">={floor},<{core.epoch}!{core.major + 1}"


def write_project(folder: Path, files: dict[str, str]) -> None:
    """Write all files or none: they are put together beside `folder`, which gets its name last.

    Raises:
        InvalidArgument: something is at `folder`, or there is no folder to write it into.
        OSError: it can't be written.
    """
    if os.path.lexists(folder):
        raise InvalidArgument(f"{folder} exists already; nothing was written")
    if not folder.parent.is_dir():
        raise InvalidArgument(f"--directory {folder.parent} is no folder; make it first")
    with tempfile.TemporaryDirectory(prefix=".inference-", dir=folder.parent) as scratch:
        draft = Path(scratch, folder.name)
        for name, text in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
        draft.rename(folder)


def next_commands(folder: Path) -> tuple[str, str, str]:
    """Commands to paste that install the project beside this core, test it, and list it."""
    # Never a bare name, which pip would take to the index.
    place = str(folder) if folder.is_absolute() else f"{os.curdir}{os.sep}{folder}"
    install = install_command("--editable", f"{place}[test]")
    python = pip_command().removesuffix("pip")  # "" where this environment's scripts are found
    infer = f"{python}inference_core" if python else "infer"
    return install, f"{python}pytest {quoted(place)}", f"{infer} backends"
