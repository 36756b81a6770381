"""The documentation is true: its samples run, its tables are complete, its links lead somewhere.

Each document runs in a folder of its own that holds what samples name: `photo.jpg`, `photos/`,
`model.onnx` (y = x, float32) and, for the torch plugin, `model.pt2`. Python blocks run in order and
share their names; in console blocks every `infer` line runs and must end with 0. Other languages are
shown only. A comment before a block says what else happens to it:

    <!-- file: PATH -->         it is written to PATH and not run
    <!-- with the plugin -->    it runs in `test_the_backend_in_the_readme_works`, and not here
    <!-- not run: REASON -->    for REASON
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import inference_vision
import onnx
import pytest
from inference_core import manifest
from inference_core.verdict import CODES
from onnx import TensorProto, helper

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "core" / "README.md",
    *sorted(ROOT.glob("plugins/*/README.md")),
]
INFER = Path(sysconfig.get_path("scripts")) / "infer"
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the line where that starts, the mark before it."""

    language: str
    text: str
    line: int
    mark: str

    @property
    def file(self) -> str | None:
        """Where it is to be written, if it is a file."""
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(
            match["language"],
            match["text"],
            text.count("\n", 0, match.start("text")) + 1,
            match["mark"] or "",
        )
        for match in FENCE.finditer(text)
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the samples find in their folder."""
    pictures = inference_vision.sample_paths()
    shutil.copy(next(path for path in pictures if path.suffix == ".jpg"), tmp_path / "photo.jpg")
    (tmp_path / "photos").mkdir()
    for path in pictures:
        shutil.copy(path, tmp_path / "photos")
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("x", "y")
    )
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    # Samples may set variables; what they set must not outlive them.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_infer(line: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(INFER), *shlex.split(line.removeprefix("$").strip())[1:]]
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def write(block: Block, folder: Path) -> None:
    target = folder / str(block.file)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(block.text, encoding="utf-8")


@each_document
def test_the_samples_of_a_document_run(document, folder):
    if document.parent.name == "inference-torch":
        _save_torch_model(folder / "model.pt2")
    names: dict[str, object] = {"__name__": "sample"}
    for block in blocks(document):
        if block.file:
            write(block, folder)
        elif block.mark.startswith(("with the plugin", "not run: ")):
            continue
        elif block.language == "python":
            # Empty lines before it, so that a traceback points into the document.
            code = compile("\n" * (block.line - 1) + block.text, str(document), "exec")
            exec(code, names)
        elif block.language == "console":
            for line in block.text.splitlines():
                if line.startswith(("$ infer ", "infer ")):
                    # Each line is a process of its own, and torch takes seconds to load.
                    done = run_infer(line, folder, INFERENCE_PREFERENCE="onnx")
                    assert done.returncode == 0, f"{document}: {line}\n{done.stdout}{done.stderr}"


def _save_torch_model(path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Halve(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, images):
            return images / 2

    example = (torch.zeros(1, 3, 640, 640),)
    torch.export.save(torch.export.export(Halve(), example), path)


@each_document
def test_a_document_has_samples_or_is_about_something_else(document):
    languages = {block.language for block in blocks(document)}
    assert languages & {"python", "console"}, f"{document} shows nothing that runs"
    unknown = languages - {"python", "console", "sh", "toml", "json", "text"}
    assert not unknown, f"{document} has blocks whose language this test doesn't know: {unknown}"


def test_few_samples_are_excused_from_running():
    excused = [
        (document.name, block.mark)
        for document in DOCUMENTS
        for block in blocks(document)
        if block.mark.startswith("not run: ")
    ]
    assert len(excused) <= 5, excused


def test_the_backend_in_the_readme_works(folder):
    shown = blocks(ROOT / "README.md")
    for block in shown:
        if block.file:
            write(block, folder)
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, *offline, str(folder / "linear")], check=True, timeout=300)

    listed = run_infer("infer backends --json", folder, PYTHONPATH=str(site))
    states = {
        each["record"]["name"]: each["state"] for each in json.loads(listed.stdout)["plugins"]
    }
    assert states["linear"] == "ready"

    (sample,) = (block.text for block in shown if block.mark == "with the plugin")
    ran = subprocess.run(
        [sys.executable, "-c", sample],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split(None, 1)[0] == "linear"
    assert "[[2., 2., 2.]]" in ran.stdout
    refused = run_infer("infer why doubling --device cuda --json", folder, PYTHONPATH=str(site))
    reasons = json.loads(refused.stdout)["candidates"][0]["reasons"]
    assert "device" in {reason["code"] for reason in reasons}


def test_the_published_schema_is_the_one_that_the_manifest_is_read_with():
    published = json.loads((ROOT / "docs" / "model.schema.json").read_text(encoding="utf-8"))
    assert published == manifest.json_schema(), (
        "write it anew: python -c 'import json; from inference_core.manifest import json_schema; "
        "print(json.dumps(json_schema(), indent=2))' > docs/model.schema.json"
    )


def first_column(document: str, heading: str) -> list[str]:
    """The code words in the first column of the first table below a heading."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def test_every_reason_code_is_explained():
    assert first_column("choosing-a-backend.md", "Reason codes") == list(CODES)


def test_every_variable_that_the_code_reads_is_in_the_table_and_no_other():
    sources = [*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    read = {
        name
        for path in sources
        for name in re.findall(r"\"(INFERENCE_[A-Z]+)\"", path.read_text(encoding="utf-8"))
    }
    assert set(first_column("configuration.md", "The variables")) == read


def test_the_manifest_page_explains_every_key():
    schema = manifest.json_schema()
    assert set(first_column("manifest.md", "The model")) == set(schema["properties"])
    artifact = schema["$defs"]["ArtifactEntry"]["properties"]
    assert set(first_column("manifest.md", "An artifact")) == set(artifact)


def test_the_command_line_page_names_every_option():
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for command in ("demo", "predict", "explain", "doctor", "backends"):
        done = run_infer(f"infer {command} --help", ROOT)
        for option in re.findall(r"--[a-z-]+", done.stdout):
            assert option in page or option == "--help", f"{command} {option} isn't in the page"


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_links_between_documents_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            assert target.exists(), f"{document}: {link}"
            headings = re.findall(r"^#+ (.*)", target.read_text("utf-8"), re.M) if anchor else []
            assert not anchor or anchor in {h.lower().replace(" ", "-") for h in headings}, link
