"""Checks of the distribution: its wheel, its metadata, and the constants that the plugin states."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from inference_core.hookspecs import PLUGIN_API
from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.plugin import Plugin
from inference_core.testing.wheel import Wheel, wheel_of


class PackagingChecks(Kit):
    """What users get when they install it."""

    @pytest.fixture
    def wheel(self, plugin: Plugin) -> Wheel:
        """The wheel's content."""
        return wheel_of(plugin.record.distribution, plugin.scratch / "wheel")

    def test_the_entry_point_loads_from_a_built_wheel(self, plugin: Plugin, wheel: Wheel) -> None:
        module = plugin.record.value.partition(":")[0]
        if wheel.installed:
            return  # what the other checks import is the wheel's content
        steps = plugin.run("unpacked", {}, first=wheel.folder)
        step = steps.done.get("entry point", {})
        file = step.get("file")
        if steps.ending or step.get("failures"):
            said = steps.ending or "; ".join(step["failures"])
            failed(
                f"the entry point {plugin.record.value} doesn't load from the wheel: {said}",
                "see that the wheel holds every module and data file of the package (the build "
                "backend's `packages` or `include` in pyproject.toml)",
            )
        if not file or not Path(file).is_relative_to(wheel.folder):
            failed(
                f"the wheel doesn't hold the module {module}, which its entry point names",
                "see that the wheel holds the package (`packages` of the build backend)",
            )

    def test_the_wheel_holds_all_of_the_package(self, plugin: Plugin, wheel: Wheel) -> None:
        top = plugin.record.value.partition(":")[0].partition(".")[0]
        spec = importlib.util.find_spec(top)
        folders = spec.submodule_search_locations if spec else None
        if wheel.installed or not folders:
            return
        files = [path for folder in folders for path in Path(folder).rglob("*") if path.is_file()]
        inside = {path.relative_to(Path(folders[0]).parent).as_posix() for path in files}
        lacking = sorted(f for f in inside - wheel.files if not f.endswith((".pyc", ".pyo", "~")))
        if lacking:
            failed(
                f"the wheel lacks {', '.join(lacking[:5])}, which is in the package's folder",
                "see that the wheel holds every module and data file (the build backend's `packages` "
                "or `include` in pyproject.toml), or move what doesn't belong to users elsewhere",
            )

    def test_the_runtime_is_required(self, plugin: Plugin, wheel: Wheel) -> None:
        runtime = plugin.probed.done["this machine"]["runtime"]
        named = {canonicalize_name(each.name) for each in wheel.requires}
        if runtime and canonicalize_name(runtime) not in named:
            failed(
                f"the backend runs on {runtime}, which its metadata doesn't require: nobody who "
                "installs the plugin gets it",
                "name it in the dependencies of pyproject.toml, or in an extra where users choose "
                "between builds",
            )

    def test_the_core_requirement_is_bounded(self, wheel: Wheel) -> None:
        ours = [each for each in wheel.requires if canonicalize_name(each.name) == "inference-core"]
        example = "inference-core>=1!0.1,<1!1"
        if not ours:
            failed(
                "the distribution doesn't require inference-core",
                f'write "{example}" into the dependencies of pyproject.toml',
            )
        for requirement in ours:
            lower = [s for s in requirement.specifier if s.operator in (">=", ">", "==", "~=")]
            upper = [s for s in requirement.specifier if s.operator in ("<", "<=", "==", "~=")]
            if not lower or not upper or not all("1!" in s.version for s in requirement.specifier):
                failed(
                    f"the requirement {str(requirement)!r} admits versions of inference-core that "
                    "were never tried, or the unrelated project of that name",
                    f'bound it on both sides, with the epoch 1!: "{example}"',
                )

    def test_no_requirement_points_to_a_file_or_address(self, wheel: Wheel) -> None:
        direct = [str(each) for each in wheel.requires if each.url]
        if direct:
            failed(
                f"the metadata requires {', '.join(direct)}, which others can't install",
                "require distributions by name and version range in pyproject.toml",
            )

    def test_the_package_is_marked_as_typed(self, plugin: Plugin, wheel: Wheel) -> None:
        package = plugin.record.value.partition(":")[0].partition(".")[0]
        if f"{package}.py" in wheel.files:
            failed(
                f"{package}.py is a module outside of a package, which can't carry types",
                f"make it a package: src/{package}/__init__.py with a file py.typed beside it",
            )
        if f"{package}/py.typed" not in wheel.files:
            failed(
                f"the wheel has no {package}/py.typed, so type checkers ignore its annotations",
                f"put an empty file py.typed into the package {package}",
            )

    def test_the_python_version_is_stated(self, wheel: Wheel) -> None:
        if not wheel.metadata["Requires-Python"]:
            failed(
                "the metadata doesn't say which Python the distribution needs",
                'write requires-python = ">=3.11" (or newer) into pyproject.toml',
            )

    def test_the_plugin_api_is_a_literal(self, plugin: Plugin) -> None:
        value = plugin.backend.plugin
        stated = getattr(value, "PLUGIN_API", None)
        path = getattr(value, "__file__", None)
        if path is None or type(stated) is not int:
            return  # an instance; core has compared the number
        source = Path(path).read_text("utf-8")
        if not re.search(
            rf"^PLUGIN_API(\s*:[^=]+)?\s*=\s*{stated}\s*(#.*)?$", source, re.MULTILINE
        ):
            failed(
                f"PLUGIN_API is {stated}, but {path} doesn't state it as a number",
                f"write PLUGIN_API = {PLUGIN_API}: a value taken from the running core would claim "
                "to fit every future one",
            )
