"""The `classification` processor: image classification with any graph that scores whole pictures.

Its module is light, because `recognise` is asked while a model is resolved: numpy and OpenCV come
in with the first instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision import ultralytics
from inference_vision.normalisation import IMAGENET_MEAN, IMAGENET_STD
from inference_vision.outputs import as_vectors_shape
from inference_vision.settings import PICTURE_SETTINGS, Settings
from inference_vision.tflite_pictures import is_real, pixel_settings, takes_pictures

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Classification
    from inference_core.session import TensorSpec

ACTIVATIONS = ("softmax", "sigmoid", "none")


@dataclass(frozen=True, slots=True)
class ClassificationOptions:
    """Per-call options of classification.

    Attributes:
        top_k: how many classes to return at most, the most likely; None is 5, or all that reach
            the threshold where there is one.
        threshold: only classes that are at least so sure, 0 to 1, as one asks of a graph that scores
            each label for itself (multi-label, the setting "activation": "sigmoid").
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range.
    """

    top_k: int | None = None
    threshold: float | None = None
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise InvalidArgument(f"top_k must be at least 1, not {self.top_k}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InvalidArgument(f"threshold must be between 0 and 1, not {self.threshold}")


class ClassificationProcessor:
    """Image classification with graphs that give one score per class: (batch, classes), also with
    two axes of 1 more, as `outputs.as_vectors_shape` takes them.

    Settings (all optional, in the manifest under "processor"):
        activation: "softmax", "sigmoid" or "none"; by default softmax, except for outputs that are
            a distribution already (no negative number, a sum of 1).
        those of `inference_vision.picture_input`; imgsz is 224 by default, resize "crop".
    """

    OPTIONS: ClassVar[type] = ClassificationOptions
    TASK = "image-classification"

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        settings = Settings(package, ("activation", *PICTURE_SETTINGS))
        graph = parts["model"]
        self._labels = package.labels
        self._activation = settings.choice("activation", ACTIVATIONS)
        self._output = _score_output(package, graph.outputs)

        from inference_vision.picture_input import PictureInput

        self._input = PictureInput(
            package, settings, graph.inputs, size=(224, 224), resize="crop", interpolation="auto"
        )

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Ultralytics' exports of classification models, YOLOv5's, and files for TensorFlow Lite that
        carry labels and a normalisation, by their metadata.

        Raises:
            InvalidModel: the metadata is Ultralytics', but damaged.
        """
        metadata: Mapping[str, str] = facts.get("metadata") or {}
        if "task" not in metadata:
            return _of_yolov5(facts, metadata) or _of_tflite(facts)
        if metadata["task"] != "classify" or "names" not in metadata:
            return None
        imgsz = ultralytics.open_image_size(facts)
        settings: dict[str, Any] = {"imgsz": imgsz} if imgsz else {}
        if "tflite.signatures" in facts:
            # They end in a softmax; quantised, it doesn't add up to 1.
            settings["activation"] = "none"
        return Recognition(cls.TASK, ultralytics.labels_of(metadata), settings)

    def preprocess(
        self, inputs: Sequence[Any], options: ClassificationOptions
    ) -> tuple[Tensors, list[tuple[int, int]]]:
        """The pictures as one tensor, and the (width, height) of each."""
        feeds, placements = self._input.feeds(inputs, options.color_format)
        return feeds, [placement.source for placement in placements]

    def postprocess(
        self, outputs: Tensors, context: list[tuple[int, int]], options: ClassificationOptions
    ) -> list[Classification]:
        """The most likely classes of each picture, best first.

        Raises:
            InvalidModel: the output isn't (pictures, labels), or not finite.
        """
        from inference_vision.class_scores import best_classes, probabilities
        from inference_vision.finite import check_finite

        raw = outputs[self._output]
        count = len(self._labels)
        shape = as_vectors_shape(raw.shape)
        if shape is None or shape[0] != len(context) or shape[1] != (count or shape[1]):
            raise InvalidModel(
                f"the output {self._output!r} has the shape {raw.shape}, which isn't "
                f"({len(context)} pictures, {count or 'any number of'} labels)"
            )
        raw = raw.reshape(shape)
        check_finite(raw, self._output, "scores")
        labels = self._labels or tuple(map(str, range(raw.shape[1])))
        return [
            best_classes(scores, labels, options.top_k, options.threshold, size)
            for scores, size in zip(probabilities(raw, self._activation), context, strict=True)
        ]


def _of_yolov5(facts: Facts, metadata: Mapping[str, str]) -> Recognition | None:
    """YOLOv5's own exporter writes names and stride, but no task; one score per name tells it.

    Its classifiers take the central square, made smaller without antialiasing, normalised as
    ImageNet is (`classify_transforms` of YOLOv5 7.0).
    """
    outputs = facts.get("outputs", ())
    if not {"names", "stride"} <= set(metadata) or len(outputs) != 1:
        return None
    shape = outputs[0].shape
    if shape is None or len(shape) != 2:
        return None
    labels = ultralytics.labels_of(metadata)
    if shape[1] != len(labels):
        return None
    settings = {
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
        "interpolation": "linear",
    }
    return Recognition(ClassificationProcessor.TASK, labels, settings)


def _of_tflite(facts: Facts) -> Recognition | None:
    """Metadata of TensorFlow Lite that names one label per score, and how pixels are normalised unless
    the graph takes them as they are. As with Google's own runners, the whole picture is stretched, and
    scores are what the graph says."""
    labels, outputs = facts.get("tflite.labels", ()), facts.get("outputs", ())
    if not labels or len(outputs) != 1 or not takes_pictures(facts):
        return None
    shape, pixels = as_vectors_shape(outputs[0].shape or ()), pixel_settings(facts)
    # Integers without a scale may be scores of any range.
    if pixels is None or not is_real(outputs[0], facts) or not shape or shape[1] != len(labels):
        return None
    settings = {**pixels, "resize": "stretch", "interpolation": "linear", "activation": "none"}
    return Recognition(ClassificationProcessor.TASK, tuple(labels), settings)


def _score_output(package: ModelPackage, outputs: Sequence[TensorSpec]) -> str:
    """Name of the one output that can be (batch, classes)."""
    count = len(package.labels)
    fitting = [
        spec.name
        for spec in outputs
        if spec.shape is None
        or ((shape := as_vectors_shape(spec.shape)) and (not count or shape[1] in (count, None)))
    ]
    if len(fitting) == 1:
        return fitting[0]
    shapes = ", ".join(map(str, outputs)) or "no outputs"
    raise InvalidModel(
        f"{package.name}: expected exactly one output of the shape (batch, "
        f"{count or 'classes'}); the graph gives {shapes}"
    )
