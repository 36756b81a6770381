"""`infer doctor`: what a person pastes into a bug report, and what must not be in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import inference_core
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core.cli.redaction import redacted
from inference_core.installation import _OWN, installed_from
from inference_core.needs import needs
from inference_core.verdict import Reason

TITLES = [
    "Machine",
    "Plugins",
    "Where plugins were installed from",
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
        ({"url": "https://host.example/x", "subdirectory": "plugins/some",
          "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "abc"}},
         "from https://host.example/x, its folder plugins/some at commit abc (main)"),
        ({"url": "https://host.example/x", "vcs_info": []},
         "from a place that its record doesn't tell"),
        ({"url": "https://[bad", "dir_info": None}, "from a place that its record doesn't tell"),
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
    assert installed_from("inference-some") == f"by pip {expected}"
    (info / "INSTALLER").unlink()
    (info / "direct_url.json").write_text("{torn")
    assert installed_from("inference-some") == "from a place that its record doesn't tell"


def test_a_distribution_whose_metadata_is_gone_is_told_so(fake):
    for name in ("inference-gone", ""):
        assert installed_from(name) == "from what leaves no metadata"


def test_a_report_says_where_each_plugin_was_installed_from(infer, fake, linear, home):
    info = fake.add("inference-other", {"readers": {"other": "linear_files:read"}})
    url = f"{home.as_uri()}/other"
    (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))
    info = fake.site / "inference_linear-2.5.dist-info"
    vcs = {"vcs": "git", "commit_id": "0123abcd"}
    record = {"url": "https://alice:s3cret@host.example/linear", "vcs_info": vcs}
    (info / "direct_url.json").write_text(json.dumps(record))
    _, out, _ = infer("doctor")
    expected = {
        "inference-linear 2.5": "from https://***@host.example/linear at commit 0123abcd",
        "inference-other 1.0": "from ~/other (editable)",
    }
    section = out.partition("Where plugins were installed from\n\n")[2].partition("\n\n")[0]
    assert dict(re.split("  +", line.strip()) for line in section.splitlines()) == expected
    assert json.loads(infer("doctor", "--json")[1])["sources"] == expected


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
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH",
                 "OMP_NUM_THREADS", "ORT_TENSORRT_FP16_ENABLE", "TORCH_HOME",
                 "PYTORCH_ENABLE_MPS_FALLBACK"):  # fmt: skip
        monkeypatch.setenv(name, f"/opt/{name}")
    _, out, _ = infer("doctor")
    for name in ("LD_LIBRARY_PATH", "CUDA_PATH", "ORT_TENSORRT_FP16_ENABLE", "TORCH_HOME"):
        assert f"{name}=/opt/{name}\n" in out
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
    "name", ["INFERENCE_AUTH", "INFERENCE_PASS", "inference_token", "Inference_Colour"]
)
def test_the_value_of_a_variable_that_core_does_not_read_is_never_shown(
    infer, linear, monkeypatch, name
):
    monkeypatch.setenv(name, "/opt/plain")
    for arguments in ((), ("--json",)):
        _, out, _ = infer("doctor", *arguments)
        assert name in out
        assert "/opt/plain" not in out


def test_the_variables_that_core_reads_are_those_whose_values_are_shown():
    files = Path(inference_core.__file__).parent.rglob("*.py")
    texts = [path.read_text("utf-8") for path in files]
    read = {name for text in texts for name in re.findall(r'[("](INFERENCE_[A-Z]+)["=]', text)}
    assert {"INFERENCE_CONFIG", "INFERENCE_WHEELS"} < read
    assert [name for name in read if not _OWN.fullmatch(name)] == []


SHAPES = [
    "https://{0}@host.example/x",
    "https://alice:{0}@host.example/x",
    "git+ssh://{0}:x@host.example/x",
    "https://host.example/x?token={0}",
    "https://host.example/?a=1&b={0}",
    "https://host.example/#access_token={0}&state=1",
    "https://host.example/#{0}",
    "/x?sig={0}",
    "x?a=1&access_token={0}",
    "alice:{0}@proxy.example:3128",
    "Authorization: Bearer {0}",
    "authorization: Basic {0}",
    "Authorization: AWS4-HMAC-SHA256 Credential={0}/x, Signature={0}",
    "{{'Authorization': 'Bearer {0}'}}",
    "Bearer {0}",
    "bearer {0}",
    "Cookie: a=b; c={0}",
    "X-Api-Key: {0}",
    '{{"token": "{0}", "a": 1}}',
    "{{'client_secret': '{0}'}}",
    "password = '{0} {0}'",
    "PASSWD={0}",
    "auth={0}",
    "apiKey={0}",
    "userPass={0}",
    "aws_secret_access_key = {0}",
    "AccountKey={0};EndpointSuffix=x",
    "SharedAccessSignature sig={0}",
    "--token {0}",
    "--api-key={0}",
    "token%3D{0}",
    "-----BEGIN RSA PRIVATE KEY-----\n{0}\n{0}\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n{0}",
]
# Nothing of it stands in a shape or in what may surround one.
_LETTERS = "QXZqxz0123456789"
_BARE = st.text(_LETTERS, min_size=16, max_size=40)
_SECRETS = st.text(_LETTERS + "-_.~+%=:,;!$&@", min_size=6, max_size=40).filter(
    lambda text: any(letter in _LETTERS for letter in text)
)
PREFIXED = [
    "hf_{0}", "ghp_{0}", "gho_{0}", "github_pat_{0}_{0}", "npm_{0}", "rf_{0}", "sk_live_{0}",
    "glpat-{0}", "xoxb-{0}-{0}", "nvapi-{0}", "sk-{0}", "sk-proj-{0}", "pypi-{0}", "eyJ{0}.{0}.{0}",
    "AIza{0}0123",
]  # fmt: skip


def leaked(secret, text):
    """The first piece of six characters of the secret that the text holds."""
    pieces = (secret[at : at + 6] for at in range(len(secret) - 5))
    return next((piece for piece in pieces if piece in text), None)


@settings(max_examples=300)
@given(
    st.sampled_from(SHAPES),
    _SECRETS,
    st.sampled_from(["", "no such file: ", "cannot reach '", "x=1, "]),
    st.sampled_from(["", " and so on", "'", "\nnext line"]),
)
def test_no_secret_of_a_known_shape_survives(shape, secret, before, after):
    assert leaked(secret, redacted(f"{before}{shape.format(secret)}{after}")) is None


@given(st.sampled_from(PREFIXED), _BARE, st.sampled_from(["", "x ", "'", "/a/", "a_", "n: "]))
def test_no_token_that_shows_what_it_is_survives(shape, secret, before):
    assert leaked(secret, redacted(f"{before}{shape.format(secret)}' x")) is None


@pytest.mark.parametrize("piece", ["a", "-", "--a-", "key", "token", "https:/a:", "a.b:/", "a:"])
def test_a_long_text_takes_no_time(piece):
    begun = time.process_time()
    redacted(piece * (20_000 // len(piece)))
    assert time.process_time() - begun < 5


@given(_SECRETS)
def test_no_fact_that_is_called_like_a_secret_survives(secret):
    facts = {"plugin.api_token": secret, "AUTH": (secret,), "devices": "cpu", "key": ""}
    assert redacted(facts) == {
        "plugin.api_token": "***", "AUTH": "***", "devices": "cpu", "key": ""
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer.json: can't be read",
        "max_tokens=512, eos tokens: 3",
        "KeyError: 'labels'",
        "unknown key: 'taks'; did you mean 'task'",
        "keypoints=17, author=x, passes=2",
        "rf_detr_base and hf_hub are no tokens, nor is sk-learn",
        "a basic pass over the graph",
        "pip install 'inference-onnx[cpu]>=1!0.1,<1!1'",
        "inference-onnx @ file:///opt/x.whl",
        "/usr/local/cuda/lib64:/opt/x:/opt/y@2/lib",
        "cuda:0, cuda:1 and mps: 2 of 3",
        "fix: device=\"cpu\"",
        "git@host.example:some/repository",
        "at commit 0123456789abcdef0123456789abcdef01234567",
        "http://localhost:8080/a@b",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


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
            "problems", "sources"} == set(report)  # fmt: skip
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
