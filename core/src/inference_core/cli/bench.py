"""`infer bench MODEL [INPUT]`: how fast each backend that accepts a model is, stage by stage.

Each backend is measured in a process of its own, one after the other. What an input takes (its share,
where a call has a whole batch) is said in percentiles, and which backend is fastest only as surely as
the spread of the measurements allows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inference_core.auto_model import AutoModel
from inference_core.cli.figures import PERCENTILES, Fastest, fastest, percentile, spread
from inference_core.cli.input_paths import VIDEOS, refuse_as_model
from inference_core.cli.loading import loading_arguments, pairs
from inference_core.cli.measuring import measured
from inference_core.cli.output import print_json, print_table, status
from inference_core.cli.saving import naming, picture_target, refuse_overwriting
from inference_core.errors import InferenceError, InvalidArgument, InvalidInput, NoBackendFound
from inference_core.optional import import_optional
from inference_core.resolution import Resolution
from inference_core.tables import printable, reason_lines, table_line
from inference_core.verdict import Reason

ALL = "all"
HEAD = ("backend", "stage", *(f"p{percent} ms" for percent in PERCENTILES), "mean ms", "per second")


def run(options: argparse.Namespace) -> int:
    """Measure every backend that accepts the model; 1 if one of them failed."""
    if options.runs < 1 or options.warm_up < 0:
        raise InvalidArgument("--runs must be at least 1, and --warm-up at least 0")
    refuse_as_model(options.model)
    target, vision = None, None
    if options.save:
        target = picture_target(options.save)
        vision = import_optional("inference_vision", "inference-vision", "--save")
    loading = loading_arguments(options)
    resolution = AutoModel.resolve(options.model, **loading)
    if not resolution.accepted:
        raise NoBackendFound(f"no backend can run {resolution.package.root}", resolution)
    source = _input(options.input, resolution)
    if target and source:
        refuse_overwriting(target, [source], "is the input", "--save")
    request = {
        "model": options.model,
        "parameters": pairs(options.param, "--param"),
        "input": str(source) if source else None,
        "warm_up": options.warm_up,
        "runs": options.runs,
        "seconds": options.seconds,
    }
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for backend in dict.fromkeys(candidate.backend for candidate in resolution.accepted):
        with status(f"measuring {backend}"):
            try:
                found[backend] = measured({**request, "loading": {**loading, "backend": backend}})
            except InvalidArgument:
                raise  # the next would fare no better
            except InferenceError as error:
                failed[backend] = str(error)
    totals = {name: _stages(each)[ALL] for name, each in found.items()}
    ranking = fastest(totals) if totals else None
    if target and vision and totals:
        title = f"{resolution.package.name}: ms per input, {_batches(found)} per call"
        with naming("--save", target):
            vision.write_image(target, _histogram(title, totals))
    if options.json:
        print_json(_report(resolution, request, found, failed, ranking))
    else:
        _print(resolution, request, found, failed, ranking)
        if target and totals:
            print(f"drawn in {printable(str(target))}")
    return 1 if failed else 0


def _input(name: str | None, resolution: Resolution) -> Path | None:
    """The file to run on: the one that was given, else a sample picture, None for a plain graph."""
    if name is not None:
        path = Path(name)
        if not path.is_file():
            shown = name or "an empty name"
            raise InvalidInput(f"{shown} is no file; bench runs on one picture or .npz file")
        if path.suffix.lower() in VIDEOS:
            raise InvalidInput(f"{name} is a video; bench runs on one picture or .npz file")
        return path
    package = resolution.package
    if package.processor is None and package.task is None:
        return None
    vision = import_optional("inference_vision", "inference-vision", "bench without an INPUT")
    sample: Path = vision.sample_paths()[0]
    return sample


def _stages(each: Mapping[str, Any]) -> dict[str, list[float]]:
    """Seconds of each stage for an input, one number for each call; and of all stages together."""
    stages = {
        name: [seconds / each["batch"] for seconds in calls]
        for name, calls in each["stages"].items()
    }
    return {**stages, ALL: [sum(call) for call in zip(*stages.values(), strict=True)]}


def _batches(found: Mapping[str, Mapping[str, Any]]) -> str:
    """How many inputs a call has: "8", or "1 or 8" where backends run different artifacts."""
    return " or ".join(map(str, sorted({each["batch"] for each in found.values()})))


def _figures(seconds: Sequence[float]) -> dict[str, float]:
    milliseconds = {f"p{p}_ms": percentile(seconds, p) * 1e3 for p in PERCENTILES}
    mean = statistics.fmean(seconds)
    return {**milliseconds, "mean_ms": mean * 1e3, "per_second": 1 / mean if mean else 0.0}


def _report(
    resolution: Resolution,
    request: Mapping[str, Any],
    found: Mapping[str, dict[str, Any]],
    failed: Mapping[str, str],
    ranking: Fastest | None,
) -> dict[str, Any]:
    backends = []
    for name, each in found.items():
        stages = _stages(each)
        middle = spread(stages[ALL])
        backends.append(
            {
                "backend": name,
                "device": each["device"],
                "artifact": each["artifact"],
                "load_seconds": each["load_seconds"],
                "batch": each["batch"],
                "runs": len(stages[ALL]),
                "stages": {stage: _figures(seconds) for stage, seconds in stages.items()},
                "median_spread_ms": [edge * 1e3 for edge in middle] if middle else None,
                "streamed_per_second": each["streamed_per_second"],
            }
        )
    rest = ("input", "warm_up", "parameters")
    return {
        "model": resolution.package.name,
        **{name: request[name] for name in rest},
        "backends": backends,
        "failed": dict(failed),
        "fastest": None
        if ranking is None
        else {
            "backend": ranking.backend,
            "sure": ranking.sure,
            "times_as_long": {name: list(ratios) for name, ratios in ranking.others.items()},
        },
    }


def _print(
    resolution: Resolution,
    request: Mapping[str, Any],
    found: Mapping[str, dict[str, Any]],
    failed: Mapping[str, str],
    ranking: Fastest | None,
) -> None:
    on = request["input"] or "arrays of ones"
    title = f"{resolution.headline()} · on {on}"
    if found:
        batches = _batches(found)
        title += f" · {batches} per call" + ("" if batches == "1" else ", times per input")
    title = printable(title)
    rows: list[tuple[Sequence[str], tuple[Reason, ...]]] = []
    lines = []
    for name, each in found.items():
        stages = _stages(each)
        for stage, seconds in stages.items():
            figures = _figures(seconds)
            numbers = [f"{value:.2f}" for value in figures.values()]
            numbers[-1] = f"{figures['per_second']:.1f}"
            rows.append(((printable(name), stage, *numbers), ()))
        lines.append(
            f"{name} on {each['device']}, {each['artifact']}: {_remarks(each, stages[ALL])}"
        )
    for name, message in failed.items():
        reason = Reason("error", message)
        rows.append(((printable(name), "failed", *["-"] * (len(HEAD) - 2)), (reason,)))
    widths = [max(len(row[i]) for row in [HEAD, *(cells for cells, _ in rows)]) for i in range(7)]
    text = [title, table_line(HEAD, widths)]
    for cells, reasons in rows:
        text += [table_line(cells, widths), *reason_lines(reasons)]
    print_table("\n".join(text), title, HEAD, rows)
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    if ranking:
        print(printable(str(ranking)))


def _remarks(each: Mapping[str, Any], totals: Sequence[float]) -> str:
    of = "" if each["batch"] == 1 else f" of {each['batch']} inputs"
    said = [f"{len(totals)} runs{of}", f"loaded in {each['load_seconds']:.2f} s"]
    if middle := spread(totals):
        low, high = (edge * 1e3 for edge in middle)
        said.append(f"p50 between {low:.2f} and {high:.2f} ms")
    if each["streamed_per_second"]:
        said.append(f"{each['streamed_per_second']:.1f} per second as a stream")
    return ", ".join(said)


def _histogram(title: str, totals: Mapping[str, Sequence[float]]) -> Any:
    drawing = import_optional("inference_vision.histogram", "inference-vision", "--save")
    series = {name: [each * 1e3 for each in seconds] for name, seconds in totals.items()}
    return drawing.draw_histograms(series, title)
