"""The conformance kit finds what is wrong: the example plugin, broken in one way at a time.

Each variant is an installed distribution of its own (a package and its metadata in a folder that comes
first on the path), and the kit runs on it in a process of its own, as an author would run it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from inference_core import TensorSpec
from inference_core.testing import BackendConformance, Sample
from inference_core.testing.comparison import equal
from inference_core.testing.declaration_checks import _vaguer

EXAMPLE = Path(__file__).parent.parent / "examples" / "inference-example"
PLUGIN, SESSION, OPTIONS, WEIGHTS = "plugin.py", "session.py", "options.py", "weights.py"
METADATA = "METADATA"

TEST = """
import numpy as np
from inference_core.testing import BackendConformance, Sample
from models import expected, write_mlp

class TestConformance(BackendConformance):
    backend = "example"

    def make_sample(self, folder):
        x = np.array([[1, 2], [-3, 0.5], [0, 0]], np.float32)
        return Sample(write_mlp(folder / "mlp.safetensors"), {"x": x}, {"y": expected(x)})
"""


class Variant:
    """A copy of the example, installed in a folder, that can be broken."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        self.package = self.site / "inference_example"
        shutil.copytree(
            EXAMPLE / "src" / "inference_example",
            self.package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        self.info = self.site / "inference_example-0.1.0.dist-info"
        self.info.mkdir()
        project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
        lines = ["Metadata-Version: 2.4", f"Name: {project['name']}"]
        lines += [f"Version: {project['version']}"]
        lines += [f"Requires-Python: {project['requires-python']}"]
        lines += [f"Requires-Dist: {each}" for each in project["dependencies"]]
        (self.info / METADATA).write_text("\n".join(lines) + "\n\n", "utf-8")
        self.replace_entry_point("example = inference_example.plugin")
        shutil.copy(EXAMPLE / "tests" / "conftest.py", folder / "models.py")
        (folder / "test_kit.py").write_text(TEST, "utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        path = (self.info if file == METADATA else self.package) / file
        source = path.read_text("utf-8")
        assert old in source, f"the example's {file} no longer has {old!r}"
        path.write_text(source.replace(old, new), "utf-8")

    def replace_test(self, old: str, new: str) -> None:
        path = self.folder / "test_kit.py"
        source = path.read_text("utf-8")
        assert old in source
        path.write_text(source.replace(old, new), "utf-8")

    def replace_entry_point(self, line: str) -> None:
        text = f"[inference_core.backends]\n{line}\n"
        (self.info / "entry_points.txt").write_text(text, "utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        files = (path.relative_to(self.site) for path in self.site.rglob("*") if path.is_file())
        record = "".join(f"{file.as_posix()},,\n" for file in files)
        (self.info / "RECORD").write_text(record, "utf-8")
        older = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([str(self.site), *([older] if older else [])])
        pytest_ = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider"]
        return subprocess.run(
            [*pytest_, "--rootdir", str(self.folder), "test_kit.py", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )


@pytest.fixture
def variant(tmp_path):
    return Variant(tmp_path)


@dataclass(frozen=True)
class Broken:
    """A mistake, the test that finds it, and what the failure says."""

    test: str
    file: str
    old: str
    new: str
    message: str
    also: tuple[tuple[str, str, str], ...] = ()


IMPORTS = "from __future__ import annotations\n"
PROBE = "    version = _numpy_version()\n    problems"
JUDGE = "    options = request.options or ExampleOptions()\n    reasons"
LOAD = "    mlp = read_mlp(artifact.path)\n"
LACKING = (
    (PLUGIN, 'metadata.version("numpy")', 'metadata.version("pytest")'),
    (PLUGIN, "install_command(REQUIREMENT)", 'install_command("numpi")'),
)
KEPT = ((SESSION, "_DTYPES = {", "kept = []\n_DTYPES = {"),)
TRYING = "    try:\n        mlp = read_mlp(artifact.path)\n    except InvalidModel:\n"
EVERYTHING = ((PLUGIN, JUDGE, f"    return Verdict.accept('cpu')\n{JUDGE}"),)
RUN = "        layers = self._layers\n"
RETURN = '        return {"y": y}\n'


def first(lines: str, before: str) -> str:
    """`lines` put before the line(s) `before`."""
    return lines + before


BROKEN = [
    # the distribution
    Broken("the_core_requirement_is_bounded", METADATA, ",<1!1", "",
           "admits versions of inference-core that were never tried"),
    Broken("the_core_requirement_is_bounded", METADATA, "inference-core>=1!0.1,<1!1",
           "inference-core<1,>=0.1", "with the epoch 1!"),
    Broken("no_requirement_points_to_a_file", METADATA, "numpy>=1.26",
           "numpy @ file:///home/me/numpy.whl", "which others can't install"),
    Broken("the_package_is_marked_as_typed", "py.typed", "", "", "no inference_example/py.typed"),
    Broken("the_python_version_is_stated", METADATA, "Requires-Python: >=3.11\n", "",
           "doesn't say which Python"),
    Broken("the_plugin_api_is_a_literal", PLUGIN, "PLUGIN_API = 1",
           "from inference_core import PLUGIN_API", "doesn't state it as a number"),
    Broken("the_runtime_is_required", METADATA, "Requires-Dist: numpy>=1.26\n", "",
           "runs on numpy, which its metadata doesn't require"),
    # before a model is loaded
    Broken("importing_the_entry_point_loads_nothing_heavy", PLUGIN, IMPORTS,
           IMPORTS + "import numpy\n", "imports numpy"),
    Broken("importing_the_entry_point_has_no_effects", PLUGIN, IMPORTS,
           IMPORTS + "import threading\nthreading.Timer(0.1, print).start()\n", "starts a thread"),
    Broken("importing_the_entry_point_has_no_effects", PLUGIN, IMPORTS,
           IMPORTS + "import ctypes\nctypes.CDLL(None)\n", "loads the native library"),
    Broken("probing_imports_no_framework", PLUGIN, PROBE, first("    import numpy\n", PROBE),
           "probe_environment on this machine imports numpy"),
    Broken("probing_has_no_effects", PLUGIN, PROBE,
           first("    import os\n    os.environ['OMP_NUM_THREADS'] = '1'\n", PROBE),
           "sets the environment variable OMP_NUM_THREADS"),
    Broken("probing_answers_on_any_machine", PLUGIN, PROBE,
           first("    environment.cpu.features[1]\n", PROBE), "raised IndexError"),
    Broken("importing_the_entry_point_loads_nothing_heavy", PLUGIN, PROBE,
           first("    import os\n    os._exit(3)\n", PROBE), "ended with exit status 3"),
    Broken("probing_here_reports_the_device", PLUGIN, '() if problems else ("cpu",)', "()",
           "accepts the sample for cpu, but probe_environment reports"),
    Broken("facts_do_not_collide", PLUGIN, '{"numpy": version}', '{"os": version}',
           "the facts os are reported"),
    Broken("it_answers_without_its_runtime", PLUGIN, 'try:\n        return metadata.version("numpy")',
           'return metadata.version("pytest")\n    try:\n        pass', "raised PackageNotFoundError"),
    Broken("it_answers_without_its_runtime", PLUGIN,
           'return BackendReport("numpy", version,', 'return BackendReport("pytest", None,',
           "pytest isn't installed, and probe doesn't say so"),
    Broken("it_answers_without_its_runtime", PLUGIN, 'return BackendReport("numpy",',
           'return BackendReport("pytest",', "the fix of probe doesn't install it", LACKING),
    Broken("it_answers_without_its_runtime", PLUGIN, 'return BackendReport("numpy",',
           'return BackendReport("pytest",', "device='kitdevice:3' gets only that reason",
           (LACKING[0], (PLUGIN, 'install_command(REQUIREMENT)', 'install_command("pytest")'),
            (PLUGIN, JUDGE, f"    if missing := [*_numpy_problems(False)]:\n"
                            f"        return Verdict.reject(*missing)\n{JUDGE}"))),
    Broken("importing_the_entry_point_has_no_effects", PLUGIN, IMPORTS,
           IMPORTS + "import signal\nsignal.signal(signal.SIGINT, print)\n",
           "sets a signal handler"),
    Broken("importing_the_entry_point_has_no_effects", PLUGIN, IMPORTS,
           IMPORTS + "import logging\nlogging.basicConfig()\n", "sets up logging"),
    Broken("importing_the_entry_point_has_no_effects", PLUGIN, IMPORTS,
           IMPORTS + "import warnings\nwarnings.simplefilter('ignore')\n",
           "sets filters of warnings"),
    Broken("probing_has_no_effects", PLUGIN, PROBE, first("    print('probing')\n", PROBE),
           "prints 'probing'"),
    Broken("probing_reads_little", PLUGIN, PROBE,
           first("    open('/dev/zero', 'rb').read(20 << 20)\n", PROBE), r"reads 2\d MiB"),
    # can_load
    Broken("a_verdict_never_raises", PLUGIN, "except InvalidModel as error",
           "except KeyError as error", "can_load of inference-example 0.1.0 raised InvalidModel"),
    Broken("a_verdict_is_the_same", PLUGIN, JUDGE,
           first("    import time\n    if time.perf_counter_ns() % 10000 != 1:\n"
                 "        return Verdict.reject(Reason('error', f'no luck at "
                 "{time.perf_counter_ns()} today')) if artifact.facts == {} else "
                 "Verdict.accept('cpu')\n", JUDGE), "and the second time"),
    Broken("a_verdict_has_no_effects", PLUGIN, JUDGE,
           first("    artifact.path.with_name('cache').write_text('seen')\n", JUDGE)
           .replace("    artifact", "    import os, tempfile\n    artifact", 1)
           .replace("artifact.path.with_name('cache').write_text('seen')",
                    "os.close(tempfile.mkstemp()[0])"), "writes the file"),
    Broken("a_verdict_imports_no_framework", PLUGIN, JUDGE, first("    import numpy\n", JUDGE),
           "can_load imports numpy"),
    Broken("a_verdict_reads_no_weights", PLUGIN, JUDGE,
           first("    open('/dev/zero', 'rb').read(70 << 20)\n", JUDGE), r"can_load reads 7\d MiB"),
    Broken("a_verdict_has_no_effects", PLUGIN, JUDGE,
           first("    artifact.facts['seen'] = True\n", JUDGE), "changes the artifact"),
    Broken("a_verdict_reads_no_weights", PLUGIN, JUDGE,
           first("    if artifact.path.is_file():\n        artifact.path.open('rb').read(80 << 20)\n",
                 JUDGE), r"asked about a file of a gigabyte, can_load reads 8\d MiB"),
    Broken("an_acceptance_names_a_device", PLUGIN, 'if request.device not in (None, "cpu"):',
           'if request.device not in (None, "cpu", "cuda:7"):', "can_load accepts for cuda:7",
           ((PLUGIN, 'Verdict.accept("cpu")', 'Verdict.accept(request.device or "cpu")'),)),
    Broken("an_acceptance_names_a_device", PLUGIN,
           'if reasons else Verdict.accept("cpu")',
           'if reasons else Verdict.accept("cuda:0" if environment.cuda_driver else "cpu")',
           "asked about a driver without GPU, device=None, can_load accepts for cuda:0"),
    Broken("another_format_is_refused", PLUGIN, 'if artifact.format != "safetensors":', "if False:",
           "an artifact of the format 'kit-format' gets the verdict accept"),
    Broken("an_unknown_device_is_refused", PLUGIN, 'if request.device not in (None, "cpu"):',
           "if False:", "device='kitdevice:3' gets the verdict"),
    Broken("a_verdict_has_all_its_reasons", PLUGIN,
           "return Verdict.reject(*reasons) if", "return Verdict.reject(*reasons[:1]) if",
           "missing: precision"),
    Broken("every_refusal_says_why", PLUGIN, 'f"numpy has no {request.device}"', '"no"',
           "a reason says only 'no'"),
    Broken("every_refusal_says_why", PLUGIN,
           "return Verdict.reject(*reasons) if", "return Verdict.reject() if",
           "can_load refuses without a reason"),
    Broken("a_hostile_requires_changes_nothing", PLUGIN,
           "reasons = [*_artifact_reasons(artifact, options),",
           "reasons = [*(Reason('requirement', f'wants {n} here') for n in artifact.requires), "
           "*_artifact_reasons(artifact, options),",
           "with a `requires` that makes no sense the verdict is reject"),
    Broken("damaged_files_fail_to_load", WEIGHTS, "if offset != size:", "if False:",
           "load gives a session for a file without its last tenth",
           ((SESSION, "if len(values) < count:", "values = np.resize(values, count)\n    if False:"),)),
    Broken("damaged_files_fail_to_load", PLUGIN, LOAD,
           TRYING + "        raise InvalidModel('it is bad') from None\n",
           "loading a missing file raises .* doesn't name the file", EVERYTHING),
    Broken("damaged_files_fail_to_load", PLUGIN, LOAD,
           TRYING + "        __import__('os').abort()\n",
           "loading a missing file ended the process: it was killed by signal 6", EVERYTHING),
    Broken("damaged_files_fail_to_load", PLUGIN, LOAD,
           "    if artifact.path in KNOWN:\n        return KNOWN[artifact.path]\n" + LOAD,
           "load gives a session for a file that was whole when it was loaded before",
           (*EVERYTHING, (PLUGIN, "PLUGIN_API = 1", "PLUGIN_API = 1\nKNOWN = {}"),
            (PLUGIN, "    return MlpSession(artifact.path, mlp, activation)",
             "    KNOWN[artifact.path] = MlpSession(artifact.path, mlp, activation)\n"
             "    return KNOWN[artifact.path]"))),
    # load and predict
    Broken("the_sample_is_answered_as_expected", SESSION, '["x"] @ weight + bias',
           '["x"] @ weight', "the sample's answer, 'y', is"),
    Broken("the_hooks_alone_answer_the_same", PLUGIN, "return session.run(inputs)",
           "return {'z': session.run(inputs)['y']}", "no 'y'"),
    Broken("the_session_declares_what_core_needs", SESSION, "thread_safe = True",
           "thread_safe = 'yes'", "session.thread_safe is 'yes'"),
    Broken("the_session_declares_what_core_needs", SESSION, "    task = None", "    task = 'mlp'",
           "session.task is 'mlp'"),
    Broken("the_session_runs_where", SESSION, 'device = "cpu"', 'device = "npu:0"',
           "can_load accepted for cpu, and session.device is npu:0"),
    Broken("inputs_and_outputs_are_declared", SESSION,
           'self.inputs = (TensorSpec("x", "float32", (None, mlp.layers[0][0].shape[1])),)',
           "self.inputs = ()", "session.inputs is empty"),
    Broken("outputs_have_the_declared", SESSION, RETURN,
           '        return {"y": y.astype(np.float64)}\n', r"output 'y' is float64\(3, 1\)"),
    Broken("outputs_have_the_declared", SESSION, '(TensorSpec("y",', '(TensorSpec("z",',
           r"predict returns \['y'\], and session.outputs declares \['z'\]"),
    Broken("a_wrong_input_is_named", SESSION,
           '(TensorSpec("x", "float32", (None, mlp.layers[0][0].shape[1])),)', "()",
           "the sample gives the input 'x', and session.inputs doesn't declare it"),
    Broken("another_input_gets_an_answer", SESSION, RETURN,
           "        self.first = getattr(self, 'first', y)\n        return {'y': self.first.copy()}\n",
           "answers another input with something else"),
    Broken("open_batches_may_have_any_size", SESSION, RUN,
           first("        if len(inputs['x']) != 3:\n            raise ValueError('not 3')\n", RUN),
           "leaves the first axis open, but 1 rows raise"),
    Broken("open_batches_may_have_any_size", SESSION, RETURN,
           "        y = y + 1 if len(y) > 3 else y\n" + RETURN, "with 4 rows instead of 3"),
    Broken("inputs_may_be_read_only", SESSION, RUN, first('        inputs["x"] *= 1\n', RUN),
           "read-only"),
    Broken("inputs_are_left_as_they_are", SESSION, RETURN,
           '        inputs["x"][...] = 0\n' + RETURN, "changes the caller's input 'x'"),
    Broken("outputs_belong_to_the_caller", SESSION, RETURN,
           "        self.last = getattr(self, 'last', y)\n        self.last[...] = y\n"
           '        return {"y": self.last}\n', "overwrites the output 'y'"),
    Broken("two_sessions_live_side_by_side", SESSION, "        self._layers = []",
           "        import inference_example.session as shared\n"
           "        shared.CLOSED = True\n        self._layers = []\n",
           "closing one session breaks another",
           ((SESSION, RUN, "        layers = [] if CLOSED else self._layers\n"),
            (SESSION, "_DTYPES = {", "CLOSED = False\n_DTYPES = {"))),
    Broken("threads_may_call_as_declared", SESSION, RUN,
           "        import time\n        mine = self.last = object()\n"
           "        time.sleep(0.002)\n        if self.last is not mine:\n"
           "            raise RuntimeError('mixed up')\n" + RUN,
           "4 threads at once fail: .*mixed up"),
    # options
    Broken("a_load_option_of_a_wrong_type", OPTIONS, "activation: Activation | None = None",
           "activation: object = None", "the load option activation takes any object"),
    Broken("load_options_are_documented", OPTIONS,
           '    """Options of the example backend.', '    __doc__ = None\n    """Options of',
           "doesn't mention activation"),
    Broken("load_options_are_documented", OPTIONS, "activation: what stands", "what stands",
           "doesn't mention activation"),
    # what stays
    Broken("closing_twice_does_nothing_more", SESSION, "        self._layers = []",
           "        del self._layers", r"the second close\(\) raises AttributeError"),
    Broken("a_closed_session_answers_no_more", SESSION, "        self._layers = []", "        pass",
           "predict answers after close"),
    Broken("what_was_loaded_is_given_back", SESSION, "        self.metadata = mlp.metadata",
           "        kept.append(np.ones(100_000))\n        self.metadata = mlp.metadata",
           "MiB of memory", KEPT),
    Broken("what_was_loaded_is_given_back", SESSION, "        self.metadata = mlp.metadata",
           "        kept.append(open(path, 'rb'))\n        self.metadata = mlp.metadata",
           "50 open files", KEPT),
    Broken("what_was_loaded_is_given_back", SESSION, "        self.metadata = mlp.metadata",
           "        kept.append(self)\n        self.metadata = mlp.metadata",
           "a closed session stays alive", KEPT),
    Broken("what_was_loaded_is_given_back", SESSION, RETURN,
           "        kept.append(np.ones(100_000))\n" + RETURN, "MiB of memory", KEPT),
    Broken("what_was_loaded_is_given_back", SESSION, RETURN,
           "        import threading\n        stop = threading.Event()\n"
           "        threading.Thread(target=stop.wait, daemon=True).start()\n" + RETURN,
           "50 threads"),
    Broken("the_deep_probe_tries_the_runtime", PLUGIN, "(np.eye(2) @ np.ones((2, 2)) == 1).all()",
           "False", "numpy multiplies wrongly"),
    Broken("the_deep_probe_tries_the_runtime", PLUGIN, "elif deep:", "elif False:",
           "without importing numpy"),
]  # fmt: skip


def test_the_example_itself_passes(variant):
    run = variant.run()
    assert run.returncode == 0, run.stdout + run.stderr
    passed = int(re.search(r"(\d+) passed", run.stdout)[1])
    assert passed >= 40


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: f"{each.test}-{each.new[:24]!r}")
def test_a_broken_plugin_fails_with_what_to_change(variant, broken):
    if broken.file == "py.typed":
        (variant.package / "py.typed").unlink()
    else:
        variant.replace(broken.file, broken.old, broken.new)
    for change in broken.also:
        variant.replace(*change)
    run = variant.run("-k", broken.test)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "What to change:" in run.stdout
    assert re.search(broken.message, run.stdout), run.stdout


# Checks that need more than a changed line of the example, and the tests below that break them.
ELSEWHERE = {
    "test_the_entry_point_loads_from_a_built_wheel",
    "test_the_wheel_holds_all_of_the_package",
    "test_declared_inputs_and_outputs_agree_with_the_facts",
    "test_a_misspelt_load_option_is_named",
    "test_a_misspelt_option_of_a_call_is_named",
    "test_a_resolution_explains_a_misspelt_option",
    "test_a_stream_can_be_read_and_closed",
}


def test_every_check_is_broken_by_something():
    checks = {name for name in dir(BackendConformance) if name.startswith("test_")}
    broken = {check for check in checks for each in BROKEN if check.startswith(f"test_{each.test}")}
    assert checks - broken == ELSEWHERE


@pytest.mark.parametrize("lacking", ["session.py", "options.py"])
def test_a_wheel_without_a_module_is_found(variant, lacking):
    """In an editable installation everything works; the wheel that users get lacks a file."""
    project = variant.folder / "project"
    shutil.copytree(EXAMPLE, project)
    table = (project / "pyproject.toml").read_text("utf-8")
    table = table.replace(
        "[tool.hatch.build.targets.wheel]",
        f'[tool.hatch.build.targets.wheel]\nexclude = ["{lacking}"]',
    )
    (project / "pyproject.toml").write_text(table, "utf-8")
    record = {"url": project.as_uri(), "dir_info": {"editable": True}}
    (variant.info / "direct_url.json").write_text(json.dumps(record), "utf-8")
    run = variant.run("-k", "wheel")
    assert run.returncode == 1, run.stdout
    assert f"the wheel lacks inference_example/{lacking}" in run.stdout
    if lacking == "options.py":  # imported by the entry point
        assert "doesn't load from the wheel" in run.stdout


def test_a_backend_for_hardware_that_is_not_here_skips_what_needs_it(variant):
    reason = "Reason('device', 'this machine has no kit accelerator')"
    variant.replace(PLUGIN, JUDGE, f"    return Verdict.reject({reason})\n{JUDGE}")
    run = variant.run("-rs")
    assert run.returncode == 0, run.stdout
    assert "can't run its sample on this machine: this machine has no kit accelerator" in run.stdout
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) >= 20


def test_a_sample_with_load_options_blames_nobody_for_what_core_imports(variant):
    variant.replace_test(
        '{"y": expected(x)})', '{"y": expected(x)}, options={"activation": "relu"})'
    )
    run = variant.run("-k", "verdict or option")
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (SESSION, RUN, "        __import__('time').sleep(600)\n" + RUN, "predict ends the process"),
        (PLUGIN, LOAD, "    __import__('os').abort()\n" + LOAD, "load ends the process"),
        (
            SESSION,
            RUN,
            "        import os\n        os._exit(0)\n" + RUN,
            "predict ends the process",
        ),
    ],
)
def test_a_hang_or_crash_is_a_failure_in_words(variant, file, old, new, message):
    variant.replace(file, old, new)
    variant.replace_test('backend = "example"', 'backend = "example"; timeout = 10')
    run = variant.run("-k", "answered")
    assert run.returncode == 1, run.stdout
    assert message in run.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{"x": x}', "[1, 2]", "the sample's inputs are [1, 2]"),
        ('{"x": x}', '{"x": [1.0]}', "make them a mapping of numpy arrays by name"),
        ('write_mlp(folder / "mlp.safetensors")', 'folder / "none"', "make_sample wrote no"),
        ("return Sample(", "raise OSError('full') or (", "OSError: full"),
        ("return Sample(", "return (", "make_sample returned tuple"),
        ('backend = "example"', 'backend = "exmaple"', "has the entry point 'exmaple'"),
        ('backend = "example"', "pass", "doesn't say which backend it is about"),
        ("make_sample(self", "makesample(self", "doesn't supply a sample"),
    ],
)
def test_a_mistake_of_the_test_class_is_told_once(variant, old, new, message):
    variant.replace_test(old, new)
    run = variant.run("-rsfE", "-k", "answered or verdict")
    assert run.returncode == 1, run.stdout
    assert message in run.stdout
    assert len(re.findall(r"^(?:FAILED|ERROR) ", run.stdout, re.MULTILINE)) == 1, run.stdout
    assert "there is nothing to check" in run.stdout


@dataclass(frozen=True)
class Found:
    """A result, as task backends return them."""

    labels: tuple[str, ...]
    scores: np.ndarray


def test_results_are_compared_field_by_field():
    sample = Sample(Path("m"), None, None, atol=1e-3)
    one = Found(("a",), np.array([0.5, 0.25]))
    assert equal(sample, one, Found(("a",), np.array([0.5004, 0.25])))
    assert not equal(sample, one, Found(("a",), np.array([0.51, 0.25])))
    assert not equal(sample, one, Found(("b",), one.scores))
    assert not equal(sample, one, Found(("a",), one.scores[:1]))
    assert equal(sample, {"t": [1.0, "x"]}, {"t": (1.0004, "x")})
    assert not equal(sample, {"t": [1.0, "x"]}, {"t": [1.0]})
    assert not equal(sample, "text", b"text")


@pytest.mark.parametrize(
    ("declared", "vaguer"),
    [
        (TensorSpec("x", "float32", (None, 3)), False),
        (TensorSpec("x", "float32", (1, 3)), False),
        (TensorSpec("x", "any", (None, 3)), True),
        (TensorSpec("x", "float32", None), True),
        (TensorSpec("x", "float32", (None, None)), True),
    ],
)
def test_a_session_must_not_say_less_than_its_file(declared, vaguer):
    assert _vaguer(declared, TensorSpec("x", "float32", (None, 3))) is vaguer


TASK_TEST = """
from inference_core.testing import BackendConformance, Sample

class TestConformance(BackendConformance):
    backend = "echo"

    def make_sample(self, folder):
        (folder / "echo.txt").write_text("echo")
        (folder / "model.json").write_text(MANIFEST)
        return Sample(folder, "a b", "A B", parameters={"times": 1}, stream=True, loadable=ANY)

ANY = ("an empty file", "a file cut in half", "a file cut after 16 bytes", "a web page",
       "a file without its last tenth", "random bytes", "a git-lfs pointer",
       "a file that was whole when it was loaded before")
ARTIFACT = '{"format": "echo", "parts": {"model": "echo.txt"}}'
MANIFEST = '{"schema_version": 1, "name": "echo", "artifacts": [%s]}' % ARTIFACT
"""

TASK = """
from dataclasses import dataclass
from inference_core import BackendReport, InvalidModel, ModelClosed, Reason, Verdict, hookimpl

PLUGIN_API = 1
KIND = "task"

@dataclass(frozen=True)
class CallOptions:
    times: int = 1
    stream: bool = False

class Session:
    inputs, outputs, metadata, task, device = (), (), {}, "echo", "cpu"
    thread_safe, device_arrays, call_options = True, None, CallOptions
    open = True

    def close(self):
        self.open = False

@hookimpl
def probe_environment():
    return BackendReport(devices=("cpu",))

@hookimpl
def can_load(artifact, request):
    reasons = []
    if artifact.format != "echo":
        return Verdict.reject(Reason("format", "echo runs echo files only"))
    if not artifact.path.is_file() if len(str(artifact.path)) < 3000 else True:
        reasons.append(Reason("format", "there is no such file"))
    if request.device not in (None, "cpu"):
        reasons.append(Reason("device", "echo has no such device"))
    return Verdict.reject(*reasons) if reasons else Verdict.accept("cpu")

@hookimpl
def load(artifact):
    return Session()

@hookimpl
def predict(session, inputs, options):
    if not session.open:
        raise ModelClosed("closed")
    words = inputs.upper().split() * options["times"]
    return (word for word in words) if options["stream"] else " ".join(words)
"""


@pytest.fixture
def task(variant):
    """A task backend that streams, in place of the example."""
    (variant.package / "echo.py").write_text(TASK, "utf-8")
    variant.replace_entry_point("echo = inference_example.echo")
    (variant.folder / "test_kit.py").write_text(TASK_TEST, "utf-8")
    return variant


def test_a_task_backend_passes(task):
    run = task.run("-rs")
    assert run.returncode == 0, run.stdout
    assert "the sample doesn't stream" not in run.stdout


@pytest.mark.parametrize(
    ("test", "old", "new", "message"),
    [
        ("a_misspelt_option_of_a_call", "call_options = True, None, CallOptions",
         "kit = True, None, None", "is taken without an error"),
        ("a_stream_can_be_read", "(word for word in words) if", "(word for word in ()) if",
         "stream=True gives nothing"),
        ("the_sample_is_answered", ".upper()", "", "the sample's answer is"),
        ("the_session_declares", '"echo", "cpu"', 'None, "cpu"', "session.task is None"),
    ],
)  # fmt: skip
def test_a_broken_task_backend_fails_with_what_to_change(task, test, old, new, message):
    task.replace("echo.py", old, new)
    if "kit =" in new:
        task.replace("echo.py", 'options["times"]', 'options.get("times", 1)')
        task.replace("echo.py", 'options["stream"]', 'options.get("stream")')
    run = task.run("-k", test)
    assert run.returncode == 1, run.stdout
    assert "What to change:" in run.stdout
    assert message in run.stdout
