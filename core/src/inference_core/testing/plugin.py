"""The backend under test, without a sample: found, imported in a child first, and opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_core import configuration, discovery
from inference_core.backend import Backend, open_backends
from inference_core.discovery import Record
from inference_core.testing.failure import failed
from inference_core.testing.steps import Steps, run_steps


@dataclass(frozen=True, eq=False)
class Plugin:
    """An installed backend.

    Attributes:
        backend: opened as core opens it.
        scratch: a folder for files that checks write.
        timeout: seconds that a child process may take.
        probed: what importing and probing it did.
    """

    backend: Backend
    scratch: Path
    timeout: float
    probed: Steps

    @property
    def record(self) -> Record:
        """Its entry point."""
        return self.backend.record

    def run(self, scenario: str, plan: Mapping[str, Any], **where: Any) -> Steps:
        """Run a scenario of `child` in a process of its own; `where` goes to `run_steps`."""
        whole = {**_plan(self.record), **plan}
        return run_steps(scenario, whole, self.scratch, timeout=self.timeout, **where)


def find_plugin(name: str, scratch: Path, timeout: float) -> Plugin:
    """The backend of that name; the test fails, in words, if there is none that core would take."""
    record = _record(name)
    # What ends a process must do so in a child, before this process imports the plugin.
    probed = run_steps("probe", _plan(record), scratch, timeout=timeout)
    if refused := probed.done.get("refused"):
        failed(
            f"core refuses the backend: {refused['message']}",
            refused["fix"] or "mend that; the author documentation describes what a backend is",
        )
    if probed.ending:
        where = "its import" if probed.at == "import" else f"probe_environment on {probed.at}"
        failed(
            f"{where} ended the process: it {probed.ending}",
            "neither the entry point's module nor probe_environment may run native code, exit or "
            "wait; report what is wrong as a problem of the BackendReport",
        )
    ((_, backend),) = open_backends(configuration.read(), name)
    assert isinstance(backend, Backend)  # the child would have said so
    return Plugin(backend, scratch, timeout, probed)


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


def _plan(record: Record) -> dict[str, Any]:
    return {"backend": record.name, "module": record.value.partition(":")[0]}
