"""Floors: which older core a plugin is tested against, and the wheel of it, built from a commit.

Each test works on a small repository of its own, with a core that really builds.
"""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git isn't installed")


@pytest.fixture
def floors(monkeypatch):
    """The script itself, as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("floors")


class Repository:
    """A repository whose core was once 1!0.1.0 and is 1!0.2.0 now, with a plugin."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run("init", "--quiet")
        self.core("1!0.1.0")
        self.plugin(">=1!0.1,<1!1")
        self.floors({})
        self.run("add", ".")
        self.run("commit", "--quiet", "--message", "first")
        self.first = self.run("rev-parse", "HEAD")
        self.core("1!0.2.0")

    def run(self, *arguments: str) -> str:
        who = ("-c", "user.name=nobody", "-c", "user.email=nobody@none.example")
        command = ["git", "-C", str(self.root), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def core(self, version: str) -> None:
        build = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        project = f'[project]\nname = "inference-core"\nversion = "{version}"\n'
        project += 'requires-python = ">=3.11"\n'
        package = '[tool.hatch.build.targets.wheel]\npackages = ["src/inference_core"]\n'
        self.write("core/pyproject.toml", build + project + package)
        self.write("core/src/inference_core/__init__.py", f'which = "{version}"\n')

    def plugin(self, pin: str, folder: str = "plugins/inference-some") -> None:
        name = folder.partition("/")[2]
        project = f'[project]\nname = "{name}"\ndependencies = ["inference-core{pin}"]\n'
        self.write(f"{folder}/pyproject.toml", project)

    def floors(self, commits: dict[str, str]) -> None:
        lines = [f'"{version}" = "{commit}"\n' for version, commit in commits.items()]
        self.write("tools/floors.toml", "".join(lines))


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def test_the_floors_of_this_repository_are_in_order(floors):
    floors.plan(ROOT)


def test_a_floor_that_is_the_current_core_needs_nothing(floors, repository):
    repository.core("1!0.1.0")
    assert floors.plan(repository.root) == {}


def test_plugins_and_examples_whose_floor_is_older_are_planned(floors, repository):
    repository.floors({"1!0.1.0": repository.first})
    repository.plugin(">=1!0.2,<1!1", "plugins/inference-other")
    repository.plugin(">=1!0.1.0,<1!1", "examples/inference-example")
    old = Version("1!0.1")
    assert floors.plan(repository.root) == {"inference-some": old, "inference-example": old}


def test_a_plugin_whose_tests_need_one_of_ours_with_a_newer_floor_has_to_raise_its_own(
    floors, repository
):
    """pip could only say that the two exclude each other, as if the plugin had failed."""
    repository.floors({"1!0.1.0": repository.first})
    repository.plugin(">=1!0.2,<1!1", "plugins/inference-other")
    repository.write("plugins/inference-some/tests/requirements.txt", "# x\n\npytest\n")
    assert list(floors.plan(repository.root)) == ["inference-some"]
    needed = (
        "# inference-none\npytest  # runs them\nInference_Other[cpu]>=1!0.1,<1!1  # makes files\n"
    )
    repository.write("plugins/inference-some/tests/requirements.txt", needed)
    with pytest.raises(floors.FloorsError) as raised:
        floors.plan(repository.root)
    assert str(raised.value).startswith(
        "inference-some claims core 1!0.1, but inference-other, which it or its tests need, asks "
        "for 1!0.2 or later"
    )
    assert "raise the pin of inference-some to 1!0.2" in str(raised.value)
    repository.plugin(">=1!0.2,<1!1")
    repository.floors({})
    assert floors.plan(repository.root) == {}


def test_a_plugin_that_needs_one_of_ours_with_the_same_floor_is_planned(floors, repository):
    repository.floors({"1!0.1.0": repository.first})
    repository.plugin(">=1!0.1,<1!1", "plugins/inference-other")
    repository.write("plugins/inference-some/tests/requirements.txt", "inference-other\n")
    assert list(floors.plan(repository.root)) == ["inference-other", "inference-some"]


@pytest.mark.parametrize("has_kit", [True, False])
def test_tests_made_of_the_kit_are_left_out_where_the_core_has_none(
    floors, tmp_path, capsys, has_kit
):
    wheel, tests = tmp_path / "core.whl", tmp_path / "tests"
    with zipfile.ZipFile(wheel, "w") as content:
        content.writestr("inference_core/__init__.py", "")
        if has_kit:
            content.writestr("inference_core/testing/__init__.py", "")
    (tests / "deeper").mkdir(parents=True)
    (tests / "test_conformance.py").write_text("from inference_core.testing import Sample\n")
    (tests / "deeper" / "test_more.py").write_text("import inference_core.testing\n")
    (tests / "test_own.py").write_text("from inference_core import AutoModel\n")
    assert floors.main(["without", str(wheel), str(tests)]) == 0
    kit = [str(tests / "deeper" / "test_more.py"), str(tests / "test_conformance.py")]
    assert json.loads(capsys.readouterr().out) == ([] if has_kit else kit)


def test_an_older_core_is_built_from_its_commit_and_not_from_what_lies_here(
    floors, repository, tmp_path
):
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, isn't installed")
    repository.floors({"1!0.1.0": repository.first})
    out = tmp_path / "cores"
    wheel = floors.build(repository.root, Version("1!0.1"), out)
    assert wheel.name == "inference_core-1!0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as content:
        assert content.read("inference_core/__init__.py") == b'which = "1!0.1.0"\n'
    assert floors.build(repository.root, Version("1!0.1"), out) == wheel
    assert not (repository.root / "core" / "build").exists()


@pytest.mark.parametrize(
    ("pin", "commits", "message"),
    [
        (">=1!0.1,<1!1", {}, "no line for core 1!0.1, the oldest that inference-some admits"),
        (">=1!0.1,<1!1", {"1!0.1.1": "a" * 40}, "no line for core 1!0.1, the oldest"),
        (">=1!0.2,<1!1", {"1!0.1.0": "a" * 40}, 'no plugin has core "1!0.1.0" as its oldest'),
        (">=1!0.1,<1!1", {"1!0.1.0": "main"}, "core 1!0.1.0 needs all 40 hexadecimal digits"),
        (">=1!0.1,<1!1", {"old": "a" * 40}, "floors.toml can't be read: Invalid version: 'old'"),
        (">=1!0.1,<1!1", {'"': "a"}, "floors.toml can't be read"),
        (">=1!0.3,<1!1", {}, "inference-some asks for core 1!0.3; this one is 1!0.2.0"),
        (">=0.1", {}, "inference-some: inference-core is asked for as >=1!X,<1!Y, not as >=0.1"),
        ('>=1!0.1,<1!1; python_version < \'3\'', {}, "inference-some: a plugin asks once for"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_pins_or_file_is_told(
    floors, repository, capsys, monkeypatch, pin, commits, message
):
    repository.plugin(pin)
    repository.floors(commits)
    monkeypatch.setattr(floors, "ROOT", repository.root)
    assert floors.main(["plan"]) == 1
    assert message in capsys.readouterr().err


def test_everything_wrong_is_told_at_once(floors, repository):
    repository.plugin(">=0.1", "plugins/inference-other")
    repository.floors({"1!0.0.1": repository.first})
    with pytest.raises(floors.FloorsError) as raised:
        floors.plan(repository.root)
    assert len(str(raised.value).splitlines()) == 3


def test_a_commit_that_a_shallow_clone_lacks_is_told_with_what_to_do(floors, repository, tmp_path):
    repository.floors({"1!0.1.0": repository.first})
    repository.run("add", ".")
    repository.run("commit", "--quiet", "--message", "second")
    shallow = tmp_path / "shallow"
    repository.run("clone", "--quiet", "--depth", "1", f"file://{repository.root}", str(shallow))
    assert floors.plan(shallow)
    with pytest.raises(floors.FloorsError, match="git fetch --unshallow") as raised:
        floors.build(shallow, Version("1!0.1"), tmp_path / "cores")
    assert repository.first in str(raised.value)


def test_a_commit_that_holds_another_version_is_refused(floors, repository, tmp_path):
    repository.floors({"1!0.1.5": repository.first})
    with pytest.raises(floors.FloorsError, match=r"is 1!0\.1\.0, not 1!0\.1\.5"):
        floors.build(repository.root, Version("1!0.1.5"), tmp_path / "cores")


def test_a_core_that_does_not_build_is_told(floors, repository, tmp_path):
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, isn't installed")
    repository.write("core/pyproject.toml", '[project]\nversion = "1!0.1.5"\n')
    repository.run("add", ".")
    repository.run("commit", "--quiet", "--message", "damage")
    repository.floors({"1!0.1.5": repository.run("rev-parse", "HEAD")})
    with pytest.raises(floors.FloorsError, match=r"core 1!0\.1\.5 can't be built from commit"):
        floors.build(repository.root, Version("1!0.1.5"), tmp_path / "cores")


def test_wrong_usage_prints_the_usage(floors, capsys):
    assert floors.main(["pln"]) == 2
    assert "build VERSION FOLDER" in capsys.readouterr().err
