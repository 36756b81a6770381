"""A runtime report as plain text: short for `infer backends`, in full for a bug report.

The full text can be pasted into Markdown as it is: below each title stands a block indented by four
spaces, which Markdown shows literally.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from inference_core.tables import printable, reason_lines, table_line
from inference_core.verdict import Reason

if TYPE_CHECKING:
    from inference_core.environment import Environment
    from inference_core.installation import Installation
    from inference_core.needs import Need
    from inference_core.runtime_report import PluginState, RuntimeReport

# The section that a terminal shows as a coloured table instead.
PLUGINS = "Plugins"

Rows = list[tuple[tuple[str, ...], tuple[Reason, ...]]]


def backends_text(report: RuntimeReport) -> str:
    """The plugins as a plain table, and below it what else could be installed, and problems."""
    lines = [f"inference-core {report.core_version}", *_plugin_lines(report)]
    lines += [f"  not installed: {name}; {command}" for name, command in report.missing.items()]
    lines += ["", "problems", *reason_lines(report.problems)] if report.problems else []
    return "\n".join(lines)


def full_text(report: RuntimeReport) -> str:
    """Everything, in sections."""
    return "\n\n".join(section_text(title, lines) for title, lines in sections(report))


def section_text(title: str, lines: Iterable[str]) -> str:
    """A title and its indented block."""
    return "\n".join([title, "", *(f"    {line}" for line in lines)])


def sections(report: RuntimeReport) -> list[tuple[str, list[str]]]:
    """Title and lines of each part of the full text."""
    found = [
        (f"inference-core {report.core_version}", _installation_lines(report.installation)),
        ("Machine", describe(report.environment)),
        (PLUGINS, _plugin_lines(report)),
        ("Deep probes", _deep_lines(report.plugins)),
        ("Where plugins were installed from", _columns(report.sources.items())),
        ("Distributions asked for", _need_lines(report.needs)),
        ("Backends that aren't installed", _columns(report.missing.items())),
        ("Problems", _problem_lines(report)),
    ]
    return [(title, lines) for title, lines in found if lines]


def plugin_table(plugins: Sequence[PluginState]) -> tuple[tuple[str, ...], Rows]:
    """Head and rows of the table of plugins, each row with its reasons."""
    head = ("name", "kind", "state", "runtime", "devices", "distribution")
    rows: Rows = []
    for plugin in plugins:
        record, report = plugin.record, plugin.found
        runtime = devices = "-"
        if report and report.runtime:
            # A runtime may be there and tell no version.
            missing = "(missing)" if plugin.state == "incomplete" else ""
            runtime = f"{report.runtime} {report.runtime_version or missing}".rstrip()
        if report and report.devices:
            devices = ", ".join(report.devices)
        kind = record.kind.rstrip("s")
        cells = (record.name, kind, plugin.state, runtime, devices, record.origin)
        rows.append((tuple(map(printable, cells)), plugin.reasons))
    return head, rows


def _plugin_lines(report: RuntimeReport) -> list[str]:
    head, rows = plugin_table(report.plugins)
    table = [head, *(cells for cells, _ in rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(head))]
    lines = [table_line(head, widths)]
    for cells, reasons in rows:
        lines += [table_line(cells, widths), *reason_lines(reasons)]
    return lines if rows else [*lines, "  no backend is installed"]


def _installation_lines(found: Installation | None) -> list[str]:
    if found is None:
        return []
    exists = "" if found.configured else " (doesn't exist)"
    variables = [f"{name}={value}" for name, value in found.variables.items()] or ["none is set"]
    rows = [
        ("installed", found.source),
        ("folder", found.folder),
        ("plugin API", str(found.plugin_api)),
        ("Python", f"{found.python}, {found.executable}"),
        ("environment", found.environment),
        ("wheels", found.tag),
        ("settings", f"{found.configuration}{exists}"),
        *(("variables" if not index else "", each) for index, each in enumerate(variables)),
    ]
    return _columns(rows)


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


def _deep_lines(plugins: Sequence[PluginState]) -> list[str]:
    if not any(plugin.deep for plugin in plugins):
        return []
    return _columns(
        (each.record.name, str(each.deep) if each.deep else f"not tried, for it is {each.state}")
        for each in plugins
        if each.record.kind == "backends"
    )


def _need_lines(needs: Iterable[Need]) -> list[str]:
    rows = []
    for need in needs:
        askers: dict[str, list[str]] = {}
        for asker, wanted in need.wanted.items():
            unmet = " (not met)" if asker in need.unmet else ""
            askers.setdefault(f"{wanted or 'any'}{unmet}", []).append(asker)
        asks = "; ".join(f"{wanted} for {', '.join(each)}" for wanted, each in askers.items())
        rows.append((need.name, need.version or "(missing)", asks))
    return _columns(rows)


def _problem_lines(report: RuntimeReport) -> list[str]:
    if report.problems:
        return [line.removeprefix("    ") for line in reason_lines(report.problems)]
    above = any(plugin.reasons for plugin in report.plugins)
    return ["none but those of the plugins above" if above else "none"]


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of text with the columns below each other."""
    table = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [table_line(row, widths).removeprefix("  ") for row in table]
