"""The command line: what is printed, to where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from inference_core.cli.report import Report


def arrays(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x=np.array(rows, np.float32))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required: COMMAND"),
        (("predct", "m", "x"), "there is no command 'predct'; did you mean 'predict'"),
        (("zzz",), "there is no command 'zzz'; see infer --help"),
        (("explain", "m", "--devcie", "cpu"), "did you mean '--device'"),
        (("backends", "--jsno"), "did you mean '--json'"),
        (("backends", "extra"), "unrecognized arguments: extra\n"),
        (("explain", "m", "--strict"), "explain takes no --strict; it is an option of demo and"),
        (("why", "m", "--strict"), "why takes no --strict; it is an option of demo and predict"),
        (("--device", "cpu", "predict", "m"), "--device stands after the command"),
        (("it's",), 'there is no command "it\'s"; see infer --help'),
        (("predict", "m"), "required: inputs"),
        (("explain", "m", "--batch-size", "x"), "--batch-size: takes a whole number, not 'x'"),
        (("doctor", "--timeout", "0"), "more than 0"),
        (("doctor", "--timeout", "nan"), "more than 0"),
        (("doctor", "--timeout", "soon"), "--timeout: takes a number of seconds, not 'soon'"),
        (("explain", "m", "--dev", "cpu"), "arguments: --dev cpu; did you mean '--device'"),
        (("predict", "m", "x", "--confidence", "2"), "the model is given as -p confidence=2\n"),
        (("bench", "m", "--iou=0.5"), "--iou=0.5; an option of the model is given as -p iou=0.5\n"),
        (("predict", "m", "--top-k", "--strict", "x"), "is given as -p top-k=VALUE\n"),
        (("explain", "m", "--confidence", "2"), "unrecognized arguments: --confidence 2\n"),
        (("predict", "m", "x", "-p", "confidence", "2"), "'confidence' should be NAME=VALUE"),
        (("bench", "m", "x", "--option", "threads", "2"), "'threads' should be NAME=VALUE"),
        (("predict", "photo.jpg", "m"), "photo.jpg is no model; the model comes first"),
        (("bench", "clip.mp4", "m"), "clip.mp4 is no model; the model comes first"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_a_suggestion(infer, fake, arguments, message):
    code, out, err = infer(*arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device", "gpu"), "did you mean 'cuda'"),
        (("--precision", "half"), "did you mean 'fp16'"),
        (("--backend", "linaer"), "did you mean 'linear'"),
        (("--batch-size", "0"), "batch_size=0"),
        (("--preference", "linaer"), "did you mean 'linear'"),
        (("--preference", ""), "preference names the backend ''"),
        (("--option", "thraeds=2"), "did you mean 'threads'"),
        (("--option", "threads"), "--option takes NAME=VALUE, not 'threads'"),
        (("--option", "=2"), "--option takes NAME=VALUE"),
    ],
)
def test_a_wrong_value_ends_with_2(infer, linear, arguments, message):
    code, out, err = infer("explain", linear.file(), *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err


def test_errors_as_json(infer, fake):
    code, out, err = infer("explain", "zebra", "--json")
    assert (code, err) == (1, "")
    error = json.loads(out)["error"]
    assert error["type"] == "ModelNotFound"
    assert "zebra" in error["message"]
    code, out, _ = infer("explain", "zebra", "--precision", "half", "--json")
    assert code in (1, 2)
    assert "error" in json.loads(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--json", "backends"), "--json stands after the command: infer COMMAND --json"),
        (("predct", "--json"), "there is no command 'predct'; did you mean 'predict'?"),
        (("predict", "m", "--json"), "the following arguments are required: inputs"),
        (("explain", "m", "--batch-size", "x", "--json"), "takes a whole number, not 'x'"),
        (("backends", "--json", "--jsno"), "unrecognized arguments: --jsno; did you mean '--json'"),
    ],
)
def test_wrong_usage_is_json_where_json_is_asked_for(infer, fake, arguments, message):
    code, out, err = infer(*arguments)
    assert (code, err) == (2, "")
    error = json.loads(out)["error"]
    assert error["type"] == "InvalidArgument"
    assert message in error["message"]


def test_wrong_usage_is_text_where_json_is_only_a_name(infer, fake):
    code, out, err = infer("why", "--", "--json", "extra")
    assert (code, out) == (2, "")
    assert err.startswith("usage: infer")
    assert "infer: error: unrecognized arguments: extra\n" in err


def test_version(infer):
    code, out, _ = infer("--version")
    assert code == 0
    assert out.startswith("inference-core 1!")


@pytest.mark.parametrize("command", ["explain", "why"])
def test_explain_prints_the_resolution(infer, linear, command):
    code, out, err = infer(command, linear.package(), "--device", "cpu", "--option", "threads=2")
    assert (code, err) == (0, "")
    assert "package · rows · processor rows · device=cpu" in out
    assert "linear" in out
    assert "chosen" in out


def test_explaining_that_nothing_runs_it_is_done_work(infer, linear):
    code, out, _ = infer("explain", linear.file(), "--device", "mps")
    assert code == 0
    assert "linear has no mps" in out
    assert "fix: --device cpu\n" in out
    code, out, _ = infer("explain", linear.file(), "--device", "mps", "--json")
    assert json.loads(out)["chosen"] is None
    (reason,) = json.loads(out)["candidates"][0]["reasons"]
    assert reason["fix"] == 'device="cpu"'


def test_backends_and_doctor_name_everything_installed(infer, linear, fake):
    fake.backend("broken", "raise RuntimeError('no luck')")
    code, out, _ = infer("backends")
    assert code == 0
    for text in (
        "linear",
        "ready",
        "broken",
        "no luck",
        "inference-broken 1.0",
        "not installed: onnx",
    ):
        assert text in out
    assert "two-step" not in out
    code, out, _ = infer("doctor")
    assert code == 0
    for text in ("Test CPU", "none (no NVIDIA driver)", "two-step", "no luck"):
        assert text in out


def test_reports_as_json(infer, linear):
    code, out, _ = infer("backends", "--json")
    (plugin,) = json.loads(out)["plugins"]
    assert (code, plugin["record"]["name"], plugin["state"]) == (0, "linear", "ready")
    code, out, _ = infer("doctor", "--json")
    report = json.loads(out)
    assert report["environment"]["cpu"]["model"] == "Test CPU"
    assert {p["record"]["kind"] for p in report["plugins"]} == {"backends", "readers", "processors"}


def test_problems_of_the_configuration_are_reported_not_raised(
    infer, linear, monkeypatch, tmp_path
):
    config = tmp_path / "broken.toml"
    config.write_text("preference = ")
    monkeypatch.setenv("INFERENCE_CONFIG", str(config))
    monkeypatch.setenv("INFERENCE_DISABLE", "lineer")
    for command in ("backends", "doctor"):
        code, out, _ = infer(command)
        assert code == 0
        assert "broken.toml" in out
        assert "did you mean 'linear'" in out
    code, _, err = infer("explain", linear.file())
    assert code == 1
    assert "broken.toml" in err


def test_a_foreign_core_and_damaged_metadata_are_reported(infer, fake):
    fake.add("inference-core", {}, version="9.9.9")
    info = fake.add("inference-torn", {"backends": {"torn": "x"}})
    (info / "METADATA").unlink()
    _, out, _ = infer("doctor")
    assert "inference-core 9.9.9 is installed that isn't this project's" in out
    assert "inference_torn-1.0.dist-info" in out


def test_a_disabled_backend_still_shows(infer, linear, monkeypatch):
    monkeypatch.setenv("INFERENCE_DISABLE", "linear")
    code, out, _ = infer("backends")
    assert code == 0
    assert "disabled: linear is switched off by INFERENCE_DISABLE=linear" in out


def test_predict_prints_a_line_per_input(infer, linear, tmp_path):
    one, two = arrays(tmp_path / "one.npz", [0, 0]), arrays(tmp_path / "two.npz", [1, 1])
    code, out, err = infer("predict", linear.file(), two, one)
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"{two}: y float32(1, 2)", f"{one}: y float32(1, 2)"]
    code, out, _ = infer("predict", linear.file(), one, two, "--json")
    assert [json.loads(line)["input"] for line in out.splitlines()] == [str(one), str(two)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "error: the name of an input is empty"),
        ("-", "error: - doesn't exist, and standard input isn't read: name a file"),
        ("https://a.org/b.png", "is an address, and inputs are files: download it first"),
        ("rtsp://camera", "is an address"),
        ("dangling", "error: dangling is a link to nowhere, which doesn't exist"),
        ("empty", "error: the folder empty holds no file to run on (.avif, .bmp, "),
    ],
)
def test_an_input_that_is_none_says_why(infer, fake, tmp_path, name, message):
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "empty").mkdir()
    code, out, err = infer("predict", "m", name)
    assert (code, out) == (1, "")
    assert message in err


def test_folders_and_globs_are_expanded_in_order_and_once(infer, linear, tmp_path):
    b, a = arrays(tmp_path / "in" / "b.npz", [0, 0]), arrays(tmp_path / "in" / "a.npz", [0, 0])
    deep = arrays(tmp_path / "in" / "deep" / "c.npz", [0, 0])
    (tmp_path / "in" / "notes.txt").touch()
    model = linear.file()
    assert [line.split(":")[0] for line in infer("predict", model, "in")[1].splitlines()] == [
        "in/a.npz", "in/b.npz"]  # fmt: skip
    lines = infer("predict", model, "in/**/*.npz", a)[1].splitlines()
    assert len(lines) == 4  # the last is named absolutely, so it counts as another
    assert len(infer("predict", model, b, b, deep)[1].splitlines()) == 2


def test_a_file_that_looks_like_a_glob_is_taken_by_name(infer, linear, tmp_path):
    path = arrays(tmp_path / "a[1].npz", [0, 0])
    assert infer("predict", linear.file(), path)[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "can't be read as .npz"), (b"PK\x03\x04damaged", "can't be read as .npz"),
     (b"text", "can't be read as .npz")],
)  # fmt: skip
def test_what_fails_in_part_is_reported_and_the_rest_goes_on(
    infer, linear, tmp_path, content, message
):
    good = arrays(tmp_path / "good.npz", [0, 0])
    wrong = arrays(tmp_path / "wrong.npz", [0, 0, 0])
    bad = tmp_path / "bad.npz"
    bad.write_bytes(content)
    single = tmp_path / "single.npz"
    with open(single, "wb") as file:
        np.save(file, np.zeros(2))
    (tmp_path / "empty").mkdir()
    inputs = [bad, wrong, single, "missing.npz", "godo.npz", "*.tif", "empty", good]
    code, out, err = infer("predict", linear.file(), *inputs)
    assert code == 1
    assert out == f"{good}: y float32(1, 2)\n"
    assert "7 of 8 inputs failed" in err
    assert message in err
    assert "one array without a name" in err
    assert "shape (1, 3)" in err
    assert "missing.npz doesn't exist" in err
    assert "did you mean good.npz?" in err
    assert "the pattern '*.tif' matches no file" in err
    assert "error: the folder empty holds no .npz file" in err
    code, out, _ = infer("predict", linear.file(), bad, good, "--json")
    first, second = map(json.loads, out.splitlines())
    assert code == 1
    assert message in first["error"]
    assert second["input"] == str(good)


def test_output_takes_the_json_lines_and_save_the_arrays(infer, linear, tmp_path):
    same = [arrays(tmp_path / folder / "same.npz", [n, n]) for n, folder in enumerate("abc")]
    model = linear.file()
    code, _, _ = infer("predict", model, *same, "--save", "out", "--output", "lines.jsonl")
    assert code == 0
    rows = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert [row["saved"] for row in rows] == [
        "out/same.npz", "out/same-2.npz", "out/same-3.npz"]  # fmt: skip
    assert np.load(tmp_path / "out" / "same-2.npz")["y"].tolist() == [[13, 27]]


def test_inputs_are_never_overwritten(infer, linear, tmp_path):
    path = arrays(tmp_path / "in" / "a.npz", [0, 0])
    before = path.read_bytes()
    code, _, err = infer("predict", linear.file(), "in", "--save", "in/../in")
    assert code == 2
    assert "would be overwritten" in err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("flag", "value", "code", "message"),
    [
        ("--save", "file.txt", 2, "--save file.txt is a file; it takes a folder"),
        ("--save", "drawn.png", 2, "--save drawn.png looks like a file; it takes a folder"),
        ("--save", "file.txt/below", 1, "--save file.txt/below: "),
        ("--output", "in", 2, "--output in is a folder; it takes a file"),
        ("--output", "no/such/a", 2, "--output no/such/a: there is no folder no/such"),
        ("--output", "file.txt/below", 1, "--output file.txt/below: "),
        ("--coco", "in", 2, "--coco in is a folder; it takes a file"),
        ("--coco", "no/such/a", 2, "--coco no/such/a: there is no folder no/such"),
        ("--coco", "file.txt/below", 1, "--coco file.txt/below: "),
        ("--save", "", 2, "--save: takes a name, not an empty text"),
        ("--output", "", 2, "--output: takes a name, not an empty text"),
        ("--coco", "", 2, "--coco: takes a name, not an empty text"),
    ],
)
def test_a_target_that_cannot_be_written_is_an_error_before_the_model_is_loaded(
    infer, linear, tmp_path, flag, value, code, message
):
    (tmp_path / "file.txt").touch()
    path = arrays(tmp_path / "in" / "a.npz", [0, 0])
    got, out, err = infer("predict", linear.file(), path, flag, value)
    assert (got, out) == (code, "")
    assert message in err
    assert "linear_session" not in sys.modules


def test_a_file_that_cannot_be_written_names_its_option(infer, linear, tmp_path):
    path = arrays(tmp_path / "in" / "a.npz", [0, 0])
    (tmp_path / "out" / "a.npz").mkdir(parents=True)
    code, _, err = infer("predict", linear.file(), path, "--save", "out")
    assert code == 1
    assert err.startswith("error: --save out/a.npz: ")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_names_its_option(infer, linear, tmp_path):
    path = arrays(tmp_path / "a.npz", [0, 0])
    code, _, err = infer("predict", linear.file(), path, "--output", "/dev/full")
    assert (code, err) == (1, "error: --output /dev/full: No space left on device\n")


def test_results_that_cannot_be_drawn_are_told_as_without_save(
    infer, linear, tmp_path, monkeypatch
):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    monkeypatch.setattr("inference_core.cli.prediction.read", lambda model, path: (1, 1))
    command = ("predict", linear.package(), "a.png", "b.png")
    without = infer(*command)
    assert without == (0, "a.png: [13.0, 27.0]\nb.png: [13.0, 27.0]\n", "")
    warning = "warning: --save: there is nothing to draw of a result list\n"
    assert infer(*command, "--save", "out") == (*without[:2], warning)
    code, out, err = infer(*command, "--save", "out", "--json")
    assert (code, err) == (0, warning)
    told = [json.loads(line) for line in out.splitlines()]
    assert told == [{"input": name, "result": [13.0, 27.0]} for name in ("a.png", "b.png")]
    assert list((tmp_path / "out").iterdir()) == []


def test_parameters_reach_the_processor_and_a_typo_ends_with_2(infer, linear, tmp_path):
    (tmp_path / "row.txt").touch()
    code, _, err = infer("predict", linear.package(), "row.txt", "-p", "scael=2")
    assert code == 2
    assert "did you mean 'scale'" in err


def test_a_fallback_is_warned_of_on_stderr(infer, linear, fake, tmp_path):
    accepts = "@hookimpl\ndef can_load(artifact): return Verdict.accept('cpu')\n"
    fake.backend("torch", can_load=accepts)
    path = arrays(tmp_path / "a.npz", [0, 0])
    code, _, err = infer("predict", linear.file(), path)
    assert code == 0
    assert err.startswith("warning: torch failed to load")
    assert infer("predict", linear.file(), path, "--strict")[0] == 1
    assert infer("predict", linear.file(), path, "--backend", "torch")[0] == 1


def test_the_demo_says_what_it_needs(infer, fake, monkeypatch):
    monkeypatch.setitem(sys.modules, "inference_vision", None)
    code, _, err = infer("demo")
    assert code == 1
    assert "the demo needs inference-vision; install it: " in err
    assert "pip install" in err


def child(*arguments, **changes):
    environment = {**os.environ, **changes}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, env=environment, timeout=60, check=False
    )


HEAVY = "{'numpy', 'pydantic', 'cv2', 'torch', 'onnxruntime', 'rich', 'packaging'}"


@pytest.mark.parametrize(
    "code",
    ["import inference_core",
     "from inference_core import cli; cli.main(['backends'])",
     "from inference_core import cli; cli.main(['backends', '--json'])"],
)  # fmt: skip
def test_starting_loads_nothing_heavy(linear, code):
    program = f"import sys\n{code}\nsys.exit(','.join({HEAVY} & set(sys.modules)) or 0)"
    ended = child("-c", program)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_python_m_is_the_same_command():
    ended = child("-m", "inference_core", "--version")
    assert ended.returncode == 0
    assert ended.stdout.startswith(b"inference-core 1!")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only there")
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_file_name_that_is_no_text_can_be_printed(linear, tmp_path, arguments):
    path = os.fsencode(linear.file()).replace(b"model.linear", b"\xff.linear")
    linear.file().rename(os.fsdecode(path))
    ended = child("-m", "inference_core", "explain", path, *arguments, PYTHONIOENCODING="utf-8")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"linear" in ended.stdout


def test_a_pipe_that_is_closed_early_is_no_traceback(linear):
    program = [sys.executable, "-m", "inference_core", "doctor"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        error = process.stderr.read()
        process.wait(60)
    assert error == b""
    assert process.returncode == 1


def test_text_shows_results_without_making_them_json(capsys):
    class Found:
        def __str__(self):
            return "a cat"

        def to_dict(self):
            raise AssertionError("of masks this takes longer than to find them")

    report = Report(as_json=False, lines=None)
    report.result("cat.png", Found(), None)
    report.frame("cat.mp4", {"frame": 0, "timestamp": 0.0}, Found(), quiet=False)
    assert capsys.readouterr().out == "cat.png: a cat\ncat.mp4 0.00 s: a cat\n"
