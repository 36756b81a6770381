"""A runtime that this project has never seen: the ONNX project's own evaluator, which is pure numpy.

Its backend is made as an author makes one: `infer new-plugin` writes a project, the files in
foreign_runtime/ replace those that are the author's, and the project is installed. Core and the vision
processor know nothing of it, and detect with it what they detect with onnxruntime.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("inference_vision")

pytestmark = pytest.mark.slow

NAME = "onnx-reference"
EDITED = Path(__file__).parent / "foreign_runtime"

DETECT = """
import json, sys
from inference_core import AutoModel

backend, picture = sys.argv[1:]
with AutoModel.from_pretrained("shapes", backend=backend) as model:
    print(json.dumps([model.backend, model.task, model(picture).to_dict()]))
"""


class Installed:
    """The edited project and the environment that it is installed in."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python

    def run(self, *arguments, cwd=None, **variables):
        done = subprocess.run(
            [str(self.python), *map(str, arguments)],
            cwd=cwd or self.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def why(self, **variables):
        """How the bundled model is resolved: the chosen backend, and all by name and file."""
        said = json.loads(self.run("-m", "inference_core", "why", "shapes", "--json", **variables))
        judged = [each for each in said["candidates"] if each["artifact"]]  # not switched off
        return said["chosen"], {
            (each["backend"], Path(each["artifact"]["parts"]["model"]).name): each
            for each in judged
        }


@pytest.fixture(scope="module")
def plugin(tmp_path_factory, environment_without):
    """The backend for that evaluator, from the command to the installed distribution."""
    parent = tmp_path_factory.mktemp("foreign")
    made = Installed(parent / f"inference-{NAME}", environment_without())
    made.run("-m", "inference_core", "new-plugin", NAME, cwd=parent)
    for file in ("options.py", "plugin.py", "session.py"):
        target = made.folder / "src" / "inference_onnx_reference" / file
        assert target.is_file(), f"the scaffold no longer writes {file}"
        shutil.copy(EDITED / file, target)
    shutil.copy(EDITED / "conformance.py", made.folder / "tests" / "test_conformance.py")
    (made.folder / "tests" / "test_backend.py").unlink()  # it is about .npz files
    settings = made.folder / "pyproject.toml"
    text = settings.read_text("utf-8")
    assert '    "numpy>=1.26",\n' in text
    settings.write_text(
        text.replace('    "numpy>=1.26",\n', '    "onnx",\n    "numpy",\n'), "utf-8"
    )
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    made.run("-m", "pip", "install", *offline, "--editable", ".")
    return made


def test_it_passes_the_conformance_kit(plugin):
    summary = plugin.run("-m", "pytest", "-p", "no:cacheprovider", "-rs")
    passed = int(re.search(r"(\d+) passed", summary)[1])
    assert passed > 40, summary
    assert not re.search(r"failed|error|warning", summary.splitlines()[-1])
    skipped = re.findall(r"^SKIPPED .*?: (.*)$", summary, re.MULTILINE)
    assert all(re.search("task|stream", why) for why in skipped), skipped


def test_it_is_explained_beside_the_others(plugin):
    _, candidates = plugin.why()
    mine = candidates[NAME, "shapes.onnx"]
    assert (mine["status"], mine["device"], mine["reasons"]) == ("accept", "cpu", [])
    assert mine["distribution"] == f"inference-{NAME} 0.1.0"
    (reason,) = candidates[NAME, "shapes.pt2"]["reasons"]
    assert reason["code"] == "format"
    assert reason["message"] == "this backend runs onnx files, not torch-export"


def test_it_is_chosen_where_it_is_preferred_or_alone(plugin):
    assert plugin.why()[0] != NAME
    assert plugin.why(INFERENCE_PREFERENCE=NAME)[0] == NAME
    assert plugin.why(INFERENCE_DISABLE="onnx,torch")[0] == NAME


def test_forced_it_detects_what_onnxruntime_detects(plugin, pictures):
    def detected(backend):
        used, task, detections = json.loads(plugin.run("-c", DETECT, backend, pictures[0]))
        assert (used, task) == (backend, "object-detection")
        return detections["detections"]

    ours, theirs = detected(NAME), detected("onnx")
    assert {each["label"] for each in ours} == {"circle", "square", "triangle"}
    assert [each["label"] for each in ours] == [each["label"] for each in theirs]
    for what, off in (("xyxy", 0.5), ("confidence", 1e-3)):
        found, wanted = (np.array([each[what] for each in side]) for side in (ours, theirs))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=off)
