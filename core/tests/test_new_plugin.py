"""`infer new-plugin`: the names that it takes, what it writes, and that it writes all or nothing.

Whether what it writes works is tested in tests/test_scaffold.py, with everything installed.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from inference_core import install
from inference_core.cli.new_plugin import core_range
from packaging.requirements import Requirement
from packaging.version import Version

SHARED = [
    "CHANGELOG.md",
    "README.md",
    "pyproject.toml",
    "src/inference_foo/__init__.py",
    "src/inference_foo/options.py",
    "src/inference_foo/plugin.py",
    "src/inference_foo/py.typed",
    "src/inference_foo/session.py",
    "tests/test_backend.py",
    "tests/test_conformance.py",
]

each_kind = pytest.mark.parametrize("kind", ["tensor", "task"])


def files_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


@each_kind
def test_a_complete_project_is_written(infer, fake, tmp_path, kind):
    code, out, err = infer("new-plugin", "foo", "--kind", kind)
    assert (code, err) == (0, "")
    assert out.startswith(f"wrote inference-foo: the {kind} backend foo")
    files = files_of(tmp_path / "inference-foo")
    assert sorted(files) == sorted(SHARED)
    for name, text in files.items():
        assert f"  {name}\n" in out
        assert not re.search(r"@[A-Z]+@|PACKAGE|\.template", text), name
        assert "\r" not in text
        if name.endswith(".py"):
            ast.parse(text)
    assert f'KIND = "{kind}"' in files["src/inference_foo/plugin.py"]


def test_tensor_is_the_kind_that_is_meant_where_none_is_named(infer, fake, tmp_path):
    infer("new-plugin", "foo")
    plugin = (tmp_path / "inference-foo/src/inference_foo/plugin.py").read_text()
    assert 'KIND = "tensor"' in plugin


@each_kind
def test_the_project_names_its_entry_point_and_this_core(infer, fake, tmp_path, kind):
    infer("new-plugin", "foo-2-bar", "--kind", kind)
    text = (tmp_path / "inference-foo-2-bar/pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    assert project["name"] == "inference-foo-2-bar"
    points = project["entry-points"]["inference_core.backends"]
    assert points == {"foo-2-bar": "inference_foo_2_bar.plugin"}
    assert "!" not in project["version"]
    core, runtime = map(Requirement, project["dependencies"])
    plugin = tmp_path / "inference-foo-2-bar/src/inference_foo_2_bar/plugin.py"
    assert f'REQUIREMENT = "{runtime}"' in plugin.read_text()
    tools = {Requirement(each).name for each in project["optional-dependencies"]["dev"]}
    assert tools == {"pytest", *tomllib.loads(text)["tool"].keys() & {"mypy", "ruff"}}
    assert core.name == "inference-core"
    assert str(core.specifier) == "<1!1,>=1!0.1"
    assert re.search(r'# The epoch .*index\.\n    "inference-core', text)


@each_kind
def test_what_an_author_changes_is_marked_in_every_file_that_has_some(infer, fake, tmp_path, kind):
    infer("new-plugin", "foo", "--kind", kind)
    marked = {
        name for name, text in files_of(tmp_path / "inference-foo").items() if "# Yours: " in text
    }
    code = {f"src/inference_foo/{name}.py" for name in ("plugin", "session")}
    assert marked == {*code, "pyproject.toml", "tests/test_conformance.py"}


@pytest.mark.parametrize(
    ("spelt", "name"),
    [("foo", "foo"), ("inference-foo", "foo"), ("Foo_Bar", "foo-bar"), ("foo.bar", "foo-bar"),
     ("Inference_FOO", "foo"), ("v2", "v2"), ("f" * 40, "f" * 40)],
)  # fmt: skip
def test_a_name_is_written_as_those_of_distributions_are(infer, fake, tmp_path, spelt, name):
    code, out, _ = infer("new-plugin", spelt)
    assert code == 0
    assert [path.name for path in tmp_path.iterdir() if path.name != "site"] == [
        f"inference-{name}"
    ]
    said = f"({spelt} is called {name}, " in out
    assert said == (spelt not in (name, f"inference-{name}"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "can't be the name of a plugin"),
        ("inference-", "can't be the name of a plugin"),
        ("2foo", "a letter first"),
        ("foo bar", "can't be the name"),
        ("foo/bar", "can't be the name"),
        ("../foo", "can't be the name"),
        ("-foo", "can't be the name"),
        ("foo-", "can't be the name"),
        ("föö", "of ASCII"),
        ("foo\n", "can't be the name"),
        ("f" * 41, "up to 40 letters"),
        ("x" * 4000, "up to 40 letters"),
        ("class", "'class' is a word of Python itself"),
        ("None", "is a word of Python itself"),
        ("core", "'core' is taken: inference-core"),
        ("inference-vision", "'vision' is taken"),
        ("onnx", "'onnx' is taken"),
        ("ONNX", "'onnx' is taken"),
        ("trt", "'trt' is taken: inference-trt is a distribution of the inference-core project"),
        ("llama_cpp", "'llama-cpp' is taken"),
        ("gguf", "a format of model files has it; name the runtime, such as gguf-runtime"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_the_reason(
    infer, fake, tmp_path, name, message
):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = (
        infer("new-plugin", "--", name) if name[:1] == "-" else infer("new-plugin", name)
    )
    assert (code, out) == (2, "")
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_names_of_what_is_installed_are_refused(infer, fake):
    fake.backend("acme")
    fake.add("acme-tools", {"backends": {"Other_Name": "other"}})
    fake.add("inference-reader", {"readers": {"acme": "acme_reader"}})
    fake.add("inference-unrelated", {}, version="9.9")
    for name, message in (
        ("acme", "inference-acme 1.0 is installed and has a backend 'acme'"),
        ("other-name", "acme-tools 1.0 is installed and has a backend 'Other_Name'"),
        ("reader", "inference-reader 1.0 is installed and has a reader 'acme'"),
        ("unrelated", "inference-unrelated 9.9 is installed"),
    ):
        code, _, err = infer("new-plugin", name)
        assert code == 2
        assert message in err


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "dangling link"])
def test_what_exists_is_never_overwritten(infer, fake, tmp_path, kind):
    target = tmp_path / "inference-foo"
    if kind == "file":
        target.write_text("mine")
    elif kind == "dangling link":
        target.symlink_to("nowhere")
    else:
        target.mkdir()
        if kind == "folder":
            (target / "pyproject.toml").write_text("mine")
    before = files_of(tmp_path), sorted(tmp_path.rglob("*"))
    code, out, err = infer("new-plugin", "foo")
    assert (code, out) == (2, "")
    assert "inference-foo exists already; nothing was written" in err
    assert (files_of(tmp_path), sorted(tmp_path.rglob("*"))) == before


def test_another_folder_can_be_named_and_must_exist(infer, fake, tmp_path):
    code, _, err = infer("new-plugin", "foo", "--directory", "no/such")
    assert (code, err) == (2, "error: --directory no/such is no folder; make it first\n")
    (tmp_path / "my plugins").mkdir()
    code, out, _ = infer("new-plugin", "foo", "--directory", "my plugins")
    assert code == 0
    assert "wrote my plugins/inference-foo: " in out.replace("\\", "/")
    assert list((tmp_path / "my plugins").iterdir()) == [tmp_path / "my plugins/inference-foo"]


def test_a_project_that_cannot_be_finished_leaves_nothing(infer, fake, tmp_path, monkeypatch):
    write, written = Path.write_text, []

    def until_full(path, *arguments, **named):
        if len(written) == 4:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        return write(path, *arguments, **named)

    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(Path, "write_text", until_full)
    code, out, err = infer("new-plugin", "foo")
    assert (code, out) == (1, "")
    assert "No space left on device" in err
    assert len(written) == 4
    assert sorted(tmp_path.rglob("*")) == before


def test_the_answer_as_json(infer, fake):
    code, out, err = infer("new-plugin", "Foo", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"folder": "inference-foo", "files": sorted(SHARED)}
    code, out, _ = infer("new-plugin", "Foo", "--json")
    assert code == 2
    assert json.loads(out)["error"]["type"] == "InvalidArgument"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's words are split otherwise there")
def test_the_next_commands_can_be_pasted(infer, fake, tmp_path, monkeypatch):
    (tmp_path / "my plugins").mkdir()
    monkeypatch.setattr(install.shutil, "which", lambda name: f"{sys.prefix}/bin/{name}")
    _, out, _ = infer("new-plugin", "foo", "--directory", "my plugins")
    commands = [
        shlex.split(line, comments=True) for line in out.partition("Next:\n")[2].splitlines()
    ]
    place = "./my plugins/inference-foo"
    assert commands[:3] == [
        ["pip", "install", "--editable", f"{place}[test]"],
        ["pytest", place],
        ["infer", "backends"],
    ]
    assert out.splitlines()[-1].startswith("In another environment first: pip install ")
    monkeypatch.setattr(install.shutil, "which", lambda name: "/other/bin/pip")
    _, out, _ = infer("new-plugin", "bar", "--directory", tmp_path)
    commands = [
        shlex.split(line, comments=True) for line in out.partition("Next:\n")[2].splitlines()
    ]
    assert [words[:3] for words in commands[:3]] == [
        [sys.executable, "-m", "pip"],
        [sys.executable, "-m", "pytest"],
        [sys.executable, "-m", "inference_core"],
    ]
    assert commands[1][3] == str(tmp_path / "inference-bar")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1!0.1.0", ">=1!0.1,<1!1"),
        ("1!0.3.7", ">=1!0.3,<1!1"),
        ("1!2.4.1+local", ">=1!2.4,<1!3"),
        ("1!0.2.0.dev3", ">=1!0.2.0.dev3,<1!1"),
        ("1!1.0rc1", ">=1!1.0rc1,<1!2"),
    ],
)
def test_a_plugin_asks_for_the_core_that_it_was_written_with(version, expected):
    assert core_range(version) == expected
    specifier = Requirement(f"inference-core{expected}").specifier
    assert Version(version) in specifier
    assert "1.8.3" not in specifier


def test_a_misspelt_option_is_suggested(infer, fake):
    code, _, err = infer("new-plugin", "foo", "--knd", "task")
    assert code == 2
    assert "did you mean '--kind'?" in err
    code, _, err = infer("backends", "--kind", "task")
    assert code == 2
    assert "backends takes no --kind; it is an option of new-plugin" in err
    code, _, err = infer("new-plugin", "foo", "--kind", "tensors")
    assert code == 2
    assert "tensor" in err
