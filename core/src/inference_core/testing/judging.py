"""Scenarios that load no model: importing, probing, judging."""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference_core import configuration, discovery, machine
from inference_core.backend import Backend, open_backends
from inference_core.environment import Environment
from inference_core.package import PRECISIONS, Artifact, Request
from inference_core.testing.hostile import hostile_variants, large_variant
from inference_core.testing.machines import DEVICES, MACHINES, NO_DEVICE
from inference_core.testing.opened import Plan, Step, open_sample, plain, step
from inference_core.testing.watch import Watch


def probe(plan: Plan) -> Iterator[Step]:
    """Import the entry point, then probe several machines."""
    yield {"begin": "import"}
    with Watch() as watch:
        importlib.import_module(plan["module"])
    yield step("import", watch)
    ((_, backend),) = open_backends(configuration.read(), plan["backend"])
    if not isinstance(backend, Backend):
        yield {"step": "refused", "message": backend.message, "fix": backend.fix}
        return
    for name, environment in {"this machine": machine.current(), **MACHINES}.items():
        yield {"begin": name}
        with Watch() as watch:
            report = backend.probe_again(environment)
        taken = sorted(set(report.facts) & set(environment.facts("cuda")))
        yield step(
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
    opened = open_sample(plan)
    yield step("the sample, for the first time", opened.first)
    cases: list[tuple[str, Artifact, Environment, Request]] = [
        ("the sample", opened.artifact, opened.environment, opened.request)
    ]
    for name, environment in MACHINES.items():
        for device in DEVICES:
            request = replace(opened.request, device=device)
            cases.append((f"{name}, device={device!r}", opened.artifact, environment, request))
    for device in DEVICES:
        for precision in (None, *PRECISIONS):
            case = f"device={device!r}, precision={precision!r}"
            request = replace(opened.request, device=device, precision=precision)
            cases.append((case, opened.artifact, opened.environment, request))
    request = replace(opened.request, allow_code=False, device=NO_DEVICE)
    cases.append(("allow_code=False", opened.artifact, opened.environment, request))
    odd: dict[str, dict[str, Any]] = {
        "another format": {"format": "kit-format"},
        "no facts": {"facts": {}},
        "empty facts": {"facts": {role: {} for role in opened.artifact.parts}},
        "a hostile requires": {"requires": {"": [], "kit.fact": ">=no version", "k" * 9999: "==1"}},
    }
    for name, change in odd.items():
        artifact = replace(opened.artifact, **change)
        cases.append((name, artifact, opened.environment, opened.request))
    role, path = next(iter(opened.artifact.parts.items()))
    folder = Path(plan["scratch"], "verdicts")
    for variant in (*hostile_variants(path, folder), *large_variant(path, folder)):
        for facts, how in ((opened.artifact.facts, ""), ({}, " without facts")):
            parts = {**opened.artifact.parts, role: variant.path}
            artifact = replace(opened.artifact, parts=parts, facts=facts)
            cases.append((variant.name + how, artifact, opened.environment, opened.request))
    for name, artifact, environment, request in cases:
        yield {"begin": name}
        yield _judged(name, opened.backend, artifact, environment, request)


def without_runtime(plan: Plan) -> Iterator[Step]:
    """Import, probe and judge where only core and the plugin itself are installed."""
    yield {"begin": "importing the entry point"}
    importlib.import_module(plan["module"])
    yield {"begin": "resolving the sample"}
    opened = open_sample(plan)
    yield {"begin": "probe_environment"}
    report = opened.backend.probe_again(opened.environment)
    yield {
        "step": "probe_environment",
        "problems": [(r.code, r.message, r.fix) for r in report.problems],
        "runtime": report.runtime,
        "here": report.runtime is None or _is_installed(report.runtime),
    }
    for device in (None, NO_DEVICE):
        yield {"begin": "can_load"}
        request = replace(opened.request, device=device)
        verdict = opened.backend.can_load(opened.artifact, opened.environment, request)
        yield {"step": f"can_load {device}", **plain(verdict)}


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


def _judged(
    name: str, backend: Backend, artifact: Artifact, environment: Environment, request: Request
) -> Step:
    before = copy.deepcopy(artifact)
    with Watch() as watch:
        verdict = backend.can_load(artifact, environment, request)
    if artifact != before:
        watch.effects.append("changes the artifact that it was given")
    again = backend.can_load(artifact, environment, request)
    absent = environment.device_problem(verdict.device) if verdict.device else None
    return step(
        name,
        watch,
        **plain(verdict),
        again=None if again == verdict else plain(again),
        absent=absent.message if absent else None,
    )


def _is_installed(distribution: str) -> bool:
    from importlib import metadata

    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
