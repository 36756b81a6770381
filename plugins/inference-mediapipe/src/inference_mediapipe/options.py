"""What a caller may set when a task is loaded and when it is called, typed and checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from inference_core.errors import InvalidArgument

from inference_mediapipe.following import check_seconds
from inference_mediapipe.tasks import TASKS, Task, TaskName


@dataclass(frozen=True, slots=True)
class MediapipeOptions:
    """Options of the mediapipe backend. Where the default is None, MediaPipe's own default holds.

    Attributes:
        task: which of MediaPipe's tasks the file is for; by default what the file or its manifest
            says.
        mode: "image" looks at each picture for itself. "video" follows what it has found from
            picture to picture, and takes each for the next frame of one video. "auto" does that for
            frames of `inference_vision.Video`, which know their time, and takes others for pictures.
        max_objects: how many faces, hands or poses to look for at most, 1 to 1000; MediaPipe's own
            default is 1.
        min_detection_confidence: least score at which a face, hand or pose counts as found, 0 to 1.
        min_presence_confidence: least score at which landmarks count as being there, 0 to 1.
        min_tracking_confidence: least score at which one is followed in a video instead of being
            looked for anew, 0 to 1.
        min_suppression_threshold: overlap from which two faces are taken for one, 0 to 1.
        masks: whether poses come with the mask of the person.
        blendshapes: whether landmarks of faces come with 52 scores of expressions.
        transforms: whether landmarks of faces come with the matrix that turns the canonical face into
            this one.
        normalize: whether embeddings are scaled to length 1.
        locale: language of the labels, of those that the file has translations of ("de").
        usage_metrics: whether MediaPipe may send metrics of its use to Google, as it does by itself.
            False keeps them from being sent, but not the look-up of the server's name.
        native_log: leave the native library's messages on stderr, to hunt a crash.

    Raises:
        InvalidArgument: a value out of its range.
    """

    task: TaskName | None = None
    mode: Literal["auto", "image", "video"] = "auto"
    max_objects: int | None = None
    min_detection_confidence: float | None = None
    min_presence_confidence: float | None = None
    min_tracking_confidence: float | None = None
    min_suppression_threshold: float | None = None
    masks: bool = False
    blendshapes: bool = False
    transforms: bool = False
    normalize: bool = False
    locale: str | None = None
    usage_metrics: bool = False
    native_log: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name.startswith("min_"):
                _check_share(field.name, getattr(self, field.name))
        if self.max_objects is not None and not 1 <= self.max_objects <= 1000:
            raise InvalidArgument(f"max_objects={self.max_objects} must be 1 to 1000")

    def given(self) -> dict[str, Any]:
        """The options that aren't as they are by default, by name."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }


@dataclass(frozen=True)
class ImageCall:
    """Per-call options of every task that takes pictures.

    Attributes:
        timestamp: seconds since the beginning of the video, 0 to 1e10, for a picture of one; by
            default a frame's own time, else the time of the call. It must be after that of the picture
            before.
        new_video: this picture is the first of another video, in which what was followed isn't. Frames
            of `inference_vision.Video` say that by themselves.
    """

    timestamp: float | None = None
    new_video: bool = False

    def __post_init__(self) -> None:
        if self.timestamp is not None:
            check_seconds(self.timestamp, "timestamp", InvalidArgument)


@dataclass(frozen=True)
class FoundCall(ImageCall):
    """Per-call options of faces, hands and poses.

    Attributes:
        confidence: leave out what is less sure, 0 to 1. MediaPipe itself leaves out what is below the
            load option `min_detection_confidence`, 0.5 by default.
        max_detections: how many to return at most, the most confident. MediaPipe itself looks for no
            more than the load option `max_objects`.
    """

    confidence: float = 0.0
    max_detections: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("confidence", self.confidence)
        _check_count("max_detections", self.max_detections)


@dataclass(frozen=True)
class DetectionCall(FoundCall):
    """Per-call options of object detection.

    Attributes:
        confidence: leave out what is less sure, 0 to 1.
        max_detections: how many to return at most, the most confident.
    """

    confidence: float = 0.25
    max_detections: int = 300


@dataclass(frozen=True)
class ClassificationCall:
    """Per-call options of the classification of texts.

    Attributes:
        top_k: how many classes to return at most, the most likely; None is 5, or all that reach the
            threshold where there is one.
        threshold: only classes that are at least so sure.
    """

    top_k: int | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.top_k is not None:
            _check_count("top_k", self.top_k)


@dataclass(frozen=True)
class ImageClassificationCall(ImageCall, ClassificationCall):
    """Per-call options of the classification of pictures: those of texts, and of frames."""

    def __post_init__(self) -> None:
        ImageCall.__post_init__(self)
        ClassificationCall.__post_init__(self)


@dataclass(frozen=True, slots=True)
class NoCall:
    """Per-call options of a task that has none."""


CALLS: dict[str, type[Any]] = {
    "face-detection": FoundCall,
    "face-landmarks": FoundCall,
    "hand-landmarks": FoundCall,
    "pose-landmarks": FoundCall,
    "gesture-recognition": FoundCall,
    "object-detection": DetectionCall,
    "image-classification": ImageClassificationCall,
    "image-embedding": ImageCall,
    "image-segmentation": ImageCall,
    "text-classification": ClassificationCall,
    "text-embedding": NoCall,
}
"""The class of the per-call options by task."""


_LANDMARKS = ("face-landmarks", "hand-landmarks", "pose-landmarks", "gesture-recognition")
_OF_TASKS: dict[str, tuple[str, ...]] = {
    "mode": tuple(each.name for each in TASKS.values() if each.takes == "image"),
    "max_objects": _LANDMARKS,
    "min_detection_confidence": ("face-detection", *_LANDMARKS),
    "min_presence_confidence": _LANDMARKS,
    "min_tracking_confidence": _LANDMARKS,
    "min_suppression_threshold": ("face-detection",),
    "masks": ("pose-landmarks",),
    "blendshapes": ("face-landmarks",),
    "transforms": ("face-landmarks",),
    "normalize": ("image-embedding", "text-embedding"),
    "locale": ("object-detection", "image-classification", "text-classification"),
}


def lacking(task: Task, options: MediapipeOptions) -> dict[str, str]:
    """What is wrong with each option that is given and that a task hasn't got, by the option's name."""
    return {
        name: f"{task.name} has no {name}, which is for {', '.join(_OF_TASKS[name])}"
        for name in options.given()
        if task.name not in _OF_TASKS.get(name, (task.name,))
    }


def _check_share(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InvalidArgument(f"{name}={value} must be 0 to 1")


def _check_count(name: str, value: int) -> None:
    if value < 1:
        raise InvalidArgument(f"{name}={value} must be at least 1")
