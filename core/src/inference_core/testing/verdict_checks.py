"""Checks of can_load: total, stable, pure, cheap, and with all reasons at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from inference_core.package import PRECISIONS
from inference_core.testing.failure import failed
from inference_core.testing.hostile import CUT_INSIDE, RENAMED
from inference_core.testing.kit import Kit
from inference_core.testing.machines import DEVICES, NO_DEVICE
from inference_core.testing.steps import Steps
from inference_core.testing.subject import Subject

Step = Mapping[str, Any]

# What one verdict may read: headers, not weights.
_MOST_BYTES = 64 * 2**20


class VerdictChecks(Kit):
    """`can_load` is asked about every model that anyone loads, also about those of other backends."""

    @pytest.fixture
    def judged(self, subject: Subject) -> Steps:
        """What can_load said, case by case."""
        steps = subject.steps("verdicts")
        if steps.ending:
            failed(
                f"asked about {steps.at}, can_load can't be judged: the kit's process {steps.ending}",
                "see the exception above",
            )
        return steps

    def test_a_verdict_never_raises(self, judged: Steps) -> None:
        for case, step in _cases(judged):
            for code, message, _ in step["reasons"]:
                if code == "error" and "can_load of" in message:
                    failed(
                        f"asked about {case}: {message}",
                        "return a Verdict with the reason; a file that can't be read, or that isn't "
                        "what its name says, is no exception",
                    )

    def test_a_verdict_is_the_same_when_asked_again(self, judged: Steps) -> None:
        for case, step in _cases(judged):
            if step["again"] is not None:
                failed(
                    f"asked about {case}, can_load says {_said(step)}, and the second time "
                    f"{_said(step['again'])}",
                    "let the verdict depend on the arguments and the installed runtime alone",
                )

    def test_a_verdict_has_no_effects(self, judged: Steps) -> None:
        for case, step in judged.done.items():
            if step["effects"]:
                failed(
                    f"asked about {case}, can_load {'; '.join(step['effects'])}",
                    "let can_load only look; whatever has an effect belongs into load()",
                )

    def test_a_verdict_imports_no_framework(self, judged: Steps) -> None:
        for case, step in judged.done.items():
            if step["heavy"]:
                failed(
                    f"asked about {case}, can_load imports {', '.join(step['heavy'])}",
                    "judge by artifact.facts and bounded reads with the standard library; the "
                    "framework is imported inside load()",
                )

    def test_a_verdict_reads_no_weights(self, judged: Steps) -> None:
        for case, step in judged.done.items():
            if step["read"] > _MOST_BYTES:
                failed(
                    f"asked about {case}, can_load reads {step['read'] / 2**20:.0f} MiB",
                    "read the header only, with a limit",
                )

    def test_an_acceptance_names_a_device_that_the_machine_has(self, judged: Steps) -> None:
        for case, step in _cases(judged):
            if step.get("absent"):
                failed(
                    f"asked about {case}, can_load accepts for {step['device']}: {step['absent']}",
                    "ask environment.device_problem(device) before accepting for an accelerator",
                )

    def test_another_format_is_refused_as_such(self, judged: Steps) -> None:
        step = judged.done["another format"]
        if step["status"] == "accept" or "format" not in _codes(step):
            failed(
                f"an artifact of the format 'kit-format' gets the verdict {_said(step)}",
                'refuse every artifact.format that the backend doesn\'t run, with Reason("format", …)',
            )

    def test_an_unknown_device_is_refused_as_such(self, judged: Steps) -> None:
        step = judged.done[_case(NO_DEVICE, None)]
        if step["status"] == "accept" or not _codes(step) & {"device", "option"}:
            failed(
                f"device={NO_DEVICE!r} gets the verdict {_said(step)}",
                'refuse a request.device that there isn\'t, with Reason("device", …)',
            )

    def test_a_verdict_has_all_its_reasons(self, subject: Subject, judged: Steps) -> None:
        wrong = _codes(judged.done[_case(NO_DEVICE, None)])
        for precision in PRECISIONS:
            # Refused on every device that is accepted here: then it isn't the device that decides.
            alone = [
                judged.done[_case(device, precision)]
                for device in DEVICES
                if judged.done[_case(device, None)]["status"] == "accept"
            ]
            if not alone or not all("precision" in _codes(step) for step in alone):
                continue
            both = judged.done[_case(NO_DEVICE, precision)]
            if missing := (wrong | {"precision"}) - _codes(both):
                failed(
                    f"device={NO_DEVICE!r} is refused for {', '.join(sorted(wrong))} and "
                    f"precision={precision!r} for precision, but both together get only {_said(both)}; "
                    f"missing: {', '.join(sorted(missing))}",
                    "collect all reasons in a list and refuse once, instead of returning the first",
                )
        if subject.sample.allow_code and "trust" not in _codes(judged.done["allow_code=False"]):
            failed(
                "the sample needs allow_code=True, but without it and with an unknown device the "
                f"verdict is {_said(judged.done['allow_code=False'])}",
                'add Reason("trust", …) to the other reasons',
            )

    def test_every_refusal_says_why(self, judged: Steps) -> None:
        for case, step in _cases(judged):
            vague = [message for _, message, _ in step["reasons"] if len(message.split()) < 3]
            if step["status"] != "accept" and not step["reasons"]:
                failed(f"asked about {case}, can_load refuses without a reason", "add a Reason")
            if vague:
                failed(
                    f"asked about {case}, a reason says only {vague[0]!r}",
                    "write a sentence: what was found, what would be needed",
                )

    def test_a_hostile_requires_changes_nothing(self, judged: Steps) -> None:
        step, usual = judged.done["a hostile requires"], judged.done["the sample"]
        if step["status"] != usual["status"]:
            failed(
                f"with a `requires` that makes no sense the verdict is {_said(step)}",
                "leave artifact.requires to core, which matches it and adds its own reasons",
            )

    def test_damaged_files_fail_to_load_with_an_error(self, runnable: Subject) -> None:
        subject, steps = runnable, runnable.steps("loads")
        if steps.ending:
            failed(
                f"loading {steps.at} ended the process: it {steps.ending}",
                "check the file's header and sizes before the runtime sees it, and raise InvalidModel",
            )
        for case, step in steps.done.items():
            may = case == RENAMED or case.startswith(CUT_INSIDE) or case in subject.sample.loadable
            if step.get("loaded") and not may:
                failed(
                    f"load gives a session for {case}",
                    "compare the file with its header or the facts, and raise InvalidModel; where that "
                    f"is a valid model of its format, say so: Sample(…, loadable=[{case!r}])",
                )
            error = step.get("error", "")
            if error and Path(step["path"]).name not in error and len(step["path"]) < 1000:
                failed(
                    f"loading {case} raises {error!r}, which doesn't name the file",
                    "name artifact.path in the message, or let the runtime's own exception through: "
                    "core then adds the path",
                )


def _cases(judged: Steps) -> Iterator[tuple[str, Step]]:
    """The steps that are verdicts."""
    return ((case, step) for case, step in judged.done.items() if "status" in step)


def _case(device: str | None, precision: str | None) -> str:
    return f"device={device!r}, precision={precision!r}"


def _codes(step: Step) -> set[str]:
    return {code for code, _, _ in step["reasons"]}


def _said(step: Step) -> str:
    reasons = "; ".join(f"{code}: {message}" for code, message, _ in step["reasons"])
    return f"{step['status']} ({reasons or step['device']})"
