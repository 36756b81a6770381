"""The backend and its sample in a child process: opened without numpy, pytest or a loaded model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inference_core import configuration, machine
from inference_core.arguments import build_options
from inference_core.backend import Backend
from inference_core.environment import Environment
from inference_core.package import Artifact, Request
from inference_core.readers import read_package
from inference_core.recognition import recognised
from inference_core.resolver import Resolver
from inference_core.session import Session
from inference_core.sources import locate
from inference_core.testing.light import heavy_name
from inference_core.testing.watch import Watch
from inference_core.verdict import Verdict
from inference_core.wish import Wish

Plan = Mapping[str, Any]
Step = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Opened:
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


@dataclass(frozen=True)
class _AnyOptions:
    """Has core import what it checks options with, before a plugin could be blamed for it."""

    number: int | None = None
    word: Literal["a"] = "a"
    several: tuple[str, ...] = ()


def open_sample(plan: Plan) -> Opened:
    """Resolve the sample; whether the backend accepts it is no matter here."""
    build_options(_AnyOptions, {"number": 1, "several": ["b"]}, "the kit")
    settings, environment = configuration.read(), machine.current()
    request = Request(backend=plan["backend"], device=plan["device"], allow_code=plan["allow_code"])
    package = recognised(read_package(locate(Path(plan["model"]), settings), settings), settings)
    with Watch() as first:
        resolver = Resolver(environment, settings, Wish(request, plan["options"]))
        resolution = resolver.resolve(plan["model"], package)
    own = [each for each in resolution.candidates if each.backend == plan["backend"]]
    artifact = next((each.artifact for each in own if each.artifact), package.artifacts[0])
    backend = resolver.backend(plan["backend"])
    if backend.kind == "tensor":
        artifact = artifact.part(next(iter(artifact.parts)))
    return Opened(backend, artifact, environment, resolver.request_for(backend), first)


def step(name: str, watch: Watch, **more: Any) -> Step:
    """What a watched piece of a scenario did, for the parent process."""
    heavy = [module for module in map(heavy_name, watch.modules) if module]
    return {
        "step": name,
        "effects": watch.effects,
        "heavy": list(dict.fromkeys(heavy)),
        "read": watch.read,
        **more,
    }


def plain(verdict: Verdict) -> Step:
    """A verdict as JSON has it."""
    reasons = [(reason.code, reason.message, reason.fix) for reason in verdict.reasons]
    return {"status": verdict.status, "device": verdict.device, "reasons": reasons}
