"""The distributions as packages: names, pins, extras, files, and where the installed ones are from.

What a built wheel holds is checked by `tools/check_wheels.py`, when it is built.
"""

from __future__ import annotations

import ast
import json
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import inference_core
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
PUBLISHED = [ROOT / "core", *PLUGINS]
OUR_RANGE = SpecifierSet(">=1!0.1,<1!1")
PRIVATE = "Private :: Do Not Upload"


def for_each(*folders: Path) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("folder", folders, ids=lambda folder: folder.name)


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def check_range(specifier: SpecifierSet) -> None:
    """It has two ends, both with the epoch, and admits core and plugins as they are here."""
    assert sorted(each.operator for each in specifier) == ["<", ">="]
    assert all(Version(each.version).epoch == 1 for each in specifier)
    for folder in PUBLISHED:
        assert project(folder)["version"] in specifier


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {each.name: each for each in map(Requirement, lines)}


@for_each(*PUBLISHED)
def test_a_distribution_carries_the_epoch_that_sets_it_apart(folder):
    version = Version(project(folder)["version"])
    assert version.epoch == 1
    assert version in OUR_RANGE
    assert PRIVATE not in project(folder)["classifiers"]


@for_each(*EXAMPLES)
def test_an_example_carries_no_epoch_and_cannot_be_uploaded(folder):
    assert Version(project(folder)["version"]).epoch == 0
    assert PRIVATE in project(folder)["classifiers"]


@for_each(*PUBLISHED, *EXAMPLES)
def test_a_distribution_has_its_own_documents_type_marker_and_tests(folder):
    package = folder / "src" / project(folder)["name"].replace("-", "_")
    for needed in (
        folder / "README.md",
        folder / "CHANGELOG.md",
        folder / "LICENSE",
        folder / "tests" / "requirements.txt",
        package / "__init__.py",
        package / "py.typed",
    ):
        assert needed.is_file(), needed
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    name = project(folder)["name"]
    assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n\n")
    assert project(folder)["version"] in (folder / "CHANGELOG.md").read_text(encoding="utf-8")


@for_each(*PLUGINS, *EXAMPLES)
def test_a_plugin_asks_for_a_core_that_no_stranger_can_be(folder):
    core = requirements(project(folder)["dependencies"])["inference-core"]
    check_range(core.specifier)
    assert "1.8.3" not in core.specifier


@for_each(*PLUGINS)
def test_every_plugin_and_every_extra_of_it_is_an_extra_of_core(folder):
    of_core = project(ROOT / "core")["optional-dependencies"]
    name = project(folder)["name"]
    short = name.removeprefix("inference-")
    own = project(folder).get("optional-dependencies", {})
    expected = {f"{short}-{extra}": {extra} for extra in own}
    # A plugin whose extras are alternatives, one of which it needs, isn't named alone; where its name
    # is that of a family of models, it brings what runs anywhere, as "clip" and "sam" do.
    if short in of_core or not own:
        expected[short] = {"cpu"} if "cpu" in own else set()
    found = {}
    for extra in expected:
        (line,) = of_core[extra]
        requirement = Requirement(line)
        assert requirement.name == name
        check_range(requirement.specifier)
        found[extra] = requirement.extras
    assert found == expected
    mirrored = {extra for extra in of_core if extra == short or extra.startswith(f"{short}-")}
    assert mirrored == set(expected)


def test_every_extra_of_core_names_plugins_and_extras_that_exist():
    plugins = {project(folder)["name"]: project(folder) for folder in PLUGINS}
    for lines in project(ROOT / "core")["optional-dependencies"].values():
        for requirement in requirements(lines).values():
            assert requirement.extras <= set(
                plugins[requirement.name].get("optional-dependencies", {})
            )
            check_range(requirement.specifier)


def installed() -> list[metadata.Distribution]:
    ours = {project(folder)["name"] for folder in (*PUBLISHED, *EXAMPLES)}
    return [
        each
        for each in metadata.distributions()
        if canonicalize_name(each.metadata["Name"]) in ours
    ]


def test_none_of_our_distributions_came_from_an_index():
    names = {canonicalize_name(each.metadata["Name"]) for each in installed()}
    assert {"inference-core", "inference-onnx", "inference-vision"} <= names
    for each in installed():
        # pip writes this record (PEP 610) for what it was given by path, and not for what it found.
        record = each.read_text("direct_url.json")
        assert record is not None, f"{each.metadata['Name']} {each.version} is from an index"
        assert json.loads(record)["url"].startswith("file:")


def test_every_installed_distribution_of_ours_is_there_once():
    names = [canonicalize_name(each.metadata["Name"]) for each in installed()]
    assert sorted(names) == sorted(set(names))


def test_the_public_names_are_the_lazy_ones():
    assert set(inference_core.__all__) == {*inference_core._HOME_OF, "__version__"}
    for name in inference_core.__all__:
        assert getattr(inference_core, name) is not None
    assert set(inference_core.__all__) <= set(dir(inference_core))


@pytest.mark.parametrize("script", ["run.py", "compare_builds.py", "try_wheel.py"])
def test_a_script_that_runs_where_nothing_is_installed_needs_the_standard_library_only(script):
    tree = ast.parse((ROOT / "tools" / script).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported
    assert imported <= sys.stdlib_module_names
