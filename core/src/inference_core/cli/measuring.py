"""Measures one backend for `infer bench`, in a process of its own so that none disturbs another.

The parent calls `measured`; run as a module it is the child: it reads a request from a JSON file, loads
the model, times each stage of each call, and writes the answer: `python -m
inference_core.cli.measuring REQUEST ANSWER`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from inference_core.cli.figures import FEWEST
from inference_core.errors import InferenceError, InvalidArgument, PluginError

_STDERR_LINES = 3


def measured(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a process of its own found.

    Args:
        request: `model` and `loading`, as `AutoModel.from_pretrained` takes them; `parameters` of the
            call; `input`, a file, or None for arrays made up for a plain graph; `warm_up` and `runs`,
            numbers of calls; `seconds`, after which both stop.

    Returns:
        `device`, `artifact`, `load_seconds`, `batch` (inputs of a call: a whole batch of the graph),
        `streamed_per_second` (inputs, of `Model.stream`; None for few runs) and `stages`: for each
        stage by name the seconds of every call.

    Raises:
        InvalidArgument: an argument or option is wrong.
        InferenceError: the model can't be loaded or run, in its words, or the process crashed.
    """
    with tempfile.TemporaryDirectory(prefix="inference-bench-") as folder:
        question, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        question.write_text(json.dumps(request), "utf-8")
        with Path(folder, "stderr").open("wb+") as stderr:
            ended = subprocess.run(
                [sys.executable, "-P", "-m", __name__, str(question), str(answer)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                check=False,
            )
            stderr.seek(0)
            noise = stderr.read().decode("utf-8", "replace").strip().splitlines()
        if ended.returncode or not answer.exists():
            said = " | ".join(noise[-_STDERR_LINES:])
            raise PluginError(
                f"its process ended with exit status {ended.returncode}"
                + (f"; it said: {said}" if said else "")
            )
        found: dict[str, Any] = json.loads(answer.read_text("utf-8"))
    if "error" in found:
        raise (InvalidArgument if found["wrong_argument"] else InferenceError)(found["error"])
    return found


def measure(request: Mapping[str, Any]) -> dict[str, Any]:
    """The child's work; see `measured`."""
    from inference_core.auto_model import AutoModel

    begun = time.perf_counter()
    with AutoModel.from_pretrained(request["model"], **request["loading"]) as model:
        load_seconds = time.perf_counter() - begun
        read = _reader(model, request["input"])
        own = model.stages(**request["parameters"])
        stages = {"read": lambda count: [read() for _ in range(count)], **own}
        batch, seconds = model.stream_batch, request["seconds"]
        for _ in _until(request["warm_up"], seconds):
            _call(stages, batch)
        calls = [_call(stages, batch) for _ in _until(request["runs"], seconds)]
        streamed = None
        if len(calls) >= FEWEST:  # fewer measure how a stream starts
            inputs = (read() for _ in _until(len(calls) * batch, seconds))
            begun = time.perf_counter()
            count = sum(1 for _ in model.stream(inputs, **request["parameters"]))
            streamed = count / (time.perf_counter() - begun)
        return {
            "device": model.device,
            "artifact": str(model.artifact),
            "load_seconds": load_seconds,
            "batch": batch,
            "streamed_per_second": streamed,
            "stages": {name: [call[name] for call in calls] for name in stages},
        }


def _call(stages: Mapping[str, Callable[[Any], Any]], value: Any) -> dict[str, float]:
    """Seconds that each stage took, one after the other."""
    spent = {}
    for name, stage in stages.items():
        begun = time.perf_counter()
        value = stage(value)
        spent[name] = time.perf_counter() - begun
    return spent


def _until(count: int, seconds: float) -> Iterator[int]:
    """0, 1, … to `count`, or until so many seconds have passed; 0 in any case if count isn't 0."""
    end = time.monotonic() + seconds
    for index in range(count):
        if index and time.monotonic() > end:
            return
        yield index


def _reader(model: Any, name: str | None) -> Callable[[], Any]:
    """Reads the input anew at each call, as a program would that gets a new one each time."""
    from inference_core.cli.input_paths import PICTURES
    from inference_core.cli.prediction import is_plain, read

    if name is None:
        feeds = _made_up(model)
        return lambda: feeds
    path = Path(name)
    if is_plain(model) or path.suffix.lower() not in PICTURES:
        return lambda: read(model, path)
    from inference_core.optional import import_optional

    vision = import_optional("inference_vision", "inference-vision", "reading pictures")
    return lambda: vision.read_image(path)


def _made_up(model: Any) -> dict[str, Any]:
    """Arrays as a plain graph takes them: ones, and 1 for each axis that it leaves open."""
    import numpy as np

    feeds: dict[str, Any] = {}
    for spec in model.inputs:
        if spec.shape is None or spec.dtype in ("str", "any"):
            raise InferenceError(
                f"the input {spec} can't be made up, for the graph doesn't say enough about it; give "
                "an .npz file"
            )
        dtype = "float32" if spec.dtype == "bfloat16" else spec.dtype
        feeds[spec.name] = np.ones([axis or 1 for axis in spec.shape], dtype)
    return feeds


def main(question: str, answer: str) -> None:
    """The child: what it found, or the error's words, goes to the file `answer`."""
    try:
        found = measure(json.loads(Path(question).read_text("utf-8")))
    except InferenceError as error:
        found = {"error": str(error), "wrong_argument": isinstance(error, InvalidArgument)}
    # Written aside and renamed, so that a crash in between leaves no half answer.
    partial = Path(answer + ".partial")
    partial.write_text(json.dumps(found), "utf-8")
    partial.replace(answer)


if __name__ == "__main__":
    main(*sys.argv[1:3])
