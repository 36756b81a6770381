"""The documentation is true: its samples run, its tables are complete, its links lead somewhere.

Each document runs in a folder of its own that holds the files of `document_files` that it names.
Python blocks run in order and share their names. In console blocks every line that begins with `$` runs
and must end with 0, or not with 0 if it ends with `# fails`; these commands are known:

    infer …                     the command line
    pip install [-e] PATH       builds the project at PATH and installs it for the rest of the document
    pytest …                    as a process of its own

Other languages are shown only. A comment before a block says what else happens to it:

    <!-- file: PATH -->         it is written to PATH and not run
    <!-- edit: PATH -->         it is a diff of the file at PATH, and is applied to it
    <!-- printed -->            the block that ran before printed each of its lines; … is any text
    <!-- not run: REASON -->    for REASON
"""

from __future__ import annotations

import contextlib
import io
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

import pytest
from inference_core import discovery, manifest
from inference_core.verdict import CODES

from . import document_files

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
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
def folder(tmp_path, monkeypatch, site):
    """Where a document's samples run."""
    # Samples may set variables; what they set must not outlive them.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Console:
    """Runs the lines of console blocks."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder, self.site = folder, site

    def run(self, line: str) -> str:
        """What the command prints; the test fails unless it ends as the line says."""
        program, *words = shlex.split(line, comments=True)
        commands = {"infer": [str(INFER)], "pytest": [sys.executable, "-m", "pytest"]}
        if program == "pip":
            return self._install(words)
        assert program in commands, f"this test doesn't know the command {program}"
        return self._ended([*commands[program], *words], fails=line.endswith("# fails"))

    def _install(self, words: list[str]) -> str:
        """As pip does, but offline and into the folder that this document's plugins are in."""
        *options, path = words
        assert options in (["install"], ["install", "-e"]), f"pip {words}"
        project = self.folder / path.partition("[")[0]
        offline = ["--no-index", "--no-deps", "--no-build-isolation", "--upgrade"]
        command = [sys.executable, "-m", "pip", "install", "--quiet", *offline]
        said = self._ended([*command, "--target", str(self.site), str(project)])
        if "-e" in options:
            self._make_editable(project)
        discovery.refresh()
        return said

    def _make_editable(self, project: Path) -> None:
        # pip can't combine -e with --target; this is what it leaves otherwise.
        origin = {"url": project.resolve().as_uri(), "dir_info": {"editable": True}}
        for info in self.site.glob(f"{project.name.replace('-', '_')}-*.dist-info"):
            (info / "direct_url.json").write_text(json.dumps(origin), "utf-8")
        for package in (project / "src").iterdir():
            shutil.rmtree(self.site / package.name)
            (self.site / package.name).symlink_to(package.resolve())

    def _ended(self, command: list[str], fails: bool = False) -> str:
        # Each line is a process of its own, and torch takes seconds to load.
        variables = {"INFERENCE_PREFERENCE": "onnx", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        # A pytest in a pytest clears up the older folders of both, unless it has a place of its own.
        variables["PYTEST_DEBUG_TEMPROOT"] = str(self.site)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**variables, **os.environ},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        assert (done.returncode != 0) == fails, said
        return said


def write(block: Block, folder: Path) -> None:
    target = folder / str(block.file)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(block.text, encoding="utf-8")


def forget_plugins(site: Path) -> None:
    """Have changed plugins imported anew, as the next program would."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(site)):
            del sys.modules[name]
    discovery.refresh()


def edit(block: Block, folder: Path) -> None:
    """Apply a diff without line numbers: what it removes and keeps occurs once in the file."""
    target = folder / block.mark.removeprefix("edit: ")
    text = target.read_text(encoding="utf-8")
    for hunk in re.split(r"^@@\n", block.text, flags=re.MULTILINE):
        lines = [line or " " for line in hunk.splitlines()]
        assert {line[0] for line in lines} <= {" ", "-", "+"}, hunk
        old, new = (
            "".join(f"{line[1:]}\n" for line in lines if line[0] in kept) for kept in (" -", " +")
        )
        assert text.count(old) == 1, f"{target} has {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    target.write_text(text, encoding="utf-8")


@each_document
def test_the_samples_of_a_document_run(document, folder, site):
    running = [block.text for block in blocks(document) if not block.mark.startswith("not run")]
    document_files.write(folder, "\n".join(running))
    console = Console(folder, site.folder)
    names: dict[str, object] = {"__name__": "sample"}
    printed = ""
    for block in blocks(document):
        where = f"{document}, line {block.line}"
        if block.file:
            write(block, folder)
            forget_plugins(site.folder)
        elif block.mark.startswith("edit: "):
            edit(block, folder)
            forget_plugins(site.folder)
        elif block.mark == "printed":
            missing = [line for line in lines_of(block.text) if not occurs(line, printed)]
            assert not missing, f"{where}: nothing printed {missing}; it printed\n{printed}"
        elif block.mark:
            assert block.mark.startswith("not run: "), f"{where}: {block.mark}"
        elif block.language == "python":
            printed = run_python(block, document, names)
        elif block.language == "console":
            commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
            printed = "".join(map(console.run, commands))


def run_python(block: Block, document: Path, names: dict[str, object]) -> str:
    # Empty lines before it, so that a traceback points into the document.
    code = compile("\n" * (block.line - 1) + block.text, str(document), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, names)
    return printed.getvalue()


def occurs(line: str, printed: str) -> bool:
    pattern = ".*".join(map(re.escape, line.split("…")))
    return any(re.fullmatch(pattern, each) for each in lines_of(printed))


def lines_of(text: str) -> list[str]:
    """The lines of a text, with spaces and what a terminal's width decides evened out."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@each_document
def test_a_document_has_samples_or_is_about_something_else(document):
    languages = {block.language for block in blocks(document)}
    assert languages & {"python", "console"}, f"{document} shows nothing that runs"
    unknown = languages - {"python", "console", "sh", "toml", "json", "text", "diff"}
    assert not unknown, f"{document} has blocks whose language this test doesn't know: {unknown}"


def test_few_samples_are_excused_from_running():
    excused = [
        (document.name, block.mark)
        for document in DOCUMENTS
        for block in blocks(document)
        if block.mark.startswith("not run: ")
    ]
    assert len(excused) <= 5, excused


def test_the_published_schema_is_the_one_that_the_manifest_is_read_with():
    published = json.loads((ROOT / "docs" / "model.schema.json").read_text(encoding="utf-8"))
    assert published == manifest.json_schema(), (
        "write it anew: python -c 'import json; from inference_core.manifest import json_schema; "
        "print(json.dumps(json_schema(), indent=2))' > docs/model.schema.json"
    )


def links(document: Path) -> list[str]:
    """Where its links lead; code has brackets of its own."""
    prose = re.sub(
        r"```.*?```|`[^`\n]+`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return re.findall(r"\]\(([^)]+)\)", prose)


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
    for command in ("demo", "predict", "explain", "doctor", "backends", "new-plugin"):
        done = subprocess.run(
            [INFER, command, "--help"], capture_output=True, text=True, check=True
        )
        for option in re.findall(r"--[a-z-]+", done.stdout):
            assert option in page or option == "--help", f"{command} {option} isn't in the page"


def test_every_page_is_in_the_menu_of_the_site_and_every_entry_is_a_page():
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"[\w/-]+\.md$", settings.partition("\nnav:\n")[2], re.MULTILINE)
    docs = ROOT / "docs"
    assert sorted(listed) == sorted(
        path.relative_to(docs).as_posix() for path in docs.rglob("*.md")
    )


def test_pages_of_the_site_link_to_nothing_outside_of_it():
    # Such a link works in the repository and leads nowhere on the site.
    docs = ROOT / "docs"
    for page in docs.rglob("*.md"):
        for link in links(page):
            path = page.parent / link.partition("#")[0]
            assert path.resolve().is_relative_to(docs), f"{page}: {link}"


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_links_between_documents_lead_somewhere(document):
    for link in links(document):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            assert target.exists(), f"{document}: {link}"
            headings = re.findall(r"^#+ (.*)", target.read_text("utf-8"), re.M) if anchor else []
            assert not anchor or anchor in {h.lower().replace(" ", "-") for h in headings}, link
