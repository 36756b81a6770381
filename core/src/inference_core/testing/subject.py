"""The backend under test with its sample: resolved once for all checks."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inference_core import AutoModel
from inference_core.backend import Backend
from inference_core.environment import Environment
from inference_core.errors import InferenceError
from inference_core.model import Model
from inference_core.package import Artifact, Request
from inference_core.session import Session
from inference_core.testing.calls import as_core_gives
from inference_core.testing.failure import failed
from inference_core.testing.plugin import Plugin
from inference_core.testing.sample import Sample
from inference_core.testing.steps import Steps

# What a machine may lack; any other refusal of the sample is the plugin's or the sample's mistake.
_ABSENCES = {"device", "requirement", "not-installed"}


@dataclass(frozen=True, eq=False)
class Subject:
    """What most checks are about.

    Attributes:
        plugin: the backend.
        sample: what the author gave.
        artifact: the sample's artifact, as a tensor backend's hooks get it.
        environment: this machine.
        request: the sample's request, with its options.
        device: where the backend would run it; None if it can't here.
        refusal: why it can't run it here, "" if it can.
        rounds: how often it is loaded and closed to see what stays.
    """

    plugin: Plugin
    sample: Sample
    artifact: Artifact
    environment: Environment
    request: Request
    device: str | None
    refusal: str
    rounds: int
    _steps: dict[str, Steps] = field(default_factory=dict)

    @property
    def backend(self) -> Backend:
        """The backend, as core opens it."""
        return self.plugin.backend

    @property
    def is_tensor(self) -> bool:
        """Whether it runs graphs, and no tasks."""
        return self.backend.kind == "tensor"

    def model(self) -> Model:
        """The sample, loaded as a user loads it."""
        try:
            return AutoModel.from_pretrained(self.sample.model, **self._asked())
        except InferenceError as error:
            failed(f"the sample can't be loaded: {error}", _LOAD)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The sample as the `load` hook gives it, closed afterwards."""
        try:
            session = self.backend.load(self.artifact, self.environment, self.request)
        except InferenceError as error:
            failed(f"the sample can't be loaded: {error}", _LOAD)
        try:
            yield session
        finally:
            session.close()

    def predicted(self, session: Session) -> Any:
        """The sample's answer by the `predict` hook itself."""
        call = as_core_gives(session, self.sample.inputs, self.sample.parameters)
        return self.backend.predict()(session, *call)

    def steps(self, scenario: str) -> Steps:
        """What a scenario of `child` reports, run once in a process of its own."""
        if scenario not in self._steps:
            self._steps[scenario] = self.plugin.run(scenario, self.plan())
        return self._steps[scenario]

    def plan(self) -> dict[str, Any]:
        """What a child process has to know of the sample."""
        inputs = self.plugin.scratch / "inputs.pickle"
        if not inputs.exists():
            try:
                inputs.write_bytes(pickle.dumps(self.sample.inputs))
            except Exception:  # noqa: BLE001 - pickle raises what the inputs raise
                inputs.write_bytes(b"")
        return _plan(self.plugin, self.sample, self.rounds)

    def _asked(self) -> dict[str, Any]:
        return _asked(self.plugin, self.sample)


_LOAD = "mend load(), or make_sample() if the model it writes is wrong"


def find_subject(plugin: Plugin, sample: Sample, rounds: int) -> Subject:
    """The subject of the checks; the test fails, in words, if the sample is none."""
    _validate(plugin, sample)
    # can_load in a child first: what ends a process must not end this one.
    judged = plugin.run("verdicts", _plan(plugin, sample, rounds))
    if judged.ending and not judged.raised:
        failed(
            f"can_load ended the process when asked about {judged.at}: it {judged.ending}",
            "can_load may read headers, with bounds; it runs no native code and waits for nothing",
        )
    try:
        resolution = AutoModel.resolve(sample.model, **_asked(plugin, sample))
    except InferenceError as error:
        failed(
            f"the sample can't be resolved: {error}",
            "have make_sample write a file that a reader knows, or a folder with a model.json, and "
            "give options that the backend has",
        )
    own = [each for each in resolution.candidates if each.backend == plugin.record.name]
    best = next((each for each in own if each.accepted), own[0])
    codes = {reason.code for reason in best.verdict.reasons}
    if best.artifact is None or (not best.accepted and not codes <= _ABSENCES):
        failed(
            f"the backend doesn't accept its sample:\n{resolution}",
            "mend can_load(), or make_sample() if the model it writes is wrong",
        )
    artifact = best.artifact
    if plugin.backend.kind == "tensor":
        if len(artifact.parts) > 1:
            failed(
                f"the sample's artifact has the parts {', '.join(artifact.parts)}",
                "give the kit a model with one part: tensor backends load parts one by one",
            )
        artifact = artifact.part(next(iter(artifact.parts)))
    request = plugin.backend.with_options(
        Request(plugin.record.name, device=sample.device, allow_code=sample.allow_code),
        sample.options,
    )
    refusal = "; ".join(reason.message for reason in best.verdict.reasons)
    subject = Subject(
        plugin, sample, artifact, resolution.environment, request, best.verdict.device, refusal,
        rounds, {"verdicts": judged},
    )  # fmt: skip
    if not refusal:
        _answers(subject)
    return subject


def _answers(subject: Subject) -> None:
    """Load and predict in a child, for a crash or a hang must not take the tests with it."""
    steps = subject.steps("answer")
    if steps.ending and not steps.raised:
        failed(
            f"{steps.at} ends the process: it {steps.ending}",
            "find out with the runtime alone; a limit for slow ones is the class attribute `timeout`",
        )


def _validate(plugin: Plugin, sample: Sample) -> None:
    """Fail the test unless the sample is one."""
    if not isinstance(sample, Sample):
        failed(
            f"make_sample returned {type(sample).__name__}",
            "return inference_core.testing.Sample(model, inputs=…, outputs=…)",
        )
    if not Path(sample.model).exists():
        failed(f"make_sample wrote no {sample.model}", "write the file that it returns as `model`")
    if plugin.backend.kind != "tensor":
        return
    for name in ("inputs", "outputs"):
        value = getattr(sample, name)
        arrays = isinstance(value, Mapping) and all(
            isinstance(key, str) and isinstance(array, np.ndarray) for key, array in value.items()
        )
        if not arrays or not value:
            failed(
                f"the sample's {name} are {value!r:.200}",
                f'make them a mapping of numpy arrays by name: {name}={{"x": numpy.array(…)}}',
            )


def _asked(plugin: Plugin, sample: Sample) -> dict[str, Any]:
    return {
        "backend": plugin.record.name,
        "device": sample.device,
        "options": sample.options,
        "allow_code": sample.allow_code,
    }


def _plan(plugin: Plugin, sample: Sample, rounds: int) -> dict[str, Any]:
    return {
        "model": str(sample.model),
        "options": dict(sample.options),
        "parameters": dict(sample.parameters),
        "allow_code": sample.allow_code,
        "device": sample.device,
        "scratch": str(plugin.scratch),
        "inputs": str(plugin.scratch / "inputs.pickle"),
        "rounds": rounds,
    }
