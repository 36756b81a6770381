"""Scenarios that load models: whole and damaged ones, once and many times."""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import shutil
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference_core import configuration, machine
from inference_core.backend import Backend, open_backends
from inference_core.distributions import normalised_name
from inference_core.session import Session
from inference_core.testing.calls import as_core_gives
from inference_core.testing.hostile import hostile_variants
from inference_core.testing.opened import Opened, Plan, Step, open_sample

WARM_UP = 10


def loads(plan: Plan) -> Iterator[Step]:
    """Load the damaged variants that can_load accepts, which must raise."""
    opened = open_sample(plan)
    role, path = next(iter(opened.artifact.parts.items()))
    folder = Path(plan["scratch"], "loads")
    for variant in hostile_variants(path, folder):
        yield {"begin": variant.name}
        yield _loaded(variant.name, opened, {**opened.artifact.parts, role: variant.path})
    if path.is_file():
        # A backend that keeps what it loaded by its path would answer from the file that was.
        name = "a file that was whole when it was loaded before"
        yield {"begin": name}
        again = folder / "again" / path.name
        shutil.copytree(path.parent, again.parent)
        parts = {**opened.artifact.parts, role: again}
        artifact = replace(opened.artifact, parts=parts)
        opened.backend.load(artifact, opened.environment, opened.request).close()
        again.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        yield _loaded(name, opened, parts)


def _loaded(name: str, opened: Opened, parts: Mapping[str, Path]) -> Step:
    artifact = replace(opened.artifact, parts=parts)
    step: Step = {"step": name, "path": str(artifact.path)}
    verdict = opened.backend.can_load(artifact, opened.environment, opened.request)
    if verdict.status == "accept":
        try:
            opened.backend.load(artifact, opened.environment, opened.request).close()
            step["loaded"] = True
        except Exception as error:  # noqa: BLE001 - what a plugin raises is the question
            step["error"] = f"{type(error).__name__}: {error}"
    return step


def answer(plan: Plan) -> Iterator[Step]:
    """Load, predict and close once, to see whether that ends the process."""
    yield {"begin": "judging the sample"}
    opened = open_sample(plan)
    yield {"begin": "load"}
    session = opened.load()
    if (call := _call(plan, session)) is not None:
        yield {"begin": "predict"}
        opened.backend.predict()(session, *call)
    yield {"begin": "close"}
    session.close()
    yield {"step": "answer"}


def rounds(plan: Plan) -> Iterator[Step]:
    """Load, predict and close many times, each time another copy of the sample; count what stays.

    The closed sessions are kept meanwhile: it is `close` that has to give back what they hold.
    """
    opened = open_sample(plan)
    source = opened.artifact.path.parent
    folder = Path(plan["scratch"], "rounds")
    closed = []

    def once(number: int) -> None:
        copy = folder / str(number)
        shutil.copytree(source, copy)
        parts = {
            role: copy / path.relative_to(source) if path.is_relative_to(source) else path
            for role, path in opened.artifact.parts.items()
        }
        artifact = replace(opened.artifact, parts=parts)
        session = opened.backend.load(artifact, opened.environment, opened.request)
        if (call := _call(plan, session)) is not None:
            opened.backend.predict()(session, *call)
        session.close()
        closed.append(session)
        shutil.rmtree(copy)

    yield {"begin": "warming up"}
    for number in range(WARM_UP):
        once(number)
    tracemalloc.start()
    gc.collect()
    before = _held()
    yield {"begin": "loading and closing"}
    counts = [before]
    # In halves: a table of the interpreter that doubles once, as that of interned strings does, grows
    # in one of them, and what is kept of every round in both.
    for half in _halves(range(WARM_UP, WARM_UP + plan["rounds"])):
        for number in half:
            once(number)
        gc.collect()
        counts.append(_held())
    tracemalloc.stop()
    grown = [{name: b[name] - a[name] for name in b} for a, b in itertools.pairwise(counts)]
    kept = {name: sum(each[name] for each in grown) for name in before}
    for name in ("python", "memory"):
        kept[name] = len(grown) * min(each[name] for each in grown)
    yield {"step": "rounds", **kept}
    yield {"begin": "letting go of a session"}
    closed.clear()
    session = opened.load()
    try:
        reference: Callable[[], object] = weakref.ref(session)
    except TypeError:  # it has __slots__ without __weakref__
        yield {"step": "letting go of a session", "kept": False}
        return
    session.close()
    del session
    gc.collect()
    yield {"step": "letting go of a session", "kept": reference() is not None}


def _halves(rounds: range) -> list[range]:
    """The first and the second half; all in one where there are too few to compare."""
    middle = len(rounds) // 2
    return [rounds[:middle], rounds[middle:]] if middle >= WARM_UP else [rounds]


def after_close(plan: Plan) -> Iterator[Step]:
    """Predict with a closed session; it must raise, not answer or crash."""
    opened = open_sample(plan)
    session, predict = opened.load(), opened.backend.predict()
    call = _call(plan, session)
    if call is None:
        return
    yield {"begin": "predict before close"}
    predict(session, *call)
    yield {"begin": "close"}
    session.close()
    session.close()
    yield {"begin": "predict after close"}
    step: Step = {"step": "predict after close"}
    try:
        predict(session, *call)
        step["answered"] = True
    except Exception as error:  # noqa: BLE001 - what a plugin raises is the question
        step["error"] = f"{type(error).__name__}: {error}"
    yield step


def deep(plan: Plan) -> Iterator[Step]:
    """The deep probe, and whether it imported the runtime that it reports."""
    ((_, backend),) = open_backends(configuration.read(), plan["backend"])
    assert isinstance(backend, Backend)
    yield {"begin": "probe_environment(deep=True)"}
    report = backend.probe_again(machine.current(), deep=True)
    packages = _packages_of(report.runtime) if report.runtime else []
    yield {
        "step": "deep",
        "problems": [str(problem) for problem in report.problems],
        "runtime": report.runtime,
        "packages": packages,
        "imported": [name for name in packages if name in sys.modules],
    }


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


def _call(plan: Plan, session: Session) -> tuple[Any, Mapping[str, Any]] | None:
    """The sample's inputs and per-call options as core gives them to `predict`; None for inputs that
    can't be passed to another process."""
    content = Path(plan["inputs"]).read_bytes()  # the kit itself wrote it
    if not content:
        return None
    return as_core_gives(session, pickle.loads(content), plan["parameters"])


def _packages_of(distribution: str) -> list[str]:
    """The importable packages that a distribution brings."""
    from importlib import metadata

    wanted = normalised_name(distribution)
    packages = metadata.packages_distributions().items()
    return sorted(name for name, owners in packages if wanted in map(normalised_name, owners))
