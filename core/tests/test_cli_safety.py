"""The command line loses no file, steers no terminal, and ends in words whatever its streams are."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inference_core import InvalidArgument
from inference_core.cli import running
from inference_core.cli.fixes import as_options
from inference_core.cli.input_paths import ARRAYS, PICTURES, expanded, refuse_as_model
from inference_core.cli.output import print_table
from inference_core.tables import printable
from inference_core.verdict import Reason

EVIL = "evil\x1b]0;owned\x07\nfix: curl x|sh\u202e"


def arrays(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x=np.array(rows, np.float32))
    return path


@pytest.fixture
def results(tmp_path):
    """A file that an earlier run wrote."""
    path = tmp_path / "results.jsonl"
    path.write_text('{"input": "before"}\n')
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_output_is_never_an_input_or_the_model(infer, linear, tmp_path):
    picture, model = arrays(tmp_path / "a.npz", [0, 0]), linear.file()
    (tmp_path / "soft.jsonl").symlink_to(picture)
    os.link(picture, tmp_path / "hard.jsonl")
    package = linear.package()
    for name, target, what in (
        (model, picture, "is one of the inputs"),
        (model, "soft.jsonl", "is one of the inputs"),
        (model, "hard.jsonl", "is one of the inputs"),
        (model, model, "is the model"),
        (package, package / "model.linear", "belongs to the model"),
        (package, package / "model.json", "belongs to the model"),
    ):
        before = (tmp_path / target).read_bytes()
        code, _, err = infer("predict", name, picture, "--output", target)
        assert (code, what in err) == (2, True), err
        assert (tmp_path / target).read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [("no-such-model", "a.npz"), ("model.linear", "a.npz", "--device", "mps"),
     ("model.linear", "missing.npz"), ("package", "a.npz", "-p", "scael=2")],
)  # fmt: skip
def test_what_fails_before_the_first_result_leaves_the_output_as_it_was(
    infer, linear, tmp_path, results, arguments
):
    arrays(tmp_path / "a.npz", [0, 0])
    linear.file()
    linear.package()
    for target in (results, tmp_path / "new.jsonl"):
        assert infer("predict", *arguments, "--output", target)[0] in (1, 2)
    assert lines(results) == [{"input": "before"}]
    assert not (tmp_path / "new.jsonl").exists()


def test_a_run_replaces_what_the_output_held(infer, linear, tmp_path, results):
    path = arrays(tmp_path / "a.npz", [0, 0])
    assert infer("predict", linear.file(), path, "missing.npz", "--output", results)[0] == 1
    assert [row["input"] for row in lines(results)] == [None, str(path)]


def test_an_interrupted_run_keeps_its_lines(infer, linear, tmp_path, results, monkeypatch):
    a, b = arrays(tmp_path / "a.npz", [0, 0]), arrays(tmp_path / "b.npz", [0, 0])
    from inference_core.cli import prediction

    read = prediction.read

    def interrupted(model, path):
        if path == b:
            raise KeyboardInterrupt
        return read(model, path)

    monkeypatch.setattr(prediction, "read", interrupted)
    code, _, err = infer("predict", linear.file(), a, b, "--output", results)
    assert (code, err) == (130, "interrupted\n")
    assert [row["input"] for row in lines(results)] == [str(a)]


def test_no_model_is_loaded_if_every_input_is_missing(infer, linear):
    code, out, err = infer("predict", linear.file(), "x.npz", "y.npz")
    assert (code, out) == (1, "")
    assert "2 of 2 inputs failed" in err
    assert "linear_session" not in sys.modules


def test_pictures_go_through_the_graph_in_batches_and_a_bad_one_costs_only_itself(
    infer, linear, tmp_path, monkeypatch
):
    monkeypatch.setattr("inference_core.cli.prediction.read", lambda model, path: rows[path.name])
    rows = {f"{n}.png": (n, 0) for n in range(5)}
    for name in rows:
        (tmp_path / name).touch()
    package = linear.package()
    code, out, _ = infer("predict", package, *rows, "--batch-size", "2", "--json")
    assert code == 0, out
    assert [json.loads(line)["result"][0] for line in out.splitlines()] == [10, 11, 12, 13, 14]
    assert linear.sessions[-1].batches == [2, 2, 1]
    rows["3.png"] = ("no number",)
    code, out, err = infer("predict", package, *rows, "--batch-size", "2", "--json")
    assert (code, err) == (1, "1 of 5 inputs failed\n")
    told = [json.loads(line) for line in out.splitlines()]
    assert [row["input"] for row in told] == list(rows)
    assert ["error" in row for row in told] == [False, False, False, True, False]


def test_names_of_others_cannot_steer_the_terminal(infer, linear, monkeypatch, capsys):
    package = linear.package()
    manifest = json.loads((package / "model.json").read_text())
    manifest["name"] = EVIL
    manifest["artifacts"][0]["requires"] = {"os": EVIL}
    (package / "model.json").write_text(json.dumps(manifest))
    code, out, _ = infer("explain", package)
    assert code == 0
    assert r"evil\x1b]0;owned\x07\nfix: curl x|sh" in out
    assert all(line.isprintable() for line in out.splitlines())
    assert not any(line.strip().startswith("fix: curl") for line in out.splitlines())
    assert json.loads(infer("explain", package, "--json")[1])["model"]["name"] == EVIL
    _, _, err = infer("predict", package, package / "model.json")
    assert all(line.isprintable() for line in err.splitlines())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table("", EVIL, ("name",), [((printable(EVIL),), (Reason("error", EVIL, EVIL),))])
    shown = capsys.readouterr().out
    assert "\x07" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Tür · 猫", "Tür · 猫"),
        ("a\tb\x9b\x7f", r"a\tb\x9b\x7f"),
        ("\udcff\u2028", r"\udcff\u2028"),
    ],
)
def test_only_what_is_not_printable_is_escaped(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("fix", "shown"),
    [
        ('device="cpu"', "--device cpu"),
        ("allow_code=True", "--allow-code"),
        ('backend="onnx", batch_size=4', "--backend onnx --batch-size 4"),
        ('options={"compile": False}', "--option compile=false"),
        ('options={"providers": ["A", "B"]}', """--option 'providers=["A", "B"]'"""),
        (
            'options={"activation": "σ", "names": ["ü"]}',
            """--option 'activation=σ' --option 'names=["ü"]'""",
        ),
        ('preference=["a", "b"]', "--preference a,b"),
        ("precision=None", "precision=None"),
        ("opset_version=26", "opset_version=26"),
        ("pip install 'x[y]>=1'", "pip install 'x[y]>=1'"),
        ("**{}", "**{}"),
    ],
)
def test_arguments_of_python_are_shown_as_options(fix, shown):
    assert as_options(fix) == shown


def test_the_options_that_are_shown_can_be_pasted(infer, linear):
    package = linear.file()
    code, _, err = infer("predict", package, package, "--device", "mps")
    assert code == 1
    (fix,) = [line.partition("fix: ")[2] for line in err.splitlines() if "fix: " in line]
    assert infer("explain", package, *shlex.split(fix))[1].count("chosen") == 1


def test_a_torchscript_file_is_no_video(tmp_path):
    refuse_as_model(str(tmp_path / "model.ts"))
    with pytest.raises(InvalidArgument, match="the model comes first"):
        refuse_as_model(str(tmp_path / "clip.m2ts"))


def test_a_preference_may_have_spaces(infer, linear):
    assert infer("explain", linear.file(), "--preference", "linear, onnx")[0] == 0


def test_a_folder_means_its_pictures_and_nothing_else_in_it(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    for name in (
        "a.JPG",
        "b.png",
        ".hidden.png",
        "._b.png",
        "c.npz",
        "notes.txt",
        "d.avif",
        "e.gif",
    ):
        (tmp_path / name).touch()
    assert [path.name for path in expanded([str(tmp_path)], PICTURES)[0]] == [
        "a.JPG", "b.png", "d.avif", "e.gif"]  # fmt: skip
    assert [path.name for path in expanded([str(tmp_path)], ARRAYS)[0]] == ["c.npz"]
    _, (error,) = expanded([str(tmp_path / "folder.jpg")], PICTURES)
    assert ".png" in str(error)
    assert ".npz" not in str(error)


@pytest.mark.parametrize("save", ["folder", "drawn.xyz", "drawn"])
def test_the_demo_looks_at_its_target_first(infer, fake, tmp_path, monkeypatch, save):
    class Vision:
        sample_paths = staticmethod(lambda: [tmp_path / "sample.png"])

    (tmp_path / "folder").mkdir()
    monkeypatch.setitem(sys.modules, "inference_vision", Vision)
    code, out, err = infer("demo", "--save", save)
    assert (code, out) == (2, "")
    assert f"--save {save}" in err


def test_an_interrupt_while_a_command_is_imported_is_no_traceback(infer, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(running.importlib, "import_module", interrupted)
    assert infer("backends") == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    "module", ["running", "grammar", "argparse", "inference_core.errors", "inference_core.tables"]
)
def test_an_interrupt_while_the_command_line_itself_is_imported_is_no_traceback(module):
    program = f"""
import sys
class Interrupt:
    def find_spec(self, name, *_):
        if name.endswith({module!r}):
            raise KeyboardInterrupt
import inference_core.cli
sys.meta_path.insert(0, Interrupt())
sys.exit(inference_core.cli.main(["backends"]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def shell(line):
    environment = {**os.environ, "PYTHON": sys.executable}
    environment.pop("PYTHONUNBUFFERED", None)
    line = line.replace("infer ", '"$PYTHON" -m inference_core ')
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("arguments", ["backends", "doctor --json", "--help", "--version"])
def test_a_closed_or_full_stdout_is_an_error_in_words(linear, arguments):
    for redirection in (">&-", *(["> /dev/full"] if Path("/dev/full").exists() else [])):
        ended = shell(f"infer {arguments} {redirection}")
        assert ended.returncode == 1
        assert ended.stderr.startswith("error: ")
        assert "Traceback" not in ended.stderr
        assert "Exception ignored" not in ended.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_a_reader_that_ends_early_is_no_error_to_read_about(linear):
    ended = shell("set -o pipefail; infer backends | true")
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)  # 0 if all was written before the reader ended


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_without_streams_what_prints_nothing_still_works(linear, tmp_path):
    path, out = arrays(tmp_path / "a.npz", [0, 0]), tmp_path / "out.jsonl"
    command = shlex.join(["predict", str(linear.file()), str(path), "--output", str(out)])
    ended = shell(f"infer {command} >&- 2>&-")
    assert ended.returncode == 0
    assert lines(out)[0]["input"] == str(path)


def test_json_is_ascii_whatever_the_terminal_knows(infer, linear, tmp_path):
    model = linear.file("modèle.linear")
    path = arrays(tmp_path / "猫.npz", [0, 0])
    _, out, _ = infer("predict", model, path, "--json", "--output", "out.jsonl")
    assert out.isascii()
    assert json.loads(out)["input"] == str(path)
    assert (tmp_path / "out.jsonl").read_bytes().isascii()
    assert infer("explain", model, "--json")[1].isascii()


def noisy(fake, how):
    """A backend that prints to stdout wherever core calls it; `how` is the statement that prints."""
    source = f"""
        import os, subprocess, sys
        from inference_core import hookimpl
        import linear_backend

        def say(what):
            {how}

        say("import")
        PLUGIN_API = 1
        OPTIONS = linear_backend.OPTIONS

        @hookimpl
        def probe_environment(environment, deep):
            say("probe")
            return linear_backend.probe_environment(environment, deep)

        @hookimpl
        def can_load(artifact, environment, request):
            say("can_load")
            return linear_backend.can_load(artifact, environment, request)

        @hookimpl
        def load(artifact, environment, request):
            say("load")
            return linear_backend.load(artifact, environment, request)

        @hookimpl
        def predict(session, inputs, options):
            say("predict")
            return linear_backend.predict(session, inputs, options)
    """
    modules = {"backends": {"noisy": "noisy"}, "readers": {"linear": "linear_files:read"}}
    fake.add("inference-noisy", modules, {"noisy": source})


NOISES = {
    "backends": ("import", "probe"),
    "doctor": ("import", "probe"),
    "why model.linear": ("import", "can_load"),
    "predict model.linear a.npz": ("import", "can_load", "load", "predict"),
    "predict model.linear a.npz --device mps": ("import", "can_load"),
    "predict nothing.linear a.npz": (),
}


@pytest.mark.parametrize("command", NOISES)
def test_what_plugins_print_does_not_get_into_json(infer, fake, linear, tmp_path, command):
    arrays(tmp_path / "a.npz", [0, 0])
    linear.file()
    (fake.site / "inference_linear-2.5.dist-info" / "entry_points.txt").write_text("")
    noisy(fake, "print(f'noise of {what}')")
    _, out, err = infer(*command.split(), "--json")
    json.loads(out)
    for what in NOISES[command]:
        assert f"noise of {what}" in err
    print("to stdout as ever")
    assert infer("--version")[1].startswith("to stdout as ever\ninference-core")


@pytest.mark.parametrize(
    "how",
    [
        "os.write(1, f'noise of {what}'.encode())",
        "sys.__stdout__.write(f'noise of {what}')",
        "import ctypes; ctypes.CDLL(None).printf(f'noise of {what}'.encode())",
        "subprocess.run([sys.executable, '-c', f'print(\"noise of {what}\")'], check=True)",
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_nor_does_what_their_libraries_and_children_print(fake, linear, tmp_path, how):
    arrays(tmp_path / "a.npz", [0, 0])
    model = linear.file()
    (fake.site / "inference_linear-2.5.dist-info" / "entry_points.txt").write_text("")
    noisy(fake, how)
    for command, place in ((f"predict {model} {tmp_path}/a.npz", "predict"), ("backends", "probe")):
        ended = shell(f"infer {command} --json")
        assert ended.returncode == 0, ended.stderr
        json.loads(ended.stdout)
        assert f"noise of {place}" in ended.stderr
    assert shell(f"infer predict {model} missing.npz --json | true").stderr.count("error") == 0
