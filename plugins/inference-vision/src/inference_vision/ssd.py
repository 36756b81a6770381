"""The `ssd` processor: detectors that end in TensorFlow Lite's own decoding and suppression, as
TensorFlow's Object Detection API and its Model Maker export SSD, EfficientDet-Lite and the like.

Light, because `recognise` is asked while a model is resolved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision import ssd_outputs
from inference_vision.option_ranges import check_confidence, check_max_detections
from inference_vision.settings import PICTURE_SETTINGS, Settings
from inference_vision.tflite_pictures import pixel_settings, takes_pictures

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Detections

    from inference_vision.letterbox import Placement

OPERATOR = "TFLite_Detection_PostProcess"
CONFIDENCE = 0.25

_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class SsdOptions:
    """Per-call options of detection; the graph has suppressed overlaps itself.

    Attributes:
        confidence: least score of a detection, 0 to 1; or one by label or class id, 0.25 for
            the others. What the graph leaves out itself doesn't come back.
        max_detections: at most so many per picture, the most confident.
        classes: only these, by label (all classes of that name) or class id; None for all.
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range.
    """

    confidence: float | dict[int | str, float] = CONFIDENCE
    max_detections: int = 300
    classes: tuple[int | str, ...] | int | str | None = None
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        check_max_detections(self.max_detections)


class SsdProcessor:
    """Object detection with the four outputs that `inference_vision.ssd_outputs` tells apart.

    Settings (all optional, in the manifest under "processor"), besides those of
    `picture_input.PictureInput`:
        background: "first" if class id 0 is none of the labels', so that the first of them has the id
            1; "none" (the default) if it is the first label's.
        scores: name of the output with the scores, where neither names nor values tell.

    The size is 300 where the graph leaves it open; pictures are stretched, and pixels -1 to 1, as the
    Object Detection API has it, or as they are where the graph takes uint8.
    """

    OPTIONS: ClassVar[type] = SsdOptions
    TASK = "object-detection"

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        settings = Settings(package, ("background", "scores", *PICTURE_SETTINGS))
        graph = parts["model"]
        self._labels = package.labels
        self._first = 1 if settings.choice("background", ("first", "none")) == "first" else 0
        if not ssd_outputs.fits(graph.outputs):
            shapes = ", ".join(map(str, graph.outputs)) or "no outputs"
            raise InvalidModel(
                f"{package.name}: expected four outputs: boxes (batch, N, 4), class ids and scores "
                f"(batch, N), and their count (batch,); the graph gives {shapes}"
            )
        both = [spec.name for spec in graph.outputs if spec.shape is None or len(spec.shape) == 2]
        self._outputs = ssd_outputs.FourOutputs(
            [spec.name for spec in graph.outputs], settings.choice("scores", both)
        )

        from inference_vision.class_selection import check_parameters
        from inference_vision.picture_input import PictureInput

        check_parameters(package)
        self._input = PictureInput(
            package,
            settings,
            graph.inputs,
            size=(300, 300),
            resize="stretch",
            mean=_HALF,
            std=_HALF,
        )

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Files for TensorFlow Lite by their operator; labels and the normalisation of pixels are those
        of their metadata. As that has it, the first label has the class id 0."""
        if OPERATOR not in facts.get("tflite.custom_operators", ()):
            return None
        if not takes_pictures(facts) or not ssd_outputs.fits(facts.get("outputs", ())):
            return None
        return Recognition(
            cls.TASK, tuple(facts.get("tflite.labels", ())), pixel_settings(facts) or {}
        )

    def preprocess(
        self, inputs: Sequence[Any], options: SsdOptions
    ) -> tuple[Tensors, tuple[Placement, ...]]:
        """The pictures as one tensor, and where each lies in its part of it."""
        return self._input.feeds(inputs, options.color_format)

    def postprocess(
        self, outputs: Tensors, context: tuple[Placement, ...], options: SsdOptions
    ) -> list[Detections]:
        """The detections of each picture, in source pixels, most confident first.

        Raises:
            InvalidModel: the outputs haven't the shapes of the four, or can't be told apart, or hold
                NaN, or a class id without a label.
            InvalidArgument: an option names a class that the model doesn't have.
        """
        import numpy as np

        from inference_vision.candidate_detections import detections
        from inference_vision.class_selection import UNLABELLED, thresholds
        from inference_vision.ssd_decode import candidates

        rows, names = self._outputs.rows(outputs)
        if len(rows) != len(context):
            raise InvalidModel(
                f"the outputs are of {len(rows)} pictures, and {len(context)} were given"
            )
        height, width = self._input.size
        least = thresholds(
            self._labels,
            len(self._labels) or UNLABELLED,
            options.confidence,
            CONFIDENCE,
            options.classes,
        )
        results = []
        for each, placement in zip(rows, context, strict=True):
            found = candidates(each, least, self._first, names)
            # float64, which no finite float32 coordinate overflows.
            found = found._replace(boxes=found.boxes * np.array([width, height] * 2, np.float64))
            results.append(detections(found, placement, self._labels, options.max_detections))
        return results
