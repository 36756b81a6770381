"""Which of MediaPipe's tasks there are, and which one a file is for. Nothing here opens a file.

A bundle tells by the names of its members. A bare .tflite file tells by its inputs and outputs where
they are like no other task's. A classifier and an embedder can look the same; then the manifest has to
say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inference_core.package import Artifact, Facts
from inference_core.session import TensorSpec
from inference_core.verdict import Reason

BUNDLE, GRAPH = "mediapipe-task", "tflite"
# The bundled post-processing of detectors from TensorFlow's Object Detection API.
_DETECTION_OPERATOR = "TFLite_Detection_PostProcess"

TaskName = Literal[
    "face-detection",
    "face-landmarks",
    "hand-landmarks",
    "pose-landmarks",
    "gesture-recognition",
    "object-detection",
    "image-classification",
    "image-embedding",
    "image-segmentation",
    "text-classification",
    "text-embedding",
]


@dataclass(frozen=True, slots=True)
class Task:
    """One of MediaPipe's tasks.

    Attributes:
        name: as a manifest calls it.
        api: the class in MediaPipe's Python API; that of its options ends in "Options".
        method: what runs it on one input; for videos, the same with "_for_video" at its end.
        fmt: format of its files.
        takes: "image" or "text".
    """

    name: TaskName
    api: str
    method: str
    fmt: str
    takes: Literal["image", "text"] = "image"


TASKS: Mapping[str, Task] = {
    each.name: each
    for each in (
        Task("face-detection", "FaceDetector", "detect", GRAPH),
        Task("face-landmarks", "FaceLandmarker", "detect", BUNDLE),
        Task("hand-landmarks", "HandLandmarker", "detect", BUNDLE),
        Task("pose-landmarks", "PoseLandmarker", "detect", BUNDLE),
        Task("gesture-recognition", "GestureRecognizer", "recognize", BUNDLE),
        Task("object-detection", "ObjectDetector", "detect", GRAPH),
        Task("image-classification", "ImageClassifier", "classify", GRAPH),
        Task("image-embedding", "ImageEmbedder", "embed", GRAPH),
        Task("image-segmentation", "ImageSegmenter", "segment", GRAPH),
        Task("text-classification", "TextClassifier", "classify", GRAPH, "text"),
        Task("text-embedding", "TextEmbedder", "embed", GRAPH, "text"),
    )
}

# What the reader of bundles calls their tasks.
_BUNDLES = {
    "face_landmarker": "face-landmarks",
    "hand_landmarker": "hand-landmarks",
    "pose_landmarker": "pose-landmarks",
    "gesture_recognizer": "gesture-recognition",
}

# Names of tasks that core's own processors have, and what they may mean here.
_WIDER = {
    "keypoint-detection": ("face-detection", "face-landmarks", "hand-landmarks", "pose-landmarks"),
    "semantic-segmentation": ("image-segmentation",),
}


def task_of(artifact: Artifact, facts: Facts, wanted: str | None) -> Task | Reason:
    """The task of an artifact of the format "mediapipe-task" or "tflite", or why it isn't known.

    Args:
        artifact: whose manifest may state a task.
        facts: what core's reader sees in its file.
        wanted: the task that the caller's options name; it comes before the manifest's.
    """
    seen = _seen_in_bundle(facts) if artifact.format == BUNDLE else _seen_in_graph(facts)
    stated = wanted or artifact.task
    if stated is None:
        return TASKS[seen] if seen else _unknown(artifact, facts)
    allowed = _WIDER.get(stated, (stated,))
    if not set(allowed) & TASKS.keys():
        return Reason(
            "task",
            f"MediaPipe has no task {stated!r}; it has {', '.join(TASKS)}",
            f'"task": "{seen}"' if seen else None,
        )
    if seen in allowed:
        return TASKS[seen]
    if len(allowed) > 1:
        return _unknown(artifact, facts, allowed)
    task = TASKS[allowed[0]]
    # What a bundle holds is certain. What a graph is for is not, so its author has the last word, as
    # far as it has the outputs for that.
    if artifact.format != task.fmt:
        held = f"holds {seen}" if seen else f"is of the format {artifact.format}"
        takes = "a bundle (.task)" if task.fmt == BUNDLE else "a .tflite file"
    elif artifact.format == BUNDLE and seen:
        held, takes = f"holds {seen}", "other members"
    elif artifact.format == GRAPH and not _fits(task, facts):
        held = f"has {_outputs_of(facts)}" + (f", as for {seen}" if seen else "")
        takes = _OUTPUTS[task.name][0]
    else:
        return task
    return Reason(
        "task",
        f"{artifact.path.name} {held}, and the task is stated as {stated}, which takes {takes}",
        f'"task": "{seen}"' if seen else None,
    )


Shape = tuple[int | None, ...]


def _fits(task: Task, facts: Facts) -> bool:
    """Whether a graph has the outputs that MediaPipe's task reads, as far as the file says."""
    shapes = [spec.shape for spec in _specs(facts, "outputs")]
    known = [shape for shape in shapes if shape is not None]
    if task.name not in _OUTPUTS or len(known) < len(shapes):
        return True
    return _OUTPUTS[task.name][1](known)


def _is_vector(shape: Shape) -> bool:
    """[1, N] or [1, 1, 1, N], as classifiers and embedders have."""
    return len(shape) in (2, 4) and all(axis in (None, 1) for axis in shape[1:-1])


def _are_faces(shapes: Sequence[Shape]) -> bool:
    """Scores, and boxes with six points, of each anchor."""
    return sorted(shape[2:] for shape in shapes) == [(1,), (16,)]


# By task, what its outputs must be: in words, and whether these are.
_OUTPUTS: Mapping[str, tuple[str, Callable[[Sequence[Shape]], bool]]] = {
    "face-detection": ("outputs (1, N, 16) and (1, N, 1)", _are_faces),
    "object-detection": (
        "4 outputs (boxes, classes, scores and their number) or 2 (boxes and scores)",
        lambda shapes: len(shapes) == 4 or (len(shapes) == 2 and 4 in (s[-1] for s in shapes if s)),
    ),
    "image-classification": (
        "one output (1, N)",
        lambda shapes: len(shapes) == 1 and _is_vector(shapes[0]),
    ),
    "image-embedding": (
        "one output (1, N)",
        lambda shapes: len(shapes) == 1 and _is_vector(shapes[0]),
    ),
    "image-segmentation": (
        "one output (1, height, width, N), and at most one besides",
        lambda shapes: len(shapes) in (1, 2) and len(shapes[0]) == 4 and not _is_vector(shapes[0]),
    ),
}


def _unknown(artifact: Artifact, facts: Facts, possible: Sequence[str] = ()) -> Reason:
    if artifact.format == BUNDLE:
        members = ", ".join(facts.get("members", ())[:8]) or "none"
        what = facts.get("task") or "no task that is known"
        return Reason(
            "task",
            f"the members of {artifact.path.name} ({members}) make {what}; of bundles, this backend "
            f"runs {', '.join(_BUNDLES.values())}",
        )
    possible = possible or _possible(facts)
    return Reason(
        "task",
        f"{artifact.path.name} doesn't say which of MediaPipe's tasks it is for "
        f"({_outputs_of(facts)}): it may be {' or '.join(possible)}. A model.json beside it says it "
        f'in the line of the fix, and so does options={{"task": "{possible[0]}"}}',
        f'"task": "{possible[0]}"',
    )


def _outputs_of(facts: Facts) -> str:
    return "; ".join(map(str, facts.get("outputs", ()))) or "unknown outputs"


def _seen_in_bundle(facts: Facts) -> str | None:
    return _BUNDLES.get(str(facts.get("task")))


def _seen_in_graph(facts: Facts) -> str | None:
    """The task that inputs, outputs and packed labels tell, None if they leave it open."""
    inputs, outputs = _specs(facts, "inputs"), _specs(facts, "outputs")
    shapes = [spec.shape or () for spec in outputs]
    if _is_text(inputs):
        if facts.get("tflite.labels"):
            return "text-classification"
        return "text-embedding" if inputs[0].dtype == "str" else None
    if not _is_picture(inputs):
        return None
    if _DETECTION_OPERATOR in facts.get("tflite.custom_operators", ()) or _is_detected(shapes):
        return "object-detection"
    if len(shapes) == 2 and all(len(shape) == 3 for shape in shapes):
        return _seen_in_anchors(sorted(shapes, key=lambda shape: shape[2] or 0), facts)
    if len(shapes) != 1:
        return None
    axes = [axis for axis in shapes[0][1:] if axis != 1]
    if len(shapes[0]) == 4 and len([axis for axis in shapes[0][1:3] if axis != 1]) == 2:
        return "image-segmentation"
    if len(axes) <= 1 and facts.get("tflite.labels"):
        return "image-classification"
    return None


def _is_detected(shapes: Sequence[tuple[int | None, ...]]) -> bool:
    """Boxes, classes, scores and their number: what post-processing inside a graph gives."""
    boxes = [shape for shape in shapes if len(shape) == 3 and shape[2] == 4]
    return len(boxes) == 1 and sorted(map(len, shapes)) == [1, 2, 2, 3]


def _seen_in_anchors(shapes: Sequence[tuple[int | None, ...]], facts: Facts) -> str | None:
    """Two outputs with a row per anchor: scores, and boxes that may have keypoints behind them."""
    scores, boxes = shapes
    if scores[1] != boxes[1]:
        return None
    if scores[2] == 1 and boxes[2] == 16:  # a box and six points
        return "face-detection"
    if 4 in (scores[2], boxes[2]) and facts.get("tflite.labels"):
        return "object-detection"
    return None


def _possible(facts: Facts) -> tuple[str, ...]:
    inputs = _specs(facts, "inputs")
    if _is_text(inputs):
        return ("text-classification", "text-embedding")
    if _is_picture(inputs) and len(_specs(facts, "outputs")) == 1:
        return ("image-classification", "image-embedding")
    takes = ("image",) if _is_picture(inputs) else ("image", "text")
    return tuple(each.name for each in TASKS.values() if each.fmt == GRAPH and each.takes in takes)


def _specs(facts: Facts, which: str) -> tuple[TensorSpec, ...]:
    return tuple(facts.get(which, ()))


def _is_picture(inputs: Sequence[TensorSpec]) -> bool:
    if len(inputs) != 1 or inputs[0].dtype not in ("float32", "uint8", "int8", "float16"):
        return False
    shape = inputs[0].shape or ()
    return len(shape) == 4 and shape[3] == 3


def _is_text(inputs: Sequence[TensorSpec]) -> bool:
    return bool(inputs) and all(spec.dtype in ("int32", "int64", "str") for spec in inputs)
