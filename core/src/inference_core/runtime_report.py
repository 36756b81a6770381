"""What is installed here and in which state: the value behind `describe_runtime`, `infer backends`
and `infer doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

from inference_core import catalog, configuration, discovery, machine
from inference_core.backend import Backend, judged_wrappers, open_backends
from inference_core.configuration import Configuration
from inference_core.discovery import Record
from inference_core.environment import Environment
from inference_core.errors import ConfigurationError
from inference_core.install import foreign_cores, install_command, pip_command
from inference_core.plain import to_plain
from inference_core.resolver import preference_order
from inference_core.tables import printable, reason_lines, table_line
from inference_core.verdict import BackendReport, Reason


@dataclass(frozen=True, slots=True)
class PluginState:
    """One installed plugin.

    Attributes:
        record: kind, name, distribution, version.
        state: "ready", "incomplete" (its runtime is missing), "problem", "disabled" or "broken".
        reasons: why it isn't ready, each with its fix.
        report: what a backend says of itself; None for other kinds and unusable ones.
    """

    record: Record
    state: str
    reasons: tuple[Reason, ...] = ()
    report: BackendReport | None = None


@dataclass(frozen=True, slots=True)
class RuntimeReport:
    """This machine, the installed plugins, and what is wrong.

    Attributes:
        core_version: the installed inference-core.
        environment: the machine.
        plugins: every installed plugin with its state.
        missing: known backends that aren't installed: name and the command that installs each.
        problems: what concerns no single plugin.
    """

    core_version: str
    environment: Environment
    plugins: tuple[PluginState, ...]
    missing: Mapping[str, str]
    problems: tuple[Reason, ...]

    def plugin_lines(self) -> list[str]:
        """The plugins as a plain table, and below it what else could be installed."""
        head, rows = plugin_table(self.plugins)
        widths = [
            max(len(cells[i]) for cells in (head, *(c for c, _ in rows))) for i in range(len(head))
        ]
        lines = [f"inference-core {self.core_version}", table_line(head, widths)]
        for cells, reasons in rows:
            lines += [table_line(cells, widths), *reason_lines(reasons)]
        if not rows:
            lines.append("  no backend is installed")
        return lines + self.closing_lines()

    def closing_lines(self) -> list[str]:
        """What could be installed, and the problems that concern no single plugin."""
        lines = [f"  not installed: {name}; {command}" for name, command in self.missing.items()]
        return lines + (["", "problems", *reason_lines(self.problems)] if self.problems else [])

    def __str__(self) -> str:
        return "\n".join([*describe(self.environment), "", *self.plugin_lines()])

    def to_json(self) -> dict[str, Any]:
        """The same for machines: what `json.dumps` takes."""
        return dict(to_plain(self))


def plugin_table(
    plugins: tuple[PluginState, ...],
) -> tuple[tuple[str, ...], list[tuple[tuple[str, ...], tuple[Reason, ...]]]]:
    """Head and rows of the table of plugins, each row with its reasons."""
    head = ("name", "kind", "state", "runtime", "devices", "distribution")
    rows: list[tuple[tuple[str, ...], tuple[Reason, ...]]] = []
    for plugin in plugins:
        record, report = plugin.record, plugin.report
        runtime = devices = "-"
        if report and report.runtime:
            runtime = f"{report.runtime} {report.runtime_version or '(missing)'}"
        if report and report.devices:
            devices = ", ".join(report.devices)
        kind = record.kind.rstrip("s")
        cells = (record.name, kind, plugin.state, runtime, devices, record.origin)
        rows.append((tuple(map(printable, cells)), plugin.reasons))
    return head, rows


def describe(environment: Environment) -> list[str]:
    """The machine in a few lines of text."""
    cpu = environment.cpu
    gpus = [
        f"gpu       cuda:{gpu.index} {gpu.name}, {gpu.memory_bytes / 2**30:.1f} GiB, "
        f"compute capability {gpu.compute_capability}"
        for gpu in environment.gpus
    ]
    driver = f"driver {environment.cuda_driver}, CUDA up to {environment.cuda_version}"
    return [
        f"system    {environment.os} {environment.os_version}, {environment.architecture}, "
        f"Python {environment.python}",
        f"cpu       {cpu.model}, {cpu.cores} cores, {cpu.threads} threads"
        + (f", {' '.join(cpu.features)}" if cpu.features else ""),
        f"memory    {environment.memory_bytes / 2**30:.1f} GiB",
        *([f"jetson    L4T {environment.jetson_l4t}"] if environment.jetson_l4t else []),
        *(
            [f"nvidia    {driver}"]
            if environment.cuda_driver
            else ["gpu       none (no NVIDIA driver)"]
        ),
        *gpus,
    ]


def backends_report() -> RuntimeReport:
    """The machine and the backends only, without importing any other plugin."""
    return _report(deep=False, timeout=0, others=False)


def runtime_report(deep: bool = False, timeout: float = 120.0) -> RuntimeReport:
    """Look at everything that is installed.

    Args:
        deep: also run each backend's deep probe, in a child process of its own.
        timeout: seconds that each child process may take.
    """
    return _report(deep, timeout, others=True)


def _report(deep: bool, timeout: float, others: bool) -> RuntimeReport:
    environment = machine.current()
    problems = list(environment.problems)
    settings = _settings(problems)
    problems += [*discovery.damaged(), *discovery.unknown_names()]
    problems += _preference_problem(settings)
    problems += [_foreign(version) for version in foreign_cores()]
    plugins = [
        _backend_state(record, each, environment) for record, each in open_backends(settings)
    ]
    installed = {plugin.record.name for plugin in plugins}
    if deep:
        plugins = [_deep_state(state, environment, timeout) for state in plugins]
    if others:
        plugins += _other_states(settings)
    else:  # a wrapper that can't be used is left out of every call
        judged = judged_wrappers(settings)
        plugins += [_unusable(plugin.record, reason) for plugin, reason in judged if reason]
    missing = {
        known.name: install_command(
            known.gpu_requirement if environment.gpus else known.requirement
        )
        for known in catalog.BACKENDS
        if known.available and known.name not in installed
    }
    version = metadata.version("inference-core")
    return RuntimeReport(version, environment, tuple(plugins), missing, tuple(problems))


def _settings(problems: list[Reason]) -> Configuration:
    try:
        return configuration.read()
    except ConfigurationError as error:
        # A report is what one reads to find such a mistake, so it must come out all the same.
        problems.append(Reason("error", str(error), "mend or remove the configuration file"))
        return Configuration(configuration.path())


def _preference_problem(settings: Configuration) -> list[Reason]:
    try:
        preference_order(None, settings)
    except ConfigurationError as error:
        return [Reason("error", str(error), "mend or remove the name")]
    return []


def _foreign(version: str) -> Reason:
    return Reason(
        "ambiguous",
        f"a distribution called inference-core {version} is installed that isn't this project's",
        f"{pip_command()} uninstall -y inference-core && {install_command('inference-core')}",
    )


def _backend_state(
    record: Record, backend: Backend | Reason, environment: Environment
) -> PluginState:
    if isinstance(backend, Reason):
        return _unusable(record, backend)
    report = backend.probe(environment)
    codes = {reason.code for reason in report.problems}
    if "not-installed" in codes:
        state = "incomplete"
    else:
        state = "problem" if codes else "ready"
    return PluginState(record, state, report.problems, report)


def _unusable(record: Record, reason: Reason) -> PluginState:
    return PluginState(record, "disabled" if reason.code == "disabled" else "broken", (reason,))


def _other_states(settings: Configuration) -> list[PluginState]:
    """Wrappers, readers, processors and sources: ready if their module imports."""
    judged = judged_wrappers(settings)
    for kind in ("readers", "processors", "sources"):
        judged += [(plugin, plugin.failure) for plugin in discovery.plugins(kind, settings)]
    return [_other_state(plugin.record, reason) for plugin, reason in judged]


def _other_state(record: Record, reason: Reason | None) -> PluginState:
    return _unusable(record, reason) if reason else PluginState(record, "ready")


def _deep_state(state: PluginState, environment: Environment, timeout: float) -> PluginState:
    """A backend's state with what its deep probe found; unusable backends stay as they are."""
    if state.report is None:
        return state
    from inference_core.deep_probe import deep_report

    deep = deep_report(state.record, timeout)
    new = tuple(problem for problem in deep.problems if problem not in state.reasons)
    return replace(
        state,
        state="problem" if new and state.state == "ready" else state.state,
        reasons=(*state.reasons, *new),
        report=deep if deep.runtime else state.report,
    )
