"""`infer explain MODEL` (or `infer why MODEL`): which backend would run it, and why not the others."""

from __future__ import annotations

import argparse

from inference_core.auto_model import AutoModel
from inference_core.cli.fixes import on_the_command_line
from inference_core.cli.loading import loading_arguments
from inference_core.cli.output import print_json, print_table
from inference_core.resolution import Resolution


def run(options: argparse.Namespace) -> int:
    """Print the resolution. Done (0) also if no backend runs the model: that is an explanation."""
    resolution = AutoModel.resolve(options.model, **loading_arguments(options))
    if options.json:
        print_json(resolution.to_json())
    else:
        print_resolution(resolution)
    return 0


def print_resolution(resolution: Resolution) -> None:
    """The resolution as a table, its fixes as options."""
    resolution = on_the_command_line(resolution)
    head = ("backend", "device", "artifact", "verdict")
    rows = [(row[:4], row[4]) for row in resolution.rows()]
    print_table(str(resolution), resolution.headline(), head, rows)
