"""Whether a file is what its format says, and what its reader sees in it. MediaPipe is not asked."""

from __future__ import annotations

from inference_core.errors import InvalidModel
from inference_core.package import Artifact, Facts
from inference_core.readers import task_file, tflite_file
from inference_core.verdict import Reason

_READERS = {"mediapipe-task": task_file.read, "tflite": tflite_file.read}


def checked_facts(artifact: Artifact) -> Facts | Reason:
    """The facts of an artifact's file, or why it can't be one of its format."""
    try:
        seen = _READERS[artifact.format](artifact.path)
    except (InvalidModel, OSError, ValueError) as error:
        return Reason("error", str(error))
    return next(iter(seen.facts.values()))
