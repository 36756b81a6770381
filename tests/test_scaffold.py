"""What `infer new-plugin` writes works as it is: installed for real, its untouched tests pass, its own
lint and type checks are clean, and its README's sample runs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# Lines of the generated code must fit whatever the name is.
NAMES = {"tensor": "scaffolded", "task": "a-name-of-forty-letters-is-the-longest-1"}


class Project:
    """A generated project, installed into an environment of its own."""

    def __init__(self, kind: str, folder: Path, python: Path) -> None:
        self.kind, self.folder, self.python = kind, folder, python
        self.name = folder.name.removeprefix("inference-")

    def run(self, *arguments, cwd=None, python=None):
        done = subprocess.run(
            [str(python or self.python), *map(str, arguments)],
            cwd=cwd or self.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module", params=["tensor", "task"])
def project(request, tmp_path_factory, environment_without):
    kind, parent = request.param, tmp_path_factory.mktemp("scaffold")
    made = Project(kind, parent / f"inference-{NAMES[kind]}", environment_without())
    written = made.run(
        "-m", "inference_core", "new-plugin", made.name, "--kind", kind, "--json", cwd=parent
    )
    assert json.loads(written)["folder"] == made.folder.name
    # Everything it needs is there, and no index is asked.
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    made.run("-m", "pip", "install", *offline, "--editable", ".")
    return made


def test_the_untouched_tests_of_a_new_project_pass(project):
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    summary = project.run("-m", "pytest", "-p", "no:cacheprovider").splitlines()[-1]
    passed = int(re.search(r"(\d+) passed", summary)[1])
    assert passed > 40, summary
    assert not re.search(r"failed|error|warning", summary)
    assert before == {
        path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()
    }


def test_a_new_backend_is_listed_as_ready(project, tmp_path):
    report = json.loads(project.run("-m", "inference_core", "backends", "--json", cwd=tmp_path))
    (plugin,) = (each for each in report["plugins"] if each["record"]["name"] == project.name)
    assert plugin["state"] == "ready"
    assert plugin["record"]["distribution"] == project.folder.name


def test_the_name_of_an_installed_project_is_taken(project, tmp_path):
    command = [str(project.python), "-m", "inference_core", "new-plugin", project.name]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert f"{project.folder.name} 0.1.0 is installed" in done.stderr


def test_the_readme_of_a_new_project_is_true(project, tmp_path):
    readme = (project.folder / "README.md").read_text("utf-8")
    (sample,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    promised = re.search(r"print\(.*# (.*)$", sample, re.MULTILINE)[1]
    assert project.run("-c", sample, cwd=tmp_path).strip() == promised
    model = next(tmp_path.iterdir()).name
    assert f"`infer why {model}`" in readme
    why = project.run("-m", "inference_core", "why", model, cwd=tmp_path)
    assert project.name in why
    assert "chosen" in why
    options = (project.folder / f"src/{_package(project)}/options.py").read_text("utf-8")
    fields = re.findall(r"^    (\w+): \w+ = ", options, re.MULTILINE)
    assert re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE) == fields
    for link in re.findall(r"\]\(([^)]+)\)", readme):
        assert (project.folder / link).exists(), link


def test_a_new_project_is_strictly_typed(project):
    # With the interpreter of these tests: the environment's links hide whose stubs are whose.
    project.run("-m", "mypy", "--cache-dir", os.devnull, python=sys.executable)


def test_a_new_project_is_linted_and_formatted(project):
    project.run("-m", "ruff", "check", "--no-cache", python=sys.executable)
    project.run("-m", "ruff", "format", "--no-cache", "--check", python=sys.executable)


def test_the_wheel_of_a_new_project_holds_the_package_and_nothing_else(project, tmp_path):
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    project.run("-m", "pip", "wheel", *offline, "--wheel-dir", tmp_path, ".")
    (wheel,) = tmp_path.glob("*.whl")
    listed = project.run("-m", "zipfile", "--list", wheel)
    names = [line.split()[0] for line in listed.splitlines()[1:]]
    tops = {name.partition("/")[0] for name in names}
    assert tops == {_package(project), f"{_package(project)}-0.1.0.dist-info"}
    assert f"{_package(project)}/py.typed" in names


def _package(project: Project) -> str:
    return project.folder.name.replace("-", "_")
