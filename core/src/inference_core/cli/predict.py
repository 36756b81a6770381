"""`infer predict MODEL INPUT…`: results as text or JSON lines, annotated pictures with --save.

An input that can't be read is reported and the others go on; the exit code then says that the work
failed in part.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from inference_core.auto_model import AutoModel
from inference_core.cli.input_paths import ARRAYS, PICTURES, expanded
from inference_core.cli.loading import loading_arguments, pairs
from inference_core.cli.output import progress, status
from inference_core.cli.report import JsonLines, Report
from inference_core.cli.saving import SaveFolder, model_files, refuse_overwriting
from inference_core.errors import InferenceError, InvalidArgument, InvalidInput, PluginError
from inference_core.model import DEFAULT_BATCH, Model


def run(options: argparse.Namespace) -> int:
    """Predict on every input; 1 if any of them failed."""
    parameters = pairs(options.param, "--param")
    paths, missing = expanded(options.inputs, (*PICTURES, *ARRAYS))
    if not paths:  # not worth loading a model for, nor emptying the file of --output
        report = Report(options.json, None)
        for error in missing:
            report.failure(str(error))
        return _ended(report, len(missing))
    with ExitStack() as stack:
        # Checked before the model is loaded: a typo in a path must not cost the work.
        lines = _json_lines(options, paths, stack)
        folder = SaveFolder(options.save, paths) if options.save else None
        with status(f"loading {options.model}"):
            model = AutoModel.from_pretrained(options.model, **loading_arguments(options))
        stack.enter_context(model)
        if lines:
            refuse_overwriting(lines.path, model_files(model.package), "belongs to the model")
        if folder:
            folder.keep(*model_files(model.package), *([lines.path] if lines else []))
        plain = _is_plain(model)
        paths, missing = expanded(options.inputs, ARRAYS if plain else PICTURES)
        report = Report(options.json, lines)
        for error in missing:
            report.failure(str(error))
        # A plain graph's arrays have a batch axis of their own, so they go through one by one.
        size = 1 if plain else options.batch_size or DEFAULT_BATCH
        found = _outcomes(model, paths, size, parameters)
        for path, outcome in progress(
            found, len(paths), f"{model.package.name} on {model.backend}"
        ):
            _tell(report, folder, path, outcome)
    return _ended(report, len(paths) + len(missing))


def _json_lines(
    options: argparse.Namespace, paths: list[Path], stack: ExitStack
) -> JsonLines | None:
    if not options.output:
        return None
    target = Path(options.output)
    refuse_overwriting(target, paths, "is one of the inputs")
    refuse_overwriting(target, [Path(options.model)], "is the model")
    return stack.enter_context(JsonLines(target))


def _outcomes(
    model: Model, paths: list[Path], size: int, parameters: Mapping[str, Any]
) -> Iterator[tuple[Path, Any]]:
    """Each path with its result, or with the error that it cost; `size` of them at a time."""
    for start in range(0, len(paths), size):
        chunk = paths[start : start + size]
        yield from zip(chunk, _predicted(model, chunk, parameters), strict=True)


def _predicted(model: Model, paths: list[Path], parameters: Mapping[str, Any]) -> list[Any]:
    try:
        inputs = [_read(model, path) for path in paths]
        return [model(inputs[0], **parameters)] if len(paths) == 1 else model(inputs, **parameters)
    except (PluginError, InvalidArgument):
        raise  # the next input would fare no better
    except InferenceError as error:
        if len(paths) == 1:
            return [error]
    # One bad input must cost only itself: run each on its own.
    return [outcome for path in paths for outcome in _predicted(model, [path], parameters)]


def _tell(report: Report, folder: SaveFolder | None, path: Path, outcome: Any) -> None:
    try:
        if isinstance(outcome, InferenceError):
            raise outcome
        saved = folder.save(outcome, path) if folder else None
    except InvalidArgument:
        raise
    except InferenceError as error:
        report.failure(str(error), path)
    else:
        report.result(path, outcome, saved)


def _ended(report: Report, total: int) -> int:
    if report.failed:
        print(f"{report.failed} of {total} inputs failed", file=sys.stderr)
    return 1 if report.failed else 0


def _is_plain(model: Model) -> bool:
    return model.package.processor is None and model.task is None


def _read(model: Model, path: Path) -> Any:
    """What the model takes: the path itself, or for a plain graph the arrays of an .npz file."""
    if not _is_plain(model):
        return path
    if path.suffix.lower() not in ARRAYS:
        raise InvalidInput(
            f"{path}: {model.package.name} is a plain graph; it takes .npz files of arrays"
        )
    import numpy as np

    try:
        with open(path, "rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise InvalidInput(f"{path} is one array without a name; save it with np.savez")
            return dict(arrays)
    except InvalidInput:
        raise
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise InvalidInput(f"{path} can't be read as .npz: {error}") from error
