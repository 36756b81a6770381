"""The backend under test with its sample: found, opened and resolved once for all checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_core import AutoModel, configuration, discovery
from inference_core.backend import Backend, open_backends
from inference_core.discovery import Record
from inference_core.environment import Environment
from inference_core.errors import InferenceError
from inference_core.model import Model
from inference_core.package import Artifact, Request
from inference_core.session import Session
from inference_core.testing.failure import failed
from inference_core.testing.sample import Sample
from inference_core.testing.steps import Steps, run_steps
from inference_core.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Subject:
    """What the checks are about.

    Attributes:
        backend: the backend, opened as core opens it.
        sample: what the author gave.
        artifact: the sample's artifact, as a tensor backend's hooks get it.
        environment: this machine.
        request: the sample's request, with its options.
        verdict: the backend's acceptance of the sample.
        scratch: a folder for files that checks write.
    """

    backend: Backend
    sample: Sample
    artifact: Artifact
    environment: Environment
    request: Request
    verdict: Verdict
    scratch: Path
    _steps: dict[str, Steps]

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    @property
    def origin(self) -> str:
        """The distribution and its version."""
        return self.backend.record.origin

    def model(self) -> Model:
        """The sample, loaded as a user loads it."""
        try:
            return AutoModel.from_pretrained(
                self.sample.model,
                backend=self.name,
                options=self.sample.options,
                allow_code=self.sample.allow_code,
            )
        except InferenceError as error:
            failed(
                f"the sample can't be loaded with backend={self.name!r}: {error}",
                "mend load(), or make_sample() if the model it writes is wrong",
            )

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The sample as the `load` hook gives it, closed afterwards."""
        session = self.backend.load(self.artifact, self.environment, self.request)
        try:
            yield session
        finally:
            session.close()

    def plan(self, **more: Any) -> dict[str, Any]:
        """What a child process has to know."""
        return {**_plan(self.backend.record, self.sample, self.scratch), **more}

    def steps(self, scenario: str, **more: Any) -> Steps:
        """What a scenario of `child` reports, run once in a process of its own."""
        if scenario not in self._steps:
            self._steps[scenario] = run_steps(scenario, self.plan(**more), self.scratch)
        return self._steps[scenario]


def find_subject(name: str, sample: Sample, scratch: Path) -> Subject:
    """The subject of the checks; the test fails, in words, if there is none."""
    if not isinstance(sample, Sample):
        failed(
            f"make_sample returned {type(sample).__name__}",
            "return inference_core.testing.Sample(model, inputs=…, outputs=…)",
        )
    # What ends a process must do so in a child, before this process imports or asks the plugin.
    plan = _plan(_record(name), sample, scratch)
    steps = {scenario: run_steps(scenario, plan, scratch) for scenario in ("probe", "verdicts")}
    _survived(steps)
    ((_, backend),) = open_backends(configuration.read(), name)
    assert isinstance(backend, Backend)  # `_survived` says so where core refuses it
    try:
        resolution = AutoModel.resolve(
            sample.model, backend=name, options=sample.options, allow_code=sample.allow_code
        )
    except InferenceError as error:
        failed(
            f"the sample can't be resolved: {error}",
            "have make_sample write a file that a reader knows, or a folder with a model.json",
        )
    chosen = next((each for each in resolution.accepted if each.backend == name), None)
    if chosen is None or chosen.artifact is None:
        failed(
            f"the backend doesn't accept its sample:\n{resolution}",
            "mend can_load(), or make_sample() if the model it writes is wrong",
        )
    artifact = chosen.artifact
    if backend.kind == "tensor":
        if len(artifact.parts) > 1:
            failed(
                f"the sample's artifact has the parts {', '.join(artifact.parts)}",
                "give the kit a model with one part: tensor backends load parts one by one",
            )
        artifact = artifact.part(next(iter(artifact.parts)))
    request = backend.with_options(
        Request(backend=name, allow_code=sample.allow_code), sample.options
    )
    environment = resolution.environment
    return Subject(backend, sample, artifact, environment, request, chosen.verdict, scratch, steps)


def _record(name: str) -> Record:
    """The entry point, from metadata."""
    discovery.refresh()
    records = [each for each in discovery.records() if (each.kind, each.name) == ("backends", name)]
    if not records:
        installed = ", ".join(discovery.names("backends")) or "none"
        failed(
            f"no installed distribution has the entry point {name!r} in the group "
            f"inference_core.backends; installed: {installed}",
            "install the project (pip install -e .), and give the entry point in pyproject.toml the "
            "name that the test class has as `backend`",
        )
    if len(records) > 1:
        failed(
            f"the name {name!r} is claimed by {' and '.join(each.origin for each in records)}",
            "uninstall one of them, or give your backend another name",
        )
    return records[0]


def _plan(record: Record, sample: Sample, scratch: Path) -> dict[str, Any]:
    return {
        "backend": record.name,
        "module": record.value.partition(":")[0],
        "model": str(sample.model),
        "options": dict(sample.options),
        "parameters": dict(sample.parameters),
        "allow_code": sample.allow_code,
        "scratch": str(scratch),
    }


def _survived(steps: Mapping[str, Steps]) -> None:
    """Fail the test if core refuses the plugin, or if asking it ends the process."""
    probe, verdicts = steps["probe"], steps["verdicts"]
    if refused := probe.done.get("refused"):
        failed(f"core refuses the backend: {refused['message']}", refused["fix"] or "mend it")
    if probe.ending:
        where = "its import" if probe.at == "import" else f"probe_environment on {probe.at}"
        failed(
            f"{where} ended the process: it {probe.ending}",
            "neither the entry point's module nor probe_environment may run native code, exit or "
            "wait; report what is wrong as a problem of the BackendReport",
        )
    if verdicts.ending and not verdicts.raised:
        failed(
            f"can_load ended the process when asked about {verdicts.at}: it {verdicts.ending}",
            "can_load may read headers, with bounds; it runs no native code and waits for nothing",
        )
