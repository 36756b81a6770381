"""The `classification` processor: image classification with any graph that scores whole pictures.

Its module is light, because `recognise` is asked while a model is resolved: numpy and OpenCV come
in with the first instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision import ultralytics
from inference_vision.settings import Settings, image_input

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Classification
    from inference_core.session import TensorSpec
    from numpy.typing import NDArray

    from inference_vision.image import Image

TASK = "image-classification"

INTERPOLATIONS = ("nearest", "linear", "cubic", "area")
ACTIVATIONS = ("softmax", "sigmoid", "none")


@dataclass(frozen=True, slots=True)
class ClassificationOptions:
    """Per-call options of classification.

    Attributes:
        top_k: how many classes to return, the most likely.
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range.
    """

    top_k: int = 5
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise InvalidArgument(f"top_k must be at least 1, not {self.top_k}")


class ClassificationProcessor:
    """Image classification with graphs that give one score per class: (batch, classes).

    Settings (all optional, in the manifest under "processor"):
        imgsz: N or [height, width], where the graph leaves its input size open; else 224.
        resize: "crop" (the default: the shorter side to the input's size, the middle cut out),
            "stretch" or "letterbox".
        interpolation: "nearest", "linear", "cubic" or "area"; by default area for shrinking and
            linear for enlarging.
        mean, std: three numbers each, red first: (pixel / 255 - mean) / std; by default 0 and 1.
        activation: "softmax", "sigmoid" or "none"; by default softmax, except for outputs that are
            a distribution already (no negative number, a sum of 1).
    """

    OPTIONS: ClassVar[type] = ClassificationOptions

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        known = ("imgsz", "resize", "interpolation", "mean", "std", "activation")
        settings = Settings(package, known)
        graph = parts["model"]
        self._labels = package.labels
        self._activation = settings.choice("activation", ACTIVATIONS)
        self._output = _score_output(package, graph.outputs)
        spec, height, width = image_input(
            package, graph.inputs, settings.size("imgsz"), default=(224, 224)
        )
        self._input = spec.name
        self._to_tensor = _fitter(package, settings, spec, height, width)

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Ultralytics exports of classification models, by their metadata.

        Raises:
            InvalidModel: the metadata is Ultralytics', but damaged.
        """
        metadata: Mapping[str, str] = facts.get("metadata") or {}
        if metadata.get("task") != "classify" or "names" not in metadata:
            return None
        imgsz = ultralytics.open_image_size(facts)
        settings = {"imgsz": imgsz} if imgsz else {}
        return Recognition(TASK, ultralytics.labels_of(metadata), settings)

    def preprocess(
        self, inputs: Sequence[Any], options: ClassificationOptions
    ) -> tuple[Tensors, list[tuple[int, int]]]:
        """The pictures as one tensor, and the (width, height) of each."""
        from inference_vision.image import read_image

        images = [read_image(value, options.color_format) for value in inputs]
        return {self._input: self._to_tensor(images)}, [image.size for image in images]

    def postprocess(
        self, outputs: Tensors, context: list[tuple[int, int]], options: ClassificationOptions
    ) -> list[Classification]:
        """The most likely classes of each picture, best first.

        Raises:
            InvalidModel: the output isn't (pictures, labels), or not finite.
        """
        import numpy as np
        from inference_core.results import Classification

        from inference_vision.class_scores import probabilities
        from inference_vision.finite import check_finite

        raw = outputs[self._output]
        count = len(self._labels)
        if raw.ndim != 2 or len(raw) != len(context) or (count and raw.shape[1] != count):
            raise InvalidModel(
                f"the output {self._output!r} has the shape {raw.shape}, which isn't "
                f"({len(context)} pictures, {count or 'any number of'} labels)"
            )
        check_finite(raw, self._output, "scores")
        scores = probabilities(raw, self._activation)
        best = np.argsort(-scores, axis=1, kind="stable")[:, : options.top_k]
        return [
            Classification(
                class_id=ids.astype(np.int64),
                confidence=row[ids],
                labels=tuple(self._labels[i] if count else str(i) for i in ids.tolist()),
                image_size=size,
            )
            for ids, row, size in zip(best, scores, context, strict=True)
        ]


def _score_output(package: ModelPackage, outputs: Sequence[TensorSpec]) -> str:
    """Name of the one output that can be (batch, classes)."""
    count = len(package.labels)
    fitting = [
        spec.name
        for spec in outputs
        if spec.shape is None
        or (len(spec.shape) == 2 and (not count or spec.shape[1] in (count, None)))
    ]
    if len(fitting) == 1:
        return fitting[0]
    shapes = ", ".join(map(str, outputs)) or "no outputs"
    raise InvalidModel(
        f"{package.name}: expected exactly one output of the shape (batch, "
        f"{count or 'classes'}); the graph gives {shapes}"
    )


def _fitter(
    package: ModelPackage, settings: Settings, spec: TensorSpec, height: int, width: int
) -> Callable[[Sequence[Image]], NDArray[Any]]:
    """What makes the tensor of a batch of pictures."""
    import cv2

    from inference_vision.centre_crop import CentreCrop
    from inference_vision.letterbox import Letterbox
    from inference_vision.planes import Normalisation

    mean, std = settings.rgb("mean"), settings.rgb("std")
    if std and 0 in std:
        raise InvalidModel(f"{package.name}: processor setting 'std' must not hold 0")
    if spec.dtype == "uint8" and (mean or std):
        raise InvalidModel(
            f"{package.name}: the graph takes uint8 pixels, which 'mean' and 'std' can't apply to"
        )
    normalisation = Normalisation.of(mean or (0.0,) * 3, std or (1.0,) * 3)
    name = settings.choice("interpolation", INTERPOLATIONS)
    interpolation = getattr(cv2, f"INTER_{name.upper()}") if name else None
    resize = settings.choice("resize", ("crop", "stretch", "letterbox")) or "crop"
    if resize == "crop":
        return CentreCrop(height, width, spec.dtype, normalisation, interpolation)
    fit = Letterbox(
        height,
        width,
        spec.dtype,
        "stretch" if resize == "stretch" else "letterbox",
        normalisation,
        interpolation,
    )
    return lambda images: fit(images)[0]
