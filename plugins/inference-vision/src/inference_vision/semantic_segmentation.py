"""The `semantic-segmentation` processor: the class of every pixel, from scores or from class ids.

Its module is light: numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision.outputs import channels_last, the_output
from inference_vision.settings import CHANNELS, PICTURE_SETTINGS, Settings

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Segmentation
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement

ACTIVATIONS = ("softmax", "sigmoid", "none")
WHOLE_PICTURE = ("stretch", "letterbox", "fit")
"""The ways of resizing that leave no pixel of the picture out."""


@dataclass(frozen=True, slots=True)
class SegmentationOptions:
    """Per-call options of semantic segmentation.

    Attributes:
        confidence_map: whether the result says how sure each pixel's class is; takes time.
        threshold: of graphs with one channel, the probability from which a pixel is of class 1.
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range.
    """

    confidence_map: bool = False
    threshold: float = 0.5
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise InvalidArgument(f"threshold must be between 0 and 1, not {self.threshold}")


class SemanticSegmentationProcessor:
    """Semantic segmentation. The output is one of

    - (batch, classes, h, w) of floats: a score per class and cell, brought back to the picture
      before the best class is taken;
    - (batch, 1, h, w) of floats: the score of class 1, the rest is class 0;
    - (batch, h, w) or (batch, 1, h, w) of integers: class ids;

    those of four axes also with the channels last, as TensorFlow has them.

    Settings (all optional, in the manifest under "processor"), besides those of
    `picture_input.PictureInput`:
        output: name of the output, where several fit.
        activation: "softmax" (the default; the sigmoid for one channel), "sigmoid" or "none": how
            scores become confidences.

    The size is 512 where the graph leaves it open, and pictures are stretched unless `resize` says
    "letterbox" or "fit".
    """

    OPTIONS: ClassVar[type] = SegmentationOptions
    TASK = "semantic-segmentation"

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        known = ("output", "activation", *(each for each in PICTURE_SETTINGS if each != "region"))
        settings = Settings(package, known)
        settings.choice("resize", WHOLE_PICTURE)
        graph = parts["model"]
        spec = the_output(
            package,
            settings,
            graph.outputs,
            lambda shape: len(shape) in (3, 4),
            "(batch, classes, height, width) or (batch, height, width)",
        )
        self._output = spec.name
        self._activation = settings.choice("activation", ACTIVATIONS)
        self._labels = package.labels
        ids = "int" in spec.dtype
        # One channel scores the second of two classes; class ids are one.
        counts = {1} if ids else {len(self._labels), 1 if len(self._labels) == 2 else 0}
        channels = settings.choice("channels", CHANNELS)
        last = channels_last(spec.shape, graph.inputs, counts, channels)
        if last is None and not ids and not self._labels:
            raise InvalidModel(
                f"{package.name}: it isn't clear which axis of the output {spec} are its classes; "
                'write their names into model.json ("labels": ["sky", "road"]), or "channels": '
                '"first" or "last" into the processor\'s settings'
            )
        self._last = bool(last)
        if spec.shape is not None and len(spec.shape) == 4:
            classes = spec.shape[3 if self._last else 1]
            if classes is not None:
                self._check_classes(classes, ids)

        from inference_vision.picture_input import PictureInput

        self._input = PictureInput(
            package, settings, graph.inputs, size=(512, 512), resize="stretch"
        )

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Never: nothing in such a graph tells it from others surely."""
        return None

    def preprocess(
        self, inputs: Sequence[Any], options: SegmentationOptions
    ) -> tuple[Tensors, tuple[Placement, ...]]:
        """The pictures as one tensor, and where each lies in its part of it."""
        return self._input.feeds(inputs, options.color_format)

    def postprocess(
        self, outputs: Tensors, context: tuple[Placement, ...], options: SegmentationOptions
    ) -> list[Segmentation]:
        """The class of every pixel of each picture.

        Raises:
            InvalidModel: the output hasn't the shape of a segmentation, holds NaN, or a class id
                without a label.
        """
        raw = outputs[self._output]
        if self._last and raw.ndim == 4:
            raw = raw.transpose(0, 3, 1, 2)
        if raw.ndim not in (3, 4) or len(raw) != len(context) or 0 in raw.shape:
            raise InvalidModel(
                f"the output {self._output!r} has the shape {raw.shape}, which isn't a segmentation "
                f"of {len(context)} pictures"
            )
        if raw.ndim == 3:
            raw = raw[:, None]
            if raw.dtype.kind not in "iub":
                raise InvalidModel(
                    f"the output {self._output!r} is a map without classes, of {raw.dtype}; class "
                    "ids are integers"
                )
        self._check_classes(raw.shape[1], raw.dtype.kind in "iub")
        return [
            self._segmentation(each, placement, options)
            for each, placement in zip(raw, context, strict=True)
        ]

    def _check_classes(self, channels: int, ids: bool) -> None:
        """Raise unless so many channels fit the labels."""
        if ids:
            if channels != 1:
                raise InvalidModel(
                    f"the output {self._output!r} has {channels} channels of integers; class ids "
                    "are one"
                )
            return
        classes = max(channels, 2)  # one channel is the score of class 1
        if self._labels and classes != len(self._labels):
            also = " (background and object)" if channels == 1 else ""
            raise InvalidModel(
                f"the output {self._output!r} scores {classes} classes{also}, and there are "
                f"{len(self._labels)} labels"
            )

    def _segmentation(
        self, raw: NDArray[Any], placement: Placement, options: SegmentationOptions
    ) -> Segmentation:
        from inference_core.results import Segmentation

        from inference_vision import class_maps
        from inference_vision.finite import check_finite

        height, width = self._input.size
        where = placement, (width, height)
        confidence = None
        if raw.dtype.kind in "iub":
            class_map = class_maps.of_ids(raw[0], *where, len(self._labels), self._output)
        else:
            check_finite(raw, self._output, "scores")
            activation = self._activation or ("sigmoid" if len(raw) == 1 else "softmax")
            if len(raw) == 1:
                class_map, sure = class_maps.of_one(raw[0], *where, activation, options.threshold)
            else:
                class_map, best = class_maps.of_scores(raw, *where)
                if options.confidence_map:
                    sure = class_maps.confidences(raw, best, *where, activation)
            confidence = sure if options.confidence_map else None
        return Segmentation(class_map, self._labels, placement.source, confidence)
