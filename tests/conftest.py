"""What the tests across distributions share: plugins on the path, the command line, environments."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from inference_core import discovery

# One thread per library: several runtimes with a pool each fight on few cores.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch, tmp_path_factory):
    """No INFERENCE_* variable and no configuration file of the user takes part."""
    for name in [each for each in os.environ if each.startswith("INFERENCE_")]:
        if name != "INFERENCE_WHEELS":
            monkeypatch.delenv(name)
    config = tmp_path_factory.mktemp("config") / "config.toml"
    config.touch()
    monkeypatch.setenv("INFERENCE_CONFIG", str(config))


class Site:
    """A folder on the path into which distributions are written as an installer would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name, entry_points, modules=None, version="1.0") -> Path:
        """`entry_points` by kind ("backends") and name; `modules` by name, as source text."""
        for module, source in (modules or {}).items():
            (self.folder / f"{module}.py").write_text(textwrap.dedent(source), "utf-8")
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8"
        )
        lines = []
        for kind, points in entry_points.items():
            lines += [f"[inference_core.{kind}]", *(f"{k} = {v}" for k, v in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")
        (info / "RECORD").touch()
        discovery.refresh()
        importlib.invalidate_caches()
        return info


@pytest.fixture
def site(tmp_path_factory, monkeypatch):
    """A `Site` that this process and its children see beside what is installed."""
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(str(folder))
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    discovery.refresh()
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    sys.path.remove(str(folder))
    discovery.refresh()


class Ended:
    """A finished command."""

    def __init__(self, run: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = run.returncode, run.stdout, run.stderr

    def json(self):
        return json.loads(self.out)


@pytest.fixture
def infer(tmp_path):
    """Run the command line in a process of its own, in an empty folder."""

    def run(*arguments, python=sys.executable, **variables) -> Ended:
        return Ended(
            subprocess.run(
                [python, "-m", "inference_core", *map(str, arguments)],
                capture_output=True,
                text=True,
                encoding="utf-8",
                cwd=tmp_path,
                env={**os.environ, **variables},
                timeout=120,
                check=False,
            )
        )

    return run


@pytest.fixture(scope="session")
def pictures():
    """The sample pictures beside the bundled model."""
    vision = pytest.importorskip("inference_vision")
    return vision.sample_paths()


@pytest.fixture(scope="session")
def shapes():
    """The folder of the bundled model."""
    bundled = pytest.importorskip("inference_vision.bundled")
    return bundled.shapes("shapes")


@pytest.fixture(scope="session")
def environment_without(tmp_path_factory):
    """Make a virtual environment that sees what is installed here, but for names that start so.

    It is made of links: nothing is downloaded or copied. Gives its python.
    """
    if sys.platform == "win32":
        pytest.skip("links need a privilege on Windows")

    def make(*without: str) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        venv.EnvBuilder(symlinks=True).create(folder)
        (packages,) = folder.glob("lib/*/site-packages")
        sources = [*_installed_entries(), *_our_entries()]
        for entry in sources:
            link = packages / entry.name
            if not entry.name.lower().startswith(without) and not link.exists():
                link.symlink_to(entry)
        return folder / "bin" / "python"

    return make


def _installed_entries() -> Iterator[Path]:
    for place in {path for path in sys.path if Path(path).name == "site-packages"}:
        for entry in Path(place).iterdir():
            # .pth files and finders of editable installations would lead back here.
            if entry.suffix != ".pth" and not entry.name.startswith("__editable__"):
                yield entry


def _our_entries() -> Iterator[Path]:
    """Our packages and their metadata, wherever an editable installation keeps them."""
    for distribution in metadata.distributions():
        info = Path(str(getattr(distribution, "_path", "")))
        if info.name.startswith("inference_"):
            yield info
            spec = importlib.util.find_spec(info.name.partition("-")[0])
            if spec and spec.origin:
                yield Path(spec.origin).parent
