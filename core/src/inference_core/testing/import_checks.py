"""Checks of what happens before a model is loaded: imports, probes, and a missing runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from inference_core.testing.bare_site import bare_site
from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.machines import MACHINES, NO_DEVICE
from inference_core.testing.plugin import Plugin
from inference_core.testing.steps import Steps
from inference_core.testing.subject import Subject

# What a probe may read: metadata, not libraries.
_MOST_BYTES = 16 * 2**20
_LIGHT = (
    "the standard library, pluggy, packaging, platformdirs, inference_core and the plugin's own "
    "modules; import anything else inside load(), predict() or a deep probe"
)


class ImportChecks(Kit):
    """A backend is imported and probed in every process, also in those that never use it."""

    @pytest.fixture
    def probed(self, plugin: Plugin) -> Steps:
        """What importing and probing did."""
        return plugin.probed

    def test_importing_the_entry_point_loads_nothing_heavy(
        self, plugin: Plugin, probed: Steps
    ) -> None:
        heavy = probed.done["import"]["heavy"]
        if heavy:
            failed(
                f"importing {plugin.record.value} also imports {', '.join(heavy)}",
                f"let that module and what it imports at the top load only {_LIGHT}",
            )

    def test_importing_the_entry_point_has_no_effects(self, probed: Steps) -> None:
        _no_effects(
            "importing the entry point",
            probed.done["import"],
            "let its modules only define; applications import them without using the backend",
        )

    def test_probing_imports_no_framework(self, probed: Steps) -> None:
        for machine, step in _probes(probed):
            if step["heavy"]:
                failed(
                    f"probe_environment on {machine} imports {', '.join(step['heavy'])}",
                    f"find the runtime's version by importlib.metadata; a probe loads only {_LIGHT}",
                )

    def test_probing_has_no_effects(self, probed: Steps) -> None:
        for machine, step in _probes(probed):
            _no_effects(
                f"probe_environment on {machine}",
                step,
                "look at metadata and files only; whatever has an effect belongs into load()",
            )

    def test_probing_reads_little(self, probed: Steps) -> None:
        for machine, step in _probes(probed):
            if step["read"] > _MOST_BYTES:
                failed(
                    f"probe_environment on {machine} reads {step['read'] / 2**20:.0f} MiB",
                    "read metadata and short files; the probe is part of every start",
                )

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
        self, runnable: Subject, probed: Steps
    ) -> None:
        devices = probed.done["this machine"]["devices"]
        device = runnable.device
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
            site = bare_site(subject.plugin.record.distribution, tmp_path / "site")
        except OSError as error:
            pytest.skip(f"links can't be made here: {error}")
        steps = subject.plugin.run("without_runtime", subject.plan(), site=site)
        if steps.ending:
            failed(
                f"where only core and the plugin are installed, {steps.at} fails: it {steps.ending}",
                "a plugin is often installed before its runtime: import the runtime only inside "
                "load(), predict() or a deep probe, and let probe_environment report it as a "
                "problem `not-installed`",
            )
        report, verdict = steps.done["probe_environment"], steps.done["can_load None"]
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
            known = (runtime, subject.plugin.record.distribution)
            if not any(fix and any(name in fix for name in known) for _, _, fix in missing):
                failed(
                    f"{runtime} isn't installed, and the fix of {what} doesn't install it: "
                    f"{missing[0][2]}",
                    "give the reason the command that installs the runtime, from "
                    "inference_core.install.install_command",
                )
        other = steps.done[f"can_load {NO_DEVICE}"]
        if not {code for code, _, _ in other["reasons"]} & {"device", "option"}:
            failed(
                f"where {runtime} isn't installed, device={NO_DEVICE!r} gets only that reason: "
                f"{[message for _, message, _ in other['reasons']]}",
                "collect all reasons in a list and refuse once, instead of returning the first",
            )


def _probes(probed: Steps) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, probed.done[name]) for name in ("this machine", *MACHINES)]


def _no_effects(what: str, step: Mapping[str, Any], change: str) -> None:
    if step["effects"]:
        failed(f"{what} {'; '.join(step['effects'])}", change)
