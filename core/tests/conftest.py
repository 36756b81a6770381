"""Fake distributions that are real ones: a package and its metadata in a folder on the path.

Core's tests see only these, whatever else is installed beside core.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
from inference_core import cli, discovery, distributions, install, machine
from inference_core.environment import Cpu, Environment

PLUGINS = Path(__file__).parent / "plugins"

HEALTHY = """
    from inference_core import hookimpl
    from inference_core.verdict import BackendReport, Verdict

    PLUGIN_API = 1

    @hookimpl
    def probe_environment():
        return BackendReport(devices=("cpu",))

    @hookimpl
    def can_load():
        return Verdict.accept("cpu")

    @hookimpl
    def load():
        raise RuntimeError("load isn't written")

    @hookimpl
    def predict():
        return {}
"""


class Distributions:
    """Writes minimal installed distributions into one folder that is on `sys.path`."""

    healthy = textwrap.dedent(HEALTHY)

    def __init__(self, site: Path) -> None:
        self.site = site

    def add(
        self,
        name: str,
        entry_points: dict[str, dict[str, str]],
        modules: dict[str, str] | None = None,
        version: str = "1.0",
    ) -> Path:
        """`entry_points` by kind ("backends") and name; `modules` by name, as source text."""
        for module, source in (modules or {}).items():
            (self.site / f"{module}.py").write_text(textwrap.dedent(source), "utf-8")
        info = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8"
        )
        lines = []
        for kind, points in entry_points.items():
            lines += [f"[inference_core.{kind}]", *(f"{k} = {v}" for k, v in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")
        (info / "RECORD").write_text("", "utf-8")
        discovery.refresh()
        importlib.invalidate_caches()
        return info

    def backend(self, name: str, source: str = HEALTHY, **hooks: str) -> None:
        """A distribution `inference-NAME` with one backend; `hooks` replace those of the source."""
        source = textwrap.dedent(source)
        for body in hooks.values():
            source += textwrap.dedent(body)
        module = f"{name.replace('-', '_')}_backend"
        self.add(f"inference-{name}", {"backends": {name: module}}, {module: source})

    def copy(self, *modules: str) -> None:
        """Put modules of the folder `plugins` on the path."""
        for module in modules:
            source = (PLUGINS / f"{module}.py").read_text("utf-8")
            (self.site / f"{module}.py").write_text(source, "utf-8")


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch, tmp_path_factory):
    """No INFERENCE_* variable and no configuration file of the user takes part."""
    for name in [name for name in os.environ if name.startswith("INFERENCE_")]:
        monkeypatch.delenv(name)
    config = tmp_path_factory.mktemp("config") / "config.toml"
    config.write_text("")
    monkeypatch.setenv("INFERENCE_CONFIG", str(config))
    install._origin.cache_clear()
    yield
    install._origin.cache_clear()


@pytest.fixture
def site(tmp_path_factory):
    return tmp_path_factory.mktemp("site")


@pytest.fixture
def fake(site, monkeypatch):
    """A `Distributions`; only what it holds is installed, in this process and its children."""
    real = importlib.metadata.distributions
    monkeypatch.setattr(
        importlib.metadata, "distributions", lambda **by: real(**{"path": [str(site)], **by})
    )
    monkeypatch.setattr(distributions, "search_path", lambda: [str(site)])
    # Tests rewrite modules within the second that a .pyc takes for "unchanged".
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(site))
    older = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *([older] if older else [])]))
    discovery.refresh()
    yield Distributions(site)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).parent == site:
            del sys.modules[name]
    # The patches end after this; what was found under them must not outlive them.
    discovery.refresh()


@pytest.fixture
def linear(fake, tmp_path):
    """The linear backend with its reader and processors; writes model files and packages."""
    fake.copy("linear_backend", "linear_session", "linear_files", "linear_processors")
    fake.add(
        "inference-linear",
        {
            "backends": {"linear": "linear_backend"},
            "readers": {"linear": "linear_files:read"},
            "processors": {
                "rows": "linear_processors:RowProcessor",
                "two-step": "linear_processors:TwoStepProcessor",
            },
        },
        version="2.5",
    )
    return LinearModels(tmp_path)


class LinearModels:
    """Makes models of `linear_backend`: weight [[1, 2], [3, 4]], bias [10, 20]."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str = "model.linear", **changes: object) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        described = {"weight": [[1, 2], [3, 4]], "bias": [10, 20], **changes}
        path.write_text(json.dumps(described))
        return path

    def package(self, name: str = "package", graph=None, artifact=None, **changes: object) -> Path:
        """A folder with a manifest, the processor "rows" and one artifact."""
        self.file(f"{name}/model.linear", **(graph or {}))
        manifest = {
            "schema_version": 1,
            "name": name,
            "task": "rows",
            "processor": {"name": "rows"},
            "artifacts": [
                {"format": "linear", "parts": {"model": "model.linear"}, **(artifact or {})}
            ],
            **changes,
        }
        path = self.folder / name / "model.json"
        path.write_text(json.dumps(manifest))
        return path.parent

    @property
    def sessions(self):
        """All sessions that the backend opened."""
        import linear_session

        return linear_session.sessions


@pytest.fixture
def telling(fake, tmp_path):
    """A task backend; gives a function that makes a package for it."""
    fake.copy("telling_backend")
    fake.add("inference-telling", {"backends": {"telling": "telling_backend"}})

    def package(part: str = "story.txt") -> Path:
        folder = tmp_path / f"package-{part}"
        folder.mkdir()
        (folder / part).write_text("once")
        artifact = {"format": "telling", "parts": {"model": part}}
        manifest = {"schema_version": 1, "name": "story", "artifacts": [artifact]}
        (folder / "model.json").write_text(json.dumps(manifest))
        return folder

    return package


@pytest.fixture
def plain_machine(monkeypatch):
    """This process believes to be on a machine without GPU; returns that machine."""
    environment = Environment(
        "linux", "6.1", "x86_64", "3.11.9", Cpu("Test CPU", 2, 4, ("avx2", "fma")), 8 << 30
    )
    monkeypatch.setattr(machine, "current", lambda: environment)
    return environment


@pytest.fixture
def infer(capsys, plain_machine, tmp_path, monkeypatch):
    """Run a command line in an empty folder; (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    return run
