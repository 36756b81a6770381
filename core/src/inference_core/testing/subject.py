"""The backend under test with its sample: found, opened and resolved once for all checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference_core import AutoModel, configuration, discovery
from inference_core.backend import Backend, open_backends
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
    _steps: dict[str, Steps] = field(default_factory=dict)

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
        return {
            "backend": self.name,
            "module": self.backend.record.value.partition(":")[0],
            "model": str(self.sample.model),
            "options": dict(self.sample.options),
            "parameters": dict(self.sample.parameters),
            "allow_code": self.sample.allow_code,
            "scratch": str(self.scratch),
            **more,
        }

    def steps(self, scenario: str, **more: Any) -> Steps:
        """What a scenario of `child` reports, run once in a process of its own."""
        if scenario not in self._steps:
            self._steps[scenario] = run_steps(scenario, self.plan(**more), self.scratch)
        return self._steps[scenario]


def find_subject(name: str, sample: Sample, scratch: Path) -> Subject:
    """The subject of the checks; the test fails, in words, if there is none."""
    discovery.refresh()
    opened = open_backends(configuration.read(), name)
    if not opened:
        installed = ", ".join(discovery.names("backends")) or "none"
        failed(
            f"no installed distribution has the entry point {name!r} in the group "
            f"inference_core.backends; installed: {installed}",
            "install the project (pip install -e .), and give the entry point in pyproject.toml the "
            "name that the test class has as `backend`",
        )
    for _, backend in opened:
        if not isinstance(backend, Backend):
            failed(f"core refuses the backend: {backend.message}", str(backend.fix or "as it says"))
    backend = next(backend for _, backend in opened if isinstance(backend, Backend))
    if not isinstance(sample, Sample):
        failed(
            f"make_sample returned {type(sample).__name__}",
            "return inference_core.testing.Sample(model, inputs=…, outputs=…)",
        )
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
    return Subject(
        backend, sample, artifact, resolution.environment, request, chosen.verdict, scratch
    )
