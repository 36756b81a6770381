"""`infer backends`: the installed backends with their state, and what else could be installed."""

from __future__ import annotations

import argparse

from inference_core.cli.output import print_json, print_table
from inference_core.plain import to_plain
from inference_core.report_text import backends_text, plugin_table
from inference_core.runtime_report import backends_report


def run(options: argparse.Namespace) -> int:
    """Print the list; no numpy, no framework is imported for it."""
    report = backends_report()
    if options.json:
        plain = to_plain(report)
        print_json({key: plain[key] for key in ("plugins", "missing", "problems")})
        return 0
    head, rows = plugin_table(report.plugins)
    print_table(backends_text(report), f"inference-core {report.core_version}", head, rows)
    return 0
