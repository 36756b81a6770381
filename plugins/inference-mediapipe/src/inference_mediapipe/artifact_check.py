"""Whether a file is what its format says, and what its reader sees in it. MediaPipe is not asked."""

from __future__ import annotations

from pathlib import Path

from inference_core.errors import InvalidModel
from inference_core.package import Artifact, Facts
from inference_core.readers import task_file, tflite_file
from inference_core.verdict import Reason

from inference_mediapipe.tasks import Task

_READERS = {"mediapipe-task": task_file.read, "tflite": tflite_file.read}


def checked_facts(artifact: Artifact) -> Facts | Reason:
    """The facts of an artifact's file, or why it can't be one of its format."""
    try:
        seen = _READERS[artifact.format](artifact.path)
    except (InvalidModel, OSError, ValueError) as error:
        return Reason("error", str(error))
    return next(iter(seen.facts.values()))


def refusal_of(task: Task, facts: Facts, path: Path) -> Reason | None:
    """Why MediaPipe wouldn't take this file for the task, or would end the process over it; None if
    nothing is known.

    Its classifiers read the name of the output from the file's metadata, and where that isn't there,
    they read where nothing is: one load in three ends with a bus error (1.2.2).
    """
    if task.api in ("ImageClassifier", "TextClassifier") and facts.get("tflite.unnamed_outputs"):
        return Reason(
            "error",
            f"the metadata of {path.name} describes an output without a name, and MediaPipe crashes on "
            "such a classifier: write the metadata anew, with a name for each output",
        )
    if task.api == "ObjectDetector" and not facts.get("tflite.described"):
        return Reason(
            "error",
            f"{path.name} has no metadata, and MediaPipe's ObjectDetector needs them to know which "
            "output has the boxes: export it with metadata, as MediaPipe Model Maker does; other "
            "backends run the graph without",
            'backend="tflite"',
        )
    return None
