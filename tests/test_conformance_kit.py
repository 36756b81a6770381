"""The conformance kit finds what is wrong: the example plugin, broken in one way at a time.

Each variant is an installed distribution of its own (a package and its metadata in a folder that comes
first on the path), and the kit runs on it in a process of its own, as an author would run it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

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
        (self.info / "entry_points.txt").write_text(
            "[inference_core.backends]\nexample = inference_example.plugin\n", "utf-8"
        )
        shutil.copy(EXAMPLE / "tests" / "conftest.py", folder / "models.py")
        (folder / "test_kit.py").write_text(TEST, "utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        path = (self.info if file == METADATA else self.package) / file
        source = path.read_text("utf-8")
        assert old in source, f"the example's {file} no longer has {old!r}"
        path.write_text(source.replace(old, new), "utf-8")

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
    Broken("the_hooks_are_documented", PLUGIN,
           '    """Arrays by output name from arrays by input name."""\n', "",
           "the hooks predict have no docstring"),
    # before a model is loaded
    Broken("importing_the_entry_point_loads_nothing_heavy", PLUGIN, IMPORTS,
           IMPORTS + "import numpy\n", "imports numpy"),
    Broken("importing_the_entry_point_has_no_effects", PLUGIN, IMPORTS,
           IMPORTS + "import threading\nthreading.Timer(0.1, print).start()\n", "starts a thread"),
    Broken("importing_the_entry_point_has_no_effects", PLUGIN, IMPORTS,
           IMPORTS + "import ctypes\nctypes.CDLL(None)\n", "loads a native library"),
    Broken("probing_imports_no_framework", PLUGIN, PROBE, first("    import numpy\n", PROBE),
           "probe_environment on this machine imports numpy"),
    Broken("probing_has_no_effects", PLUGIN, PROBE,
           first("    import os\n    os.environ['OMP_NUM_THREADS'] = '1'\n", PROBE),
           "sets an environment variable 'OMP_NUM_THREADS'|sets an environment variable b'OMP"),
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
                    "os.close(tempfile.mkstemp()[0])"), "writes a file"),
    Broken("a_verdict_imports_no_framework", PLUGIN, JUDGE, first("    import numpy\n", JUDGE),
           "can_load imports numpy"),
    Broken("a_verdict_reads_no_weights", PLUGIN, JUDGE,
           first("    open('/dev/zero', 'rb').read(70 << 20)\n", JUDGE), r"can_load reads 7\d MiB"),
    Broken("an_acceptance_names_a_device", PLUGIN,
           'if reasons else Verdict.accept("cpu")',
           'if reasons else Verdict.accept("cuda:0" if environment.cuda_driver else "cpu")',
           "on a driver without GPU, device=None, can_load accepts for cuda:0"),
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
    # load and predict
    Broken("the_sample_is_answered_as_expected", SESSION, '["x"] @ weight + bias',
           '["x"] @ weight', "output 'y' is"),
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
           "4 threads at once get wrong answers: .*mixed up"),
    # options
    Broken("a_load_option_of_a_wrong_type", OPTIONS, "activation: Activation | None = None",
           "activation: object = None", "the load option activation takes any object"),
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
    Broken("the_deep_probe_passes", PLUGIN, "(np.eye(2) @ np.ones((2, 2)) == 1).all()", "False",
           "numpy multiplies wrongly"),
]  # fmt: skip


def test_the_example_itself_passes(variant):
    run = variant.run()
    assert run.returncode == 0, run.stdout + run.stderr
    passed = int(re.search(r"(\d+) passed", run.stdout)[1])
    assert passed >= 35


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
