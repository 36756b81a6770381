"""Runs a model on files: each gives its result or the error that it cost; the next are on their way."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from inference_core.cli.input_paths import ARRAYS, DOCUMENTS, PICTURES, VIDEOS
from inference_core.errors import InferenceError, InvalidArgument, InvalidInput, PluginError
from inference_core.model import Model
from inference_core.processor import Graph
from inference_core.recognition import advice
from inference_core.streaming import pipelined


def outcomes(
    model: Model, paths: Sequence[Path], parameters: Mapping[str, Any]
) -> Iterator[tuple[Path, Any]]:
    """Each path with its result, or with the error that it cost, in order.

    They go through the graph `model.batch_size` at a time; of a batch with a bad input each goes
    alone. What the next input would fare no better with is raised: a plugin's error, a wrong option.
    """
    # A plain graph's arrays have a batch axis of their own, so they go through one by one.
    size = 1 if is_plain(model) else model.batch_size
    steps = [_kept(lambda chunk: [read(model, path) for path in chunk])]
    steps += [_kept(stage) for stage in model.stages(**parameters).values()]
    chunks = [paths[start : start + size] for start in range(0, len(paths), size)]
    # The pipeline's inputs are whole chunks, which come in lists of one.
    stages = [lambda batch: steps[0](batch[0]), *steps[1:-1], lambda value: [steps[-1](value)]]
    for chunk, found in pipelined(chunks, stages):
        if not isinstance(found, InferenceError):
            yield from zip(chunk, found, strict=True)
        elif len(chunk) == 1:
            yield chunk[0], found
        else:
            for path in chunk:
                alone: Any = [path]
                for step in steps:
                    alone = step(alone)
                yield path, alone if isinstance(alone, InferenceError) else alone[0]


def _kept(stage: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The stage, with the error of an input as a value that is passed on."""

    def step(value: Any) -> Any:
        if isinstance(value, InferenceError):
            return value
        try:
            return stage(value)
        except (PluginError, InvalidArgument):
            raise
        except InferenceError as error:
            return error

    return step


def is_plain(model: Model) -> bool:
    """Whether the model takes arrays and not pictures."""
    return model.package.processor is None and model.task is None


def suffixes(model: Model) -> tuple[str, ...]:
    """Of the files in a folder that the model takes."""
    if is_plain(model):
        return ARRAYS
    return (*PICTURES, *VIDEOS, *(DOCUMENTS if model.task == "ocr" else ()))


def read(model: Model, path: Path) -> Any:
    """What the model takes: the path itself, or for a plain graph the arrays of an .npz file.

    Raises:
        InvalidInput: for a plain graph, it is no .npz file or a damaged one.
    """
    if not is_plain(model):
        return path
    if path.suffix.lower() not in ARRAYS:
        raise InvalidInput(
            f"{path}: {model.package.name} is a plain graph; it takes .npz files of arrays. "
            f"{advice(model.package, model.artifact, Graph(model.inputs, model.outputs))}"
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
