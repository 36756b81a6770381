"""What is installed here and in which state: the value behind `describe_runtime`, `infer backends`
and `infer doctor`. How it reads is in `inference_core.report_text`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from inference_core import catalog, configuration, discovery, machine
from inference_core.backend import Backend, judged_wrappers, open_backends
from inference_core.configuration import Configuration
from inference_core.discovery import Record
from inference_core.environment import Environment
from inference_core.errors import ConfigurationError
from inference_core.install import foreign_cores, install_command, pip_command
from inference_core.plain import to_plain
from inference_core.report_text import full_text
from inference_core.verdict import BackendReport, Reason
from inference_core.wish import preference_order

if TYPE_CHECKING:
    from inference_core.deep_probe import DeepReport
    from inference_core.installation import Installation
    from inference_core.needs import Need


@dataclass(frozen=True, slots=True)
class PluginState:
    """One installed plugin.

    Attributes:
        record: kind, name, distribution, version.
        state: "ready", "incomplete" (its runtime is missing), "problem", "disabled" or "broken".
        reasons: why it isn't ready, each with its fix.
        report: what a backend says of itself; None for other kinds and unusable ones.
        deep: how its deep probe went; None where none was made.
    """

    record: Record
    state: str
    reasons: tuple[Reason, ...] = ()
    report: BackendReport | None = None
    deep: DeepReport | None = None

    @property
    def found(self) -> BackendReport | None:
        """The better informed of its reports: that of the deep probe, unless that did not end."""
        deep = self.deep.report if self.deep else None
        return deep if deep and deep.runtime else self.report


@dataclass(frozen=True, slots=True)
class RuntimeReport:
    """This machine, the installed plugins, and what is wrong.

    Attributes:
        core_version: the installed inference-core.
        environment: the machine.
        plugins: every installed plugin with its state.
        missing: known backends that aren't installed: name and the command that installs each.
        problems: what concerns no single plugin.
        installation: how core is installed and set up; None in the short report.
        sources: what each plugin's distribution was installed from, by its name and version; {} in
            the short report.
        needs: what core and the plugins ask for, and whether it is there; () in the short report.
    """

    core_version: str
    environment: Environment
    plugins: tuple[PluginState, ...]
    missing: Mapping[str, str]
    problems: tuple[Reason, ...]
    installation: Installation | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()

    def __str__(self) -> str:
        return full_text(self)

    def to_json(self) -> dict[str, Any]:
        """The same for machines: what `json.dumps` takes."""
        return dict(to_plain(self))


def backends_report() -> RuntimeReport:
    """The machine and the backends only, without importing any other plugin."""
    settings, problems = _settings()
    plugins = _backend_states(settings)
    # A wrapper that can't be used is left out of every call.
    judged = judged_wrappers(settings)
    plugins += [_unusable(plugin.record, reason) for plugin, reason in judged if reason]
    return _report(plugins, problems)


def runtime_report(deep: bool = False, timeout: float = 120.0) -> RuntimeReport:
    """Look at everything that is installed.

    Args:
        deep: also run each backend's deep probe, in a child process of its own.
        timeout: seconds that each child process may take.
    """
    # Not above: both need `packaging`, which the short report does without.
    from inference_core.installation import installation, installed_from
    from inference_core.needs import needs

    settings, problems = _settings()
    plugins = _backend_states(settings)
    if deep:
        plugins = [_deep_state(state, timeout) for state in plugins]
    plugins += _other_states(settings)
    found, unreadable = needs({"inference-core", *(p.record.distribution for p in plugins)})
    # A backend whose runtime is missing has said so itself.
    told = {plugin.report.runtime for plugin in plugins if plugin.report}
    unmet = [
        each for need in found if need.version or need.name not in told for each in need.problems
    ]
    report = _report(plugins, [*problems, *unreadable, *unmet])
    owners = {p.record.origin: p.record.distribution for p in plugins}
    return replace(
        report,
        installation=installation(settings),
        sources={origin: installed_from(name) for origin, name in sorted(owners.items())},
        needs=tuple(found),
    )


def _report(plugins: list[PluginState], problems: list[Reason]) -> RuntimeReport:
    environment = machine.current()
    installed = {each.record.name for each in plugins if each.record.kind == "backends"}
    missing = {
        known.name: install_command(
            known.gpu_requirement if environment.gpus else known.requirement
        )
        for known in catalog.BACKENDS
        if known.available and known.name not in installed
    }
    version = metadata.version("inference-core")
    problems = [*environment.problems, *problems]
    return RuntimeReport(version, environment, tuple(plugins), missing, tuple(problems))


def _settings() -> tuple[Configuration, list[Reason]]:
    """The configuration, and what is wrong with it and with what is installed."""
    problems = []
    try:
        settings = configuration.read()
    except ConfigurationError as error:
        # A report is what one reads to find such a mistake, so it must come out all the same.
        problems.append(Reason("error", str(error), "mend or remove the configuration file"))
        settings = Configuration(configuration.path())
    problems += [*discovery.damaged(), *discovery.unknown_names(), *_preference_problem(settings)]
    return settings, [*problems, *map(_foreign, foreign_cores())]


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


def _backend_states(settings: Configuration) -> list[PluginState]:
    environment = machine.current()
    return [_backend_state(record, each, environment) for record, each in open_backends(settings)]


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


def _deep_state(state: PluginState, timeout: float) -> PluginState:
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
        deep=deep,
    )
