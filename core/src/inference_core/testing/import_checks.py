"""Checks of what happens before a model is loaded: imports, probes, and a missing runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from inference_core.testing.bare_site import bare_site
from inference_core.testing.child import MACHINES
from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.steps import Steps, run_steps
from inference_core.testing.subject import Subject

_LIGHT = (
    "the standard library, pluggy, packaging, inference_core and the plugin's own modules; import "
    "anything else inside load(), predict() or a deep probe"
)


class ImportChecks(Kit):
    """A backend is imported and probed in every process, also in those that never use it."""

    @pytest.fixture
    def probed(self, subject: Subject) -> Steps:
        """What importing and probing did."""
        return subject.steps("probe")

    def test_importing_the_entry_point_loads_nothing_heavy(
        self, subject: Subject, probed: Steps
    ) -> None:
        heavy = probed.done["import"]["heavy"]
        if heavy:
            failed(
                f"importing {subject.backend.record.value} also imports {', '.join(heavy)}",
                f"let that module and what it imports at the top load only {_LIGHT}",
            )

    def test_importing_the_entry_point_has_no_effects(self, probed: Steps) -> None:
        _no_effects("importing the entry point", probed.done["import"])

    def test_probing_imports_no_framework(self, probed: Steps) -> None:
        for machine, step in _probes(probed):
            if step["heavy"]:
                failed(
                    f"probe_environment on {machine} imports {', '.join(step['heavy'])}",
                    f"find the runtime's version by importlib.metadata; a probe loads only {_LIGHT}",
                )

    def test_probing_has_no_effects(self, probed: Steps) -> None:
        for machine, step in _probes(probed):
            _no_effects(f"probe_environment on {machine}", step)

    def test_probing_answers_on_any_machine(self, probed: Steps) -> None:
        for machine, step in _probes(probed):
            for code, message, _ in step["problems"]:
                if code == "error" and "probe_environment of" in message:
                    failed(
                        f"on {machine}: {message}",
                        "catch what may be missing or damaged, and return a BackendReport that says "
                        "so among its problems",
                    )

    def test_probing_here_reports_the_device_that_it_accepts_models_for(
        self, subject: Subject, probed: Steps
    ) -> None:
        devices = probed.done["this machine"]["devices"]
        device = subject.verdict.device
        if device not in devices:
            failed(
                f"can_load accepts the sample for {device}, but probe_environment reports the "
                f"devices {devices}",
                "report every device that can_load may accept, best first, in BackendReport.devices",
            )

    def test_facts_do_not_collide_with_those_of_core(self, probed: Steps) -> None:
        for machine, step in _probes(probed):
            if step["taken"]:
                failed(
                    f"on {machine} the facts {', '.join(step['taken'])} are reported, which core "
                    "itself states",
                    "put the backend's facts under a prefix of its own, such as the runtime's name",
                )

    def test_it_answers_without_its_runtime(self, subject: Subject, tmp_path: Path) -> None:
        try:
            site = bare_site(subject.backend.record.distribution, tmp_path / "site")
        except OSError as error:
            pytest.skip(f"links can't be made here: {error}")
        steps = run_steps("without_runtime", subject.plan(), tmp_path, site)
        if steps.ending:
            failed(
                f"where only core and the plugin are installed, {steps.at} fails: it {steps.ending}",
                "a plugin is often installed before its runtime: import the runtime only inside "
                "load(), predict() or a deep probe, and let probe_environment report it as a "
                "problem `not-installed`",
            )
        report, verdict = steps.done["probe_environment"], steps.done["can_load"]
        raised = [
            message
            for code, message, _ in (*report["problems"], *verdict["reasons"])
            if code == "error"
        ]
        if raised:
            failed(
                f"where only core and the plugin are installed: {raised[0]}",
                "report a missing runtime as a problem `not-installed` and a verdict with that reason",
            )
        if report["here"]:
            return
        runtime = report["runtime"]
        for what, reasons in (("probe", report["problems"]), ("can_load", verdict["reasons"])):
            missing = [r for r in reasons if r[0] in ("not-installed", "broken-install")]
            if not missing:
                failed(
                    f"{runtime} isn't installed, and {what} doesn't say so (it says: "
                    f"{[r[1] for r in reasons] or 'nothing'})",
                    'add Reason("not-installed", …) with the command that installs it as its fix',
                )
            if not any(fix for _, _, fix in missing):
                failed(
                    f"{runtime} isn't installed, and {what} names no fix",
                    "give the reason the command that installs the runtime, from "
                    "inference_core.install.install_command",
                )


def _probes(probed: Steps) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, probed.done[name]) for name in ("this machine", *MACHINES)]


def _no_effects(what: str, step: Mapping[str, Any]) -> None:
    if step["effects"]:
        failed(
            f"{what} {'; '.join(step['effects'])}",
            "look at metadata and files only; whatever has an effect belongs into load()",
        )
