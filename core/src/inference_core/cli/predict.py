"""`infer predict MODEL INPUT…`: results as text or JSON lines, annotated pictures with --save.

An input that can't be read is reported and the others go on; the exit code then says that the work
failed in part.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO
from zipfile import BadZipFile

from inference_core.auto_model import AutoModel
from inference_core.cli.input_paths import expanded
from inference_core.cli.loading import loading_arguments, pairs
from inference_core.cli.output import progress, status
from inference_core.errors import InferenceError, InvalidArgument, InvalidInput, PluginError
from inference_core.model import Model
from inference_core.optional import import_optional
from inference_core.plain import to_plain


def run(options: argparse.Namespace) -> int:
    """Predict on every input; 1 if any of them failed."""
    parameters = pairs(options.param, "--param")
    paths, missing = expanded(options.inputs)
    folder = _save_folder(options.save, paths)
    with ExitStack() as stack:
        # Opened before the model is loaded: a typo in a path must not cost the work.
        lines = (
            stack.enter_context(open(options.output, "w", encoding="utf-8"))
            if options.output
            else None
        )
        with status(f"loading {options.model}"):
            model = AutoModel.from_pretrained(options.model, **loading_arguments(options))
        stack.enter_context(model)
        failed = [_report(str(error), options.json, None, lines) for error in missing]
        for path in progress(paths, f"{model.package.name} on {model.backend}"):
            try:
                result = model(_read(model, path), **parameters)
                saved = _save(result, path, folder) if folder else None
            except (PluginError, InvalidArgument):
                raise  # the next input would fare no better
            except InferenceError as error:
                failed.append(_report(str(error), options.json, path, lines))
                continue
            _print(path, result, saved, options.json, lines)
    if failed:
        print(f"{len(failed)} of {len(paths) + len(missing)} inputs failed", file=sys.stderr)
    return 1 if failed else 0


def _read(model: Model, path: Path) -> Any:
    """What the model takes: the path itself, or for a plain graph the arrays of an .npz file."""
    if model.package.processor is not None or model.task is not None:
        return path
    if path.suffix != ".npz":
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


def _save_folder(save: str | None, inputs: list[Path]) -> Path | None:
    if save is None:
        return None
    folder = Path(save)
    if folder.exists() and not folder.is_dir():
        raise InvalidArgument(f"--save {folder} is a file; it takes a folder")
    if any(path.resolve().parent == folder.resolve() for path in inputs):
        raise InvalidArgument(
            f"--save {folder} holds the inputs themselves, which would be overwritten"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _save(result: Any, path: Path, folder: Path) -> Path:
    """Write what was found: an annotated picture, or for a plain graph the arrays it returned."""
    if isinstance(result, dict):
        import numpy as np

        target = _free(folder / f"{path.stem}.npz")
        np.savez(target, **result)
        return target
    vision = import_optional("inference_vision", "inference-vision", "--save")
    suffix = path.suffix.lower()
    target = _free(
        folder / f"{path.stem}{suffix if suffix in ('.jpg', '.jpeg', '.png') else '.png'}"
    )
    vision.write_image(target, result.annotate(path))
    return target


_written: set[Path] = set()


def _free(target: Path) -> Path:
    """`target`, numbered if this run has already written a picture of that name."""
    number, free = 1, target
    while free in _written:
        number += 1
        free = target.with_stem(f"{target.stem}-{number}")
    _written.add(free)
    return free


def _print(
    path: Path, result: Any, saved: Path | None, as_json: bool, lines: TextIO | None
) -> None:
    row: dict[str, Any] = {"input": str(path), "result": _plain(result)}
    if saved:
        row["saved"] = str(saved)
    text = json.dumps(row, ensure_ascii=False)
    if lines:
        print(text, file=lines)
    if as_json:
        print(text)
    elif not lines or saved:
        shown = _summary(result)
        print(f"{path}: {shown}" + (f" -> {saved}" if saved else ""))


def _report(message: str, as_json: bool, path: Path | None, lines: TextIO | None) -> Path | None:
    text = json.dumps({"input": str(path) if path else None, "error": message}, ensure_ascii=False)
    if lines:
        print(text, file=lines)
    if as_json:
        print(text)
    else:
        print(f"error: {message}", file=sys.stderr)
    return path


def _plain(result: Any) -> Any:
    if hasattr(result, "to_dict"):
        return result.to_dict()
    if isinstance(result, dict):
        return {name: {"dtype": str(a.dtype), "shape": list(a.shape)} for name, a in result.items()}
    return to_plain(result)


def _summary(result: Any) -> str:
    if isinstance(result, dict):
        return ", ".join(f"{name} {array.dtype}{array.shape}" for name, array in result.items())
    return str(result)
