"""`infer doctor`: this machine, every plugin and every problem; what to paste into a bug report."""

from __future__ import annotations

import argparse
import sys

from inference_core.cli.output import print_json, print_table, status
from inference_core.cli.redaction import redacted
from inference_core.report_text import PLUGINS, plugin_table, section_text, sections
from inference_core.runtime_report import runtime_report


def run(options: argparse.Namespace) -> int:
    """Print the report. Done (0) whatever is wrong with the machine: finding it is the work."""
    with status("trying each runtime" if options.deep else "looking at this machine"):
        report = redacted(runtime_report(options.deep, options.timeout))
    if options.json:
        print_json(report.to_json())
        return 0
    if not sys.stdout.isatty():
        print(report)
        return 0
    for title, lines in sections(report):
        if title == PLUGINS:
            print_table("", title, *plugin_table(report.plugins))
            print()
        else:
            print(section_text(title, lines), end="\n\n")
    return 0
