"""What the kit runs in processes of its own.

    python -m inference_core.testing.child SCENARIO PLAN STEPS

A scenario yields one mapping per step; each is written to the file STEPS at once, after a line that
says which step begins, so that what ends the process is known. Nothing here imports pytest or, before
the plugin does, numpy.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inference_core import configuration, discovery, machine
from inference_core.arguments import build_options
from inference_core.backend import Backend, open_backends
from inference_core.environment import Cpu, Environment, Gpu
from inference_core.package import PRECISIONS, Artifact, Request
from inference_core.readers import read_package
from inference_core.recognition import recognised
from inference_core.resolver import Resolver, Wish
from inference_core.session import Session
from inference_core.sources import locate
from inference_core.testing.hostile import hostile_variants
from inference_core.testing.watch import Watch
from inference_core.verdict import Verdict

Plan = Mapping[str, Any]
Step = dict[str, Any]

# A device that no machine has.
NO_DEVICE = "kitdevice:3"
DEVICES = (None, "cpu", "cuda", "cuda:7", "mps", NO_DEVICE)
WARM_UP, ROUNDS = 10, 50
_LIGHT = {"inference_core", "packaging", "platformdirs", "pluggy"}
_CPU = Cpu("Kit CPU", 4, 8, ("avx2", "fma"))
_GIB = 2**30
MACHINES = {
    "a CPU": Environment("linux", "6.1", "x86_64", "3.11.9", _CPU, 8 * _GIB),
    "two GPUs": Environment(
        "linux", "6.1", "x86_64", "3.11.9", _CPU, 64 * _GIB, "560.35.03", "12.6",
        (Gpu(0, "Kit GPU", 24 * _GIB, "8.9"), Gpu(1, "Old kit GPU", 8 * _GIB, "6.1")),
    ),
    "a driver without GPU": Environment(
        "linux", "6.1", "x86_64", "3.11.9", _CPU, 8 * _GIB, "560.35.03", "12.6"
    ),
    "a Jetson": Environment(
        "linux", "5.15", "aarch64", "3.11.9", Cpu("", 6, 6, ("neon",)), 8 * _GIB, "540.4", "12.6",
        (Gpu(0, "Orin", 0, "8.7"),), "36.4",
    ),
    "a Mac": Environment("macos", "15.1", "arm64", "3.12.1", Cpu("", 8, 8, ("neon",)), 16 * _GIB),
    "Windows": Environment("windows", "11", "x86_64", "3.13.0", _CPU, 16 * _GIB),
    "an unknown system": Environment("", "", "", "3.11.9", Cpu("", 0, 0, ()), 0),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Opened:
    """The backend and its sample, as in `subject.Subject`, without numpy.

    `first` is what judging it for the first time did, counted from before the plugin was imported.
    """

    backend: Backend
    artifact: Artifact
    environment: Environment
    request: Request
    first: Watch

    def load(self) -> Session:
        return self.backend.load(self.artifact, self.environment, self.request)


def _opened(plan: Plan) -> _Opened:
    # Core itself imports pydantic, for manifests and options; the plugin isn't to be blamed for it.
    import pydantic  # noqa: F401

    settings, environment = configuration.read(), machine.current()
    request = Request(backend=plan["backend"], allow_code=plan["allow_code"])
    package = recognised(read_package(locate(Path(plan["model"]), settings), settings), settings)
    with Watch() as first:
        resolver = Resolver(environment, settings, Wish(request, plan["options"]))
        accepted = resolver.resolve(plan["model"], package).accepted
    artifact = next((each.artifact for each in accepted if each.artifact), package.artifacts[0])
    backend = resolver.backend(plan["backend"])
    if backend.kind == "tensor":
        artifact = artifact.part(next(iter(artifact.parts)))
    return _Opened(backend, artifact, environment, resolver.request_for(backend), first)


def probe(plan: Plan) -> Iterator[Step]:
    """Import the entry point, then probe several machines."""
    yield {"begin": "import"}
    with Watch() as watch:
        importlib.import_module(plan["module"])
    yield _step("import", watch)
    ((_, backend),) = open_backends(configuration.read(), plan["backend"])
    if not isinstance(backend, Backend):
        yield {"step": "refused", "message": backend.message, "fix": backend.fix}
        return
    for name, environment in {"this machine": machine.current(), **MACHINES}.items():
        yield {"begin": name}
        with Watch() as watch:
            report = backend.probe_again(environment)
        taken = sorted(set(report.facts) & set(environment.facts("cuda")))
        yield _step(
            name,
            watch,
            problems=[(r.code, r.message, r.fix) for r in report.problems],
            runtime=report.runtime,
            version=report.runtime_version,
            devices=report.devices,
            taken=taken,
        )


def verdicts(plan: Plan) -> Iterator[Step]:
    """Ask can_load about the sample in many ways, and about damaged variants of it."""
    yield {"begin": "the sample, for the first time"}
    opened = _opened(plan)
    yield _step("the sample, for the first time", opened.first)
    yield {"begin": "the sample"}
    yield _judged("the sample", opened, opened.artifact, opened.environment, opened.request)
    for name, environment in MACHINES.items():
        for device in (None, "cuda"):
            case = f"{name}, device={device!r}"
            yield {"begin": case}
            request = replace(opened.request, device=device)
            step = _judged(case, opened, opened.artifact, environment, request)
            offered = step["device"] and environment.device_problem(step["device"])
            yield {**step, "absent": offered.message if offered else None}
    for device in DEVICES:
        for precision in (None, *PRECISIONS):
            case = f"device={device!r}, precision={precision!r}"
            yield {"begin": case}
            request = replace(opened.request, device=device, precision=precision)
            yield _judged(case, opened, opened.artifact, opened.environment, request)
    yield {"begin": "allow_code=False"}
    request = replace(opened.request, allow_code=False, device=NO_DEVICE)
    yield _judged("allow_code=False", opened, opened.artifact, opened.environment, request)
    odd: dict[str, dict[str, Any]] = {
        "another format": {"format": "kit-format"},
        "no facts": {"facts": {}},
        "empty facts": {"facts": {role: {} for role in opened.artifact.parts}},
        "a hostile requires": {"requires": {"": [], "kit.fact": ">=no version", "k" * 9999: "==1"}},
    }
    for name, change in odd.items():
        yield {"begin": name}
        artifact = replace(opened.artifact, **change)
        yield _judged(name, opened, artifact, opened.environment, opened.request)
    role, path = next(iter(opened.artifact.parts.items()))
    for variant in hostile_variants(path, Path(plan["scratch"], "verdicts")):
        for facts, how in ((opened.artifact.facts, ""), ({}, " without facts")):
            case = variant.name + how
            yield {"begin": case}
            artifact = replace(opened.artifact, parts={role: variant.path}, facts=facts)
            yield _judged(case, opened, artifact, opened.environment, opened.request)


def loads(plan: Plan) -> Iterator[Step]:
    """Load the damaged variants that can_load accepts, which must raise."""
    opened = _opened(plan)
    role, path = next(iter(opened.artifact.parts.items()))
    for variant in hostile_variants(path, Path(plan["scratch"], "loads")):
        yield {"begin": variant.name}
        artifact = replace(opened.artifact, parts={role: variant.path})
        verdict = opened.backend.can_load(artifact, opened.environment, opened.request)
        step: Step = {"step": variant.name, "path": str(variant.path), "may": variant.loads}
        if verdict.status == "accept":
            try:
                session = opened.backend.load(artifact, opened.environment, opened.request)
                session.close()
                step["loaded"] = True
            except Exception as error:  # noqa: BLE001 - what a plugin raises is the question
                step["error"] = f"{type(error).__name__}: {error}"
        yield step


def rounds(plan: Plan) -> Iterator[Step]:
    """Load and close many times; count what stays."""
    opened = _opened(plan)
    yield {"begin": "warming up"}
    for _ in range(WARM_UP):
        opened.load().close()
    tracemalloc.start()
    gc.collect()
    before = _held()
    yield {"begin": "loading and closing"}
    for _ in range(ROUNDS):
        opened.load().close()
    gc.collect()
    after = _held()
    tracemalloc.stop()
    yield {"step": "rounds", **{name: after[name] - before[name] for name in after}}
    yield {"begin": "letting go of a session"}
    session = opened.load()
    try:
        reference: Callable[[], object] = weakref.ref(session)
    except TypeError:  # it has __slots__ without __weakref__
        return
    session.close()
    del session
    gc.collect()
    yield {"step": "letting go of a session", "kept": reference() is not None}


def after_close(plan: Plan) -> Iterator[Step]:
    """Predict with a closed session; it must raise, not answer or crash."""
    opened = _opened(plan)
    session, predict = opened.load(), opened.backend.predict()
    inputs, options = _call(plan, session)
    predict(session, inputs, options)
    session.close()
    session.close()
    yield {"begin": "predict after close"}
    step: Step = {"step": "predict after close"}
    try:
        predict(session, inputs, options)
        step["answered"] = True
    except Exception as error:  # noqa: BLE001 - what a plugin raises is the question
        step["error"] = f"{type(error).__name__}: {error}"
    yield step


def without_runtime(plan: Plan) -> Iterator[Step]:
    """Import, probe and judge where only core and the plugin itself are installed."""
    yield {"begin": "importing the entry point"}
    importlib.import_module(plan["module"])
    opened = _opened(plan)
    yield {"begin": "probe_environment"}
    report = opened.backend.probe_again(opened.environment)
    yield {
        "step": "probe_environment",
        "problems": [(r.code, r.message, r.fix) for r in report.problems],
        "runtime": report.runtime,
        "here": report.runtime is None or _is_installed(report.runtime),
    }
    yield {"begin": "can_load"}
    verdict = opened.backend.can_load(opened.artifact, opened.environment, opened.request)
    yield {"step": "can_load", **_plain(verdict)}


def unpacked(plan: Plan) -> Iterator[Step]:
    """Load the entry point of an unpacked wheel that comes first on the path."""
    yield {"begin": "loading the entry point"}
    found = discovery.plugins("backends", only=(plan["backend"],))
    module = sys.modules.get(plan["module"])
    yield {
        "step": "entry point",
        "failures": [plugin.failure.message for plugin in found if plugin.failure],
        "count": len(found),
        "file": getattr(module, "__file__", None),
    }


SCENARIOS: dict[str, Callable[[Plan], Iterator[Step]]] = {
    scenario.__name__: scenario
    for scenario in (probe, verdicts, loads, rounds, after_close, without_runtime, unpacked)
}


def _judged(
    name: str, opened: _Opened, artifact: Artifact, environment: Environment, request: Request
) -> Step:
    with Watch() as watch:
        verdict = opened.backend.can_load(artifact, environment, request)
    again = opened.backend.can_load(artifact, environment, request)
    return _step(name, watch, **_plain(verdict), again=None if again == verdict else _plain(again))


def _plain(verdict: Verdict) -> Step:
    reasons = [(reason.code, reason.message, reason.fix) for reason in verdict.reasons]
    return {"status": verdict.status, "device": verdict.device, "reasons": reasons}


def _step(name: str, watch: Watch, **more: Any) -> Step:
    light = sys.stdlib_module_names | _LIGHT | {
        record.value.partition(":")[0].partition(".")[0] for record in discovery.records()
    }  # fmt: skip
    heavy = [module for module in watch.modules if module not in light]
    return {"step": name, "effects": watch.effects, "heavy": heavy, "read": watch.read, **more}


def _held() -> dict[str, int]:
    """What this process holds: bytes of memory, bytes that Python allocated, files, threads; 0 for
    what the system doesn't tell."""
    held = {"python": tracemalloc.get_traced_memory()[0], "threads": threading.active_count()}
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        held["memory"] = pages * os.sysconf("SC_PAGE_SIZE")
        held["files"] = len(list(Path("/proc/self/fd").iterdir()))
        held["threads"] = len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        held |= {"memory": 0, "files": 0}
    return held


def _call(plan: Plan, session: Session) -> tuple[Any, Mapping[str, Any]]:
    """The sample's inputs and per-call options, as core gives them to `predict`."""
    with open(plan["inputs"], "rb") as file:  # the kit itself wrote it
        inputs = pickle.load(file)
    declared = getattr(session, "call_options", None)
    if declared is None:
        return inputs, plan["parameters"]
    options = build_options(declared, plan["parameters"], "the sample's parameters")
    return inputs, {name: getattr(options, name) for name in options.__dataclass_fields__}


def _is_installed(distribution: str) -> bool:
    from importlib import metadata

    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def main(scenario: str, plan: str, steps: str) -> None:
    """Run one scenario."""
    with open(steps, "w", encoding="utf-8") as file:
        for step in SCENARIOS[scenario](json.loads(Path(plan).read_text("utf-8"))):
            file.write(json.dumps(step, default=str) + "\n")
            file.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
