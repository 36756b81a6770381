"""`infer doctor`: what a person pastes into a bug report, and what must not be in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import inference_core
import pytest
from inference_core.cli.redaction import redacted
from inference_core.installation import _source
from inference_core.needs import needs
from inference_core.verdict import Reason

TITLES = [
    "Machine",
    "Plugins",
    "Distributions asked for",
    "Backends that aren't installed",
    "Problems",
]


@pytest.fixture
def home(monkeypatch, tmp_path_factory):
    """The user's home folder."""
    folder = tmp_path_factory.mktemp("homes") / "alice"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


def asks(fake, name, *requirements, version="1.0", extras=()):
    """Install a distribution that requires others."""
    info = fake.add(name, {}, version=version)
    lines = [f"Requires-Dist: {each}" for each in requirements]
    lines += [f"Provides-Extra: {each}" for each in extras]
    with open(info / "METADATA", "a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def test_a_report_is_titles_and_literal_blocks_that_markdown_leaves_alone(infer, linear):
    code, out, err = infer("doctor")
    assert (code, err) == (0, "")
    blocks = out.rstrip("\n").split("\n\n")
    titles, texts = blocks[::2], blocks[1::2]
    assert titles[0].startswith("inference-core 1!")
    assert titles[1:] == TITLES
    for text in texts:
        assert all(line.startswith("    ") for line in text.splitlines())


def test_a_report_says_how_core_and_python_are_installed(infer, linear, monkeypatch, tmp_path):
    _, out, _ = infer("doctor", "--json")
    found = json.loads(out)["installation"]
    assert found["plugin_api"] == 1
    assert re.match(r"3\.\d+\.\d+\S* \w+", found["python"])
    assert found["tag"].startswith("cp3")
    assert not found["tag"].split("-")[-1].startswith("linux_")
    assert sys.prefix == sys.base_prefix or found["environment"].startswith("virtual environment")
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    _, out, _ = infer("doctor")
    assert "environment  no environment, but " in out
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    (tmp_path / "conda-meta").mkdir()
    _, out, _ = infer("doctor")
    assert "environment  conda environment " in out


def test_a_report_names_the_folder_that_core_is_imported_from(infer, linear, monkeypatch):
    monkeypatch.setenv("HOME", "/nowhere")
    _, out, _ = infer("doctor")
    assert str(Path(inference_core.__file__).parent) in out


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"url": "file:///a%20b/core", "dir_info": {"editable": True}}, "from /a b/core (editable)"),
        ({"url": "file:///a/core-1.whl", "archive_info": {}}, "from /a/core-1.whl"),
        ({"url": "https://host.example/x", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
         "from https://host.example/x at commit abc"),
        ({}, "from an index, or from what leaves no record"),
        (None, "from an index, or from what leaves no record"),
        ([1], "from a place that its record doesn't tell"),
    ],
)  # fmt: skip
def test_the_place_that_a_distribution_was_installed_from(fake, record, expected):
    info = fake.add("inference-some", {})
    (info / "INSTALLER").write_text("pip\n")
    if record is not None:
        (info / "direct_url.json").write_text(json.dumps(record))
    assert _source("inference-some") == f"by pip {expected}"
    (info / "INSTALLER").unlink()
    (info / "direct_url.json").write_text("{torn")
    assert _source("inference-some") == "from a place that its record doesn't tell"


def test_a_report_shows_the_variables_that_are_set_and_the_settings(
    infer, linear, monkeypatch, tmp_path
):
    config = tmp_path / "own.toml"
    config.touch()
    monkeypatch.setenv("INFERENCE_CONFIG", str(config))
    monkeypatch.setenv("INFERENCE_DISABLE", "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    monkeypatch.setenv("UNRELATED_INFERENCE", "x")
    _, out, _ = infer("doctor")
    for text in ("INFERENCE_DISABLE=\n", "CUDA_VISIBLE_DEVICES=1,0\n", "own.toml\n"):
        assert text in out
    assert "UNRELATED" not in out
    config.unlink()
    _, out, _ = infer("doctor")
    assert "own.toml (doesn't exist)\n" in out
    assert "INFERENCE_CONFIG names" in out


def test_a_report_holds_no_home_folder_user_name_or_credential(infer, fake, home, monkeypatch):
    fake.backend(
        "secretive",
        f"raise RuntimeError('{home}/model, /media/alice/disk, "
        "https://alice:s3cret@cr3t@host.example/x?sig=s1gnature')",
    )
    monkeypatch.setenv("INFERENCE_WHEELS", "https://alice:s3cret@host.example/wheels?key=k3y")
    monkeypatch.setenv("INFERENCE_HUB_TOKEN", "t0ken")
    monkeypatch.setenv("INFERENCE_CONFIG", str(home / "config.toml"))
    for arguments in ((), ("--json",)):
        code, out, _ = infer("doctor", *arguments)
        assert code == 0
        for secret in (str(home), "alice", "s3cret", "cr3t", "s1gnature", "k3y", "t0ken"):
            assert secret not in out, secret
        assert "~/model" in out
        assert "/media/<user>/disk" in out
        assert "***@host.example/wheels?***" in out
        assert "~/config.toml" in out
        assert "***" in out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/alice", "~"),
        ("/home/alice/x:/home/alice", "~/x:~"),
        ("file:///home/alice/x", "file://~/x"),
        ("/home/alicea/x /home/alice.old", "/home/alicea/x /home/alice.old"),
        ("/backup/home/alice/x", "/backup/home/<user>/x"),
        ("/run/alice: gone", "/run/<user>: gone"),
        ("alice said so", "alice said so"),
        ("pip install '/home/alice/a b[cpu]'", "pip install ~/'a b[cpu]'"),
        ("no file '/home/alice/a'", "no file '~/a'"),
        ("https://u:p@ss@host.example/a@b", "https://***@host.example/a@b"),
        ("https:/u:p@host.example/a", "https:/***@host.example/a"),
        ("C:/a@b/c", "C:/a@b/c"),
        ("git+ssh://token@host.example/x", "git+ssh://***@host.example/x"),
        ("https://host.example/?a=1&b=2 and so on", "https://host.example/?*** and so on"),
        ("is it so?yes", "is it so?yes"),
    ],
)
def test_what_is_taken_out_of_a_text(monkeypatch, text, expected):
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.setenv("USERPROFILE", "/home/alice")
    assert redacted(text) == expected
    reason = Reason("error", text, text)
    assert redacted({"list": [(reason, 5)]}) == {"list": [(Reason("error", expected, expected), 5)]}


@pytest.mark.parametrize("nowhere", ["/", "~"])
def test_a_user_without_a_home_folder_has_nothing_replaced(monkeypatch, nowhere):
    monkeypatch.setenv("HOME", nowhere)
    monkeypatch.setenv("USERPROFILE", nowhere)
    assert redacted("/usr/lib ~ x") == "/usr/lib ~ x"


def test_what_plugins_ask_for_is_listed_with_the_installed_versions(fake):
    fake.add("runtime", {}, version="3.0")
    fake.add("Some_Thing", {}, version="2.0")
    asks(
        fake,
        "inference-one",
        "runtime>=2",
        "some.thing",
        "absent-extra>=1; extra == 'gpu'",
        "runtime<4; extra == 'cpu'",
        "elsewhere>=1; sys_platform == 'nowhere'",
        extras=("cpu", "gpu"),
    )
    asks(fake, "inference-two", "runtime<5")
    found, problems = needs(["inference-two", "inference-one"])
    assert problems == []
    assert [(need.name, need.version, dict(need.wanted), need.unmet) for need in found] == [
        (
            "runtime",
            "3.0",
            {"inference-one": ">=2", "inference-one[cpu]": "<4", "inference-two": "<5"},
            (),
        ),
        ("some-thing", "2.0", {"inference-one": ""}, ()),
    ]


def test_what_is_missing_or_does_not_fit_is_a_problem_with_its_fix(infer, fake):
    fake.add("runtime", {}, version="1.5")
    fake.add("odd", {}, version="not a version")
    fake.add("inference-core", {}, version="1!9.0")
    fake.backend("some")
    (info,) = fake.site.glob("inference_some-*.dist-info")
    with open(info / "METADATA", "a", encoding="utf-8") as file:
        for line in ("runtime>=2", "gone>=1", "odd>=1", "inference-core>=1!0.1,<1!1"):
            file.write(f"Requires-Dist: {line}\n")
    _, out, _ = infer("doctor")
    for text in (
        "(missing)",
        "inference-some asks for runtime>=2, but 1.5 is installed",
        "install 'runtime>=2'",
        "inference-some asks for gone>=1, but it isn't installed",
        "inference-some asks for odd>=1, but not a version is installed",
        "inference-some asks for inference-core<1!1,>=1!0.1, but 1!9.0 is installed",
    ):
        assert text in out, text
    assert ">=2 (not met) for inference-some" in out
    assert re.search(r"fix: .*install --upgrade \S*core", out)


def test_a_runtime_that_tells_no_version_is_not_called_missing(infer, fake):
    fake.backend(
        "quiet",
        probe_environment="""
        @hookimpl
        def probe_environment():
            return BackendReport("some-runtime", devices=("cpu",))
    """,
    )
    _, out, _ = infer("backends")
    assert "quiet  backend  ready  some-runtime  cpu" in re.sub("  +", "  ", out)


def test_a_missing_runtime_is_told_once_by_its_backend(infer, fake):
    fake.backend(
        "some",
        probe_environment="""
            from inference_core.verdict import Reason

            @hookimpl
            def probe_environment():
                gone = Reason("not-installed", "gone isn't installed", "pip install gone")
                return BackendReport("gone", problems=(gone,))
        """,
    )
    (info,) = fake.site.glob("inference_some-*.dist-info")
    with open(info / "METADATA", "a", encoding="utf-8") as file:
        file.write("Requires-Dist: gone>=1\n")
    _, out, _ = infer("doctor")
    assert "gone  (missing)" in re.sub(" +", "  ", out)
    assert "asks for gone" not in out
    assert out.endswith("none but those of the plugins above\n")


def test_a_requirement_that_cannot_be_read_is_a_problem(fake):
    asks(fake, "inference-odd", "runtime >>> 3")
    found, (problem,) = needs(["inference-odd"])
    assert found == []
    assert "the requirements of inference-odd can't be read" in problem.message
    assert problem.fix == "reinstall inference-odd"


def test_what_an_interrupted_uninstallation_left_counts_as_missing(fake):
    asks(fake, "inference-one", "runtime>=2")
    info = fake.add("runtime", {}, version="3.0")
    (info / "METADATA").write_text("")
    (need,), _ = needs(["inference-one"])
    assert (need.version, need.unmet) == (None, ("inference-one",))


def test_deep_probes_are_told_one_by_one(infer, linear, fake):
    probe = """
        import time

        @hookimpl
        def probe_environment(deep):
            return {} if deep else BackendReport("rt", "1.0", ("cpu",))
    """
    fake.backend("fails", probe_environment=probe.format("5"))
    fake.backend("hangs", probe_environment=probe.format("time.sleep(600)"))
    fake.backend("breaks", "raise RuntimeError('no luck')")
    code, out, _ = infer("doctor", "--deep", "--timeout", "4")
    assert code == 0
    text = out.partition("Deep probes\n\n")[2]
    assert re.search(r"^    linear  passed in \d+\.\d s$", text, re.M)
    assert re.search(r"^    fails   failed after \d+\.\d s: .* returned int instead", text, re.M)
    assert re.search(
        r"^    hangs   timed out after 4\.\d s: .* did not finish within 4", text, re.M
    )
    assert re.search(r"^    breaks  not tried, for it is broken$", text, re.M)
    assert "two-step" not in text.partition("\n\n")[0]


def test_json_holds_the_same(infer, linear):
    code, out, _ = infer("doctor", "--deep", "--json")
    report = json.loads(out)
    assert code == 0
    (backend,) = [each for each in report["plugins"] if each["record"]["kind"] == "backends"]
    assert backend["deep"]["outcome"] == "passed"
    assert backend["deep"]["seconds"] > 0
    assert {"core_version", "environment", "installation", "missing", "needs", "plugins",
            "problems"} == set(report)  # fmt: skip
    (numpy,) = [need for need in report["needs"] if need["name"] == "numpy"]
    assert numpy["version"]
    assert numpy["wanted"]["inference-core"].startswith(">=")
    assert numpy["unmet"] == []


def test_on_a_terminal_the_plugins_are_a_table_and_the_rest_is_the_same(infer, linear, monkeypatch):
    _, plain, _ = infer("doctor")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    out = re.sub(r"\x1b\[[\d;]*m", "", infer("doctor")[1])
    for block in plain.rstrip("\n").split("\n\n"):
        if "kind " not in block and block != "Plugins":
            assert block in out
    assert re.search(r"two-step +processor +ready", out)


def test_nothing_heavy_is_loaded_for_a_report(fake):
    fake.backend("some")
    heavy = "{'numpy', 'pydantic', 'cv2', 'torch', 'onnxruntime', 'rich'}"
    code = f"""
import sys
from inference_core import cli
assert cli.main(['doctor']) == 0
sys.exit(','.join({heavy} & set(sys.modules)) or 0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
