"""MediaPipe task bundles: a zip archive of the graphs of one task. Told by their names; none is read.

Some bundles hold bundles (a gesture recogniser's holds the hand landmarker's); those aren't opened.
"""

from __future__ import annotations

from pathlib import Path

from inference_core.errors import InvalidModel
from inference_core.package import Artifact
from inference_core.readers import archives

# The members that make a bundle one for a task, the most special first, as MediaPipe's own bundles and
# its graphs (mediapipe/tasks/cc) name them.
_TASKS = {
    "holistic_landmarker": {
        "face_landmarks_detector.tflite",
        "hand_landmarks_detector.tflite",
        "pose_landmarks_detector.tflite",
    },
    "gesture_recognizer": {"hand_landmarker.task", "hand_gesture_recognizer.task"},
    "face_landmarker": {"face_detector.tflite", "face_landmarks_detector.tflite"},
    "hand_landmarker": {"hand_detector.tflite", "hand_landmarks_detector.tflite"},
    "pose_landmarker": {"pose_detector.tflite", "pose_landmarks_detector.tflite"},
    "llm_inference": {"TF_LITE_PREFILL_DECODE"},
}


def read(path: Path) -> Artifact:
    """The artifact that the bundle at `path` is; facts: "task", as MediaPipe calls the class that runs
    it in snake case ("hand_landmarker"), None for an unknown set of members; and "members".

    Raises:
        InvalidModel: the file can't be read, or is no zip archive.
    """
    try:
        with open(path, "rb") as file:
            archive = archives.open_archive(path, file)
            if archive is None:
                raise InvalidModel(
                    f"{path} is no MediaPipe task bundle: it doesn't end as a zip archive does"
                )
            with archive:
                members = tuple(archive.namelist())
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error
    names = set(members)
    task = next((task for task, needed in _TASKS.items() if needed <= names), None)
    facts = {"task": task, "members": members}
    return Artifact("mediapipe-task", {"model": path}, facts={"model": facts})
