"""`infer predict MODEL INPUT…`: what a model finds in pictures, videos, documents and arrays.

Results come as text or JSON lines, with --save also drawn (documents as hOCR), with --coco also as
COCO JSON. An input that can't be read is reported and the others go on; the exit code then says that
the work failed in part.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from itertools import groupby
from pathlib import Path
from typing import Any

from inference_core.auto_model import AutoModel
from inference_core.cli.coco import CocoFile
from inference_core.cli.input_paths import (
    ARRAYS,
    DOCUMENTS,
    PICTURES,
    VIDEOS,
    cameras_and_others,
    expanded,
    refuse_as_model,
)
from inference_core.cli.loading import loading_arguments, pairs
from inference_core.cli.output import progress, status
from inference_core.cli.prediction import is_plain, outcomes, suffixes
from inference_core.cli.report import JsonLines, Report
from inference_core.cli.saving import (
    SaveFolder,
    file_target,
    model_files,
    refuse_overwriting,
)
from inference_core.cli.video import Watcher, quieten_decoder
from inference_core.errors import InferenceError, InvalidArgument
from inference_core.model import Model


def run(options: argparse.Namespace) -> int:
    """Predict on every input; 1 if any of them failed."""
    parameters = pairs(options.param, "--param")
    refuse_as_model(options.model)
    cameras, inputs = cameras_and_others(options.inputs)
    paths, missing = expanded(inputs, (*PICTURES, *VIDEOS, *DOCUMENTS, *ARRAYS))
    if (
        not paths and not cameras
    ):  # not worth loading a model for, nor emptying the file of --output
        report = Report(options.json, None)
        for error in missing:
            report.failure(str(error))
        return _ended(report, len(missing))
    if cameras or any(path.suffix.lower() in VIDEOS for path in paths):
        quieten_decoder()
    with ExitStack() as stack:
        # Checked before the model is loaded: a typo in a path must not cost the work.
        lines = coco = None
        if options.output:
            lines = stack.enter_context(JsonLines(_target(options, "output", paths)))
        if options.coco:
            coco = stack.enter_context(CocoFile(_target(options, "coco", paths)))
        folder = SaveFolder(options.save, paths) if options.save else None
        with status(f"loading {options.model}"):
            model = AutoModel.from_pretrained(options.model, **loading_arguments(options))
        stack.enter_context(model)
        written = {"--output": lines, "--coco": coco}
        for flag, file in written.items():
            if file:
                own = model_files(model.package)
                refuse_overwriting(file.path, own, "belongs to the model", flag)
        if folder:
            folder.keep(
                *model_files(model.package), *(file.path for file in written.values() if file)
            )
        if coco:
            coco.labels(model.labels)
        plain = is_plain(model)
        if cameras and plain:
            raise InvalidArgument(f"{model.package.name} is a plain graph; it takes no camera")
        paths, missing = expanded(inputs, suffixes(model))
        report = Report(options.json, lines)
        for error in missing:
            report.failure(str(error))
        _predict(model, paths, cameras, parameters, report, folder, coco)
    return _ended(report, len(paths) + len(missing) + len(cameras))


def _target(options: argparse.Namespace, name: str, inputs: list[Path]) -> Path:
    """The file of --output or --coco, which must be neither an input, nor the model, nor the other."""
    target = file_target(getattr(options, name), f"--{name}")
    refuse_overwriting(target, inputs, "is one of the inputs", f"--{name}")
    refuse_overwriting(target, [Path(options.model)], "is the model", f"--{name}")
    if options.output and options.coco:
        first, second = Path(options.output).resolve(), Path(options.coco).resolve()
        if first == second:
            raise InvalidArgument(f"--output and --coco are both {target}; give two files")
    return target


def _predict(
    model: Model,
    paths: list[Path],
    cameras: list[int],
    parameters: Mapping[str, Any],
    report: Report,
    folder: SaveFolder | None,
    coco: CocoFile | None,
) -> None:
    watcher = Watcher(model, parameters, report, folder, coco)
    title = f"{model.package.name} on {model.backend}"
    for videos, group in groupby(paths, lambda path: path.suffix.lower() in VIDEOS):
        files = list(group)
        if videos and not is_plain(model):
            for path in files:
                watcher.watch(path)
        else:
            found = outcomes(model, files, parameters)
            with closing(progress(found, len(files), title, "inputs")) as inputs:
                for path, outcome in inputs:
                    _tell(report, folder, coco, path, outcome)
    for camera in cameras:
        watcher.watch(camera)


def _tell(
    report: Report, folder: SaveFolder | None, coco: CocoFile | None, path: Path, outcome: Any
) -> None:
    try:
        if isinstance(outcome, InferenceError):
            raise outcome
        saved = folder.save(outcome, path) if folder else None
        if folder and saved is None:
            report.undrawable(outcome)
        if coco:
            coco.add(outcome, str(path))
    except InvalidArgument:
        raise
    except InferenceError as error:
        report.failure(str(error), str(path))
    else:
        report.result(str(path), outcome, saved)


def _ended(report: Report, total: int) -> int:
    if report.failed:
        print(f"{report.failed} of {total} inputs failed", file=sys.stderr)
    return 1 if report.failed else 0
