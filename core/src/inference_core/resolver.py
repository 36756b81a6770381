"""Judges every pair of backend and artifact, and ranks the accepted ones.

Nothing is loaded here and no framework is imported. What every backend would otherwise repeat is
matched here once and added to its verdict: `requires`, the batch range, the processor, options.
"""

from __future__ import annotations

import warnings
from typing import Any

from inference_core import catalog, discovery, requires
from inference_core.arguments import unknown_argument
from inference_core.backend import Backend, judged_wrappers, open_backends
from inference_core.configuration import Configuration
from inference_core.environment import KNOWN_DEVICES, Environment, is_device_name
from inference_core.errors import (
    InvalidArgument,
    PluginError,
    PluginWarning,
)
from inference_core.install import install_command
from inference_core.package import Artifact, ModelPackage, Request
from inference_core.recognition import processor_class
from inference_core.resolution import Candidate, Resolution
from inference_core.verdict import Reason, Verdict
from inference_core.wish import Wish, bad_value, check_request, preference_order, unknown_backend


class Resolver:
    """One resolution's context: the machine, the configuration, the backends and the wish."""

    def __init__(self, environment: Environment, settings: Configuration, wish: Wish) -> None:
        self.environment = environment
        self.settings = settings
        self.wish = wish
        check_request(wish.request)
        self.order = preference_order(wish.preference, settings)
        _warn(settings)
        self.backends = open_backends(settings, wish.request.backend)
        self._check_device()
        self._check_options()

    def resolve(self, reference: str, package: ModelPackage) -> Resolution:
        """Judge and rank every candidate for a package."""
        candidates = self._judged(package) + self._not_installed(package)
        accepted = sorted((c for c in candidates if c.accepted), key=self._rank)
        refused = sorted(
            (c for c in candidates if not c.accepted),
            key=lambda c: (
                _of_another_format(c),
                self._place(c.backend),
                c.backend,
                str(c.artifact),
            ),
        )
        request = self.wish.request
        asked = [f"{name}={value}" for name in ("backend", "device", "precision", "batch_size")
                 if (value := getattr(request, name)) is not None]  # fmt: skip
        return Resolution(reference, package, self.environment, (*accepted, *refused), tuple(asked))

    def backend(self, name: str) -> Backend:
        """The usable backend of that name."""
        return next(b for _, b in self.backends if isinstance(b, Backend) and b.name == name)

    def request_for(self, backend: Backend) -> Request:
        """The request as that backend's hooks get it, with its own options."""
        return backend.with_options(self.wish.request, self.wish.options)

    def _judged(self, package: ModelPackage) -> list[Candidate]:
        no_processor = self._no_processor(package)
        found = []
        for record, backend in self.backends:
            if isinstance(backend, Reason):
                refused = backend.code in ("disabled", "ambiguous", "api-version")
                verdict = Verdict("reject" if refused else "broken", (backend,))
                found.append(Candidate(record.name, record.origin, None, verdict))
                continue
            for artifact in package.artifacts:
                reason = no_processor if backend.kind == "tensor" else _left_out(package, artifact)
                verdict = self._verdict(backend, artifact, reason)
                found.append(Candidate(record.name, record.origin, artifact, verdict))
        return found

    def _no_processor(self, package: ModelPackage) -> Reason | None:
        """Why tensor backends are no use for a package: what would process for them isn't there."""
        if package.processor is None:
            return _no_taker(package) if package.parameters else None
        found = processor_class(package.processor.name, self.settings)
        return found if isinstance(found, Reason) else None

    def _verdict(self, backend: Backend, artifact: Artifact, processing: Reason | None) -> Verdict:
        try:
            request = self.request_for(backend)
        except InvalidArgument as error:
            return Verdict.reject(Reason("option", str(error)))
        except PluginError as error:
            return Verdict.broken(Reason("error", str(error)))
        verdict = backend.can_load(artifact, self.environment, request)
        if any(reason.code == "format" for reason in verdict.reasons):
            return verdict
        # Where nothing decided on a device, a GPU's facts are the first GPU's.
        facts = {**self.environment.facts(verdict.device or self.wish.request.device or "cuda")}
        for name, value in backend.probe(self.environment).facts.items():
            facts.setdefault(name, value)
        reasons = [*verdict.reasons, *requires.unmet(artifact.requires, facts)]
        if reason := _batch_reason(artifact, self.wish.request.batch_size):
            reasons.append(reason)
        if processing:
            reasons.append(processing)
        if verdict.status == "accept" and reasons:
            return Verdict("reject", tuple(reasons))
        return Verdict(verdict.status, tuple(reasons), verdict.device)

    def _not_installed(self, package: ModelPackage) -> list[Candidate]:
        """Candidates for known backends that would run an artifact but aren't installed."""
        installed = {record.name for record, _ in self.backends}
        forced = self.wish.request.backend
        found = []
        for known in catalog.BACKENDS:
            if known.name in installed or (forced is not None and forced != known.name):
                continue
            distribution = known.requirement.partition("[")[0]
            for artifact in package.artifacts:
                if not known.runs(artifact):
                    continue
                facts = self.environment.facts(self.wish.request.device or "cuda")
                reasons = [
                    _absent(known, self.environment),
                    *requires.unmet(artifact.requires, facts),
                ]
                verdict = Verdict("reject", tuple(reasons))
                found.append(Candidate(known.name, distribution, artifact, verdict))
        if forced is not None and not installed and not found:
            known_names = {*discovery.names("backends"), *(k.name for k in catalog.BACKENDS)}
            if forced not in known_names:
                raise unknown_backend(forced, known_names)
            verdict = Verdict.reject(*_forced_reasons(forced, package, self.environment))
            found.append(Candidate(forced, f"inference-{forced}", package.artifacts[0], verdict))
        return found

    def _rank(self, candidate: Candidate) -> tuple[Any, ...]:
        artifact, device = candidate.artifact, candidate.verdict.device or "cpu"
        assert artifact is not None
        accelerated = device.partition(":")[0] != "cpu"
        wanted = self.wish.request.precision or ("fp16" if accelerated else "fp32")
        dynamic = artifact.batch is not None and artifact.batch[1] is None
        return (
            not accelerated,
            self._place(candidate.backend),
            candidate.backend,
            artifact.precision != wanted,
            not dynamic,
            artifact.format,
            str(artifact.path),
        )

    def _place(self, backend: str) -> int:
        return self.order.index(backend) if backend in self.order else len(self.order)

    def _check_device(self) -> None:
        device = self.wish.request.device
        if device is None:
            return
        backends = [backend for _, backend in self.backends if isinstance(backend, Backend)]
        reports = [backend.probe(self.environment) for backend in backends]
        kinds = {each.partition(":")[0] for report in reports for each in report.devices}
        kinds |= {*KNOWN_DEVICES, *(name for backend in backends for name in backend.devices)}
        if not is_device_name(device):
            raise bad_value("device", device, kinds)
        kind, forced = device.partition(":")[0], self.wish.request.backend
        if forced and any(report.problems for report in reports):
            return  # without its runtime it may report no devices; its verdict says what is missing
        if kind not in kinds:
            who = f"the backend {forced} reports no" if forced else "no installed backend reports a"
            raise bad_value("device", device, kinds, f": {who} device {kind}")

    def _check_options(self) -> None:
        """An option that no backend has is a typo; one that some have only rules out the others."""
        backends = [backend for _, backend in self.backends if isinstance(backend, Backend)]
        known = {
            name: backend.name
            for backend in backends
            for name in getattr(backend.options, "__dataclass_fields__", {})
        }
        for name in self.wish.options:
            if backends and name not in known:
                whose = " or ".join(backend.name for backend in backends)
                raise unknown_argument(f"options= of the backend {whose}", name, known)
        errors: list[InvalidArgument] = []
        for backend in backends:
            try:
                self.request_for(backend)
            except InvalidArgument as error:
                errors.append(error)
            except PluginError:
                pass  # it is in the resolution, as that backend's reason
        if errors and len(errors) == len(backends):
            # Nobody takes them. Who knows every name says what is wrong with the value.
            raise next((e for e in errors if "has no argument" not in str(e)), errors[0])


def _warn(settings: Configuration) -> None:
    """Say what changes every resolution and would go unseen: names in the INFERENCE_* variables that
    nothing answers to, and wrappers that see no call because they can't be used."""
    for problem in discovery.unknown_names():
        warnings.warn(problem.message, PluginWarning, stacklevel=5)
    for plugin, reason in judged_wrappers(settings):
        if reason is not None and reason.code != "disabled":
            message = f"wrapper {plugin.record.name!r} is left out: {reason}"
            warnings.warn(message, PluginWarning, stacklevel=5)


def _absent(known: catalog.KnownBackend, environment: Environment) -> Reason:
    distribution = known.requirement.partition("[")[0]
    if not known.available:
        return Reason(
            "not-installed", f"{distribution} isn't installed, and this version has none yet"
        )
    requirement = known.gpu_requirement if environment.gpus else known.requirement
    return Reason("not-installed", f"{distribution} isn't installed", install_command(requirement))


def _forced_reasons(name: str, package: ModelPackage, environment: Environment) -> list[Reason]:
    """A known backend that is forced, isn't installed, and has no artifact in the package."""
    known = next((known for known in catalog.BACKENDS if known.name == name), None)
    if known is None:
        return [Reason("not-installed", f"the backend {name!r} isn't installed")]
    formats = ", ".join(sorted({artifact.format for artifact in package.artifacts}))
    runs = ", ".join(catalog.FORMAT_TITLES.get(each, each) for each in known.formats)
    wrong = Reason("format", f"{name} runs {runs}; the model has {formats}")
    return [_absent(known, environment), wrong]


def _no_taker(package: ModelPackage) -> Reason:
    """Why a tensor backend is no use for a package with options of a call, but without a processor."""
    return Reason(
        "processor",
        f"{package.name} states parameters but no processor that would take them; name one in its "
        "model.json, leave them out, or run it on a backend that performs the task itself",
    )


def _left_out(package: ModelPackage, artifact: Artifact) -> Reason | None:
    """Why a task backend mustn't run a graph whose package states a processor: it would leave that, and
    its settings, out. Where a processor was only recognised, both ways are right."""
    processor = package.processor
    if processor is None or processor.recognised or not artifact.is_graph:
        return None
    return Reason(
        "processor",
        f"{package.name} states the processor {processor.name!r}, and this backend performs the task "
        "itself, without processors; to run it here, leave the processor out of its manifest",
    )


def _batch_reason(artifact: Artifact, batch_size: int | None) -> Reason | None:
    if batch_size is None or artifact.batch is None:
        return None
    smallest, largest = artifact.batch
    if batch_size >= smallest and (largest is None or batch_size <= largest):
        return None
    if largest is None:
        takes = f"at least {smallest}"
    else:
        takes = f"exactly {smallest}" if smallest == largest else f"{smallest} to {largest}"
    return Reason(
        "batch",
        f"batch_size={batch_size} was asked for, and this artifact takes {takes} at once",
        "leave batch_size out: a list is then split, or filled up, as the artifact takes it",
    )


def _of_another_format(candidate: Candidate) -> bool:
    return any(reason.code == "format" for reason in candidate.verdict.reasons)
