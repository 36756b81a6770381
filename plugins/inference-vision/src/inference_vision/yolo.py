"""The `yolo` processor: object detection with any graph that gives boxes as YOLO exports do.

It reads pictures, letterboxes them, decodes the output, suppresses overlaps and maps the boxes back.
Its module is light, because `recognise` is asked while a model is resolved: numpy and OpenCV come
in with the first instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.arguments import did_you_mean
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision import ultralytics
from inference_vision.layouts import LAYOUTS, choose_output, matching_layouts
from inference_vision.settings import PICTURE_SETTINGS, Settings

if TYPE_CHECKING:
    import numpy as np
    from inference_core.processor import Tensors
    from inference_core.results import Detections
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement

TASK = "object-detection"


@dataclass(frozen=True, slots=True)
class YoloOptions:
    """Per-call options of detection.

    Attributes:
        confidence: least score of a detection, 0 to 1.
        iou: of two boxes that overlap by more than this (intersection over union, 0 to 1), the less
            confident one goes. Without effect on end-to-end models, which have done it already.
        max_detections: at most so many per picture, the most confident.
        classes: only these, by label or class id; None for all.
        class_agnostic: whether boxes of different classes suppress each other.
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range.
    """

    confidence: float = 0.25
    iou: float = 0.45
    max_detections: int = 300
    classes: tuple[int | str, ...] | int | str | None = None
    class_agnostic: bool = False
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        for name in ("confidence", "iou"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InvalidArgument(f"{name} must be between 0 and 1, not {value}")
        if self.max_detections < 1:
            raise InvalidArgument(f"max_detections must be at least 1, not {self.max_detections}")


class YoloProcessor:
    """Object detection with YOLO graphs; see `inference_vision.layouts` for the forms of output.

    Settings (all optional, in the manifest under "processor"):
        layout: "boxes-scores", "objectness" or "end-to-end", where shapes don't tell.
        stride: what imgsz must be a multiple of; else 32.
        those of `inference_vision.picture_input`; imgsz is 640 by default, resize "letterbox".
    """

    OPTIONS: ClassVar[type] = YoloOptions

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        settings = Settings(package, ("layout", "stride", *PICTURE_SETTINGS))
        graph = parts["model"]
        layout = settings.choice("layout", LAYOUTS)
        output, self._layout = choose_output(graph.outputs, len(package.labels), layout)
        self._output = output.name
        self._labels = package.labels

        from inference_vision.picture_input import PictureInput

        stride = settings.positive_int("stride") or 32
        self._input = PictureInput(package, settings, graph.inputs, stride=stride)

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Ultralytics exports of detection models, and those of YOLOv5, by their metadata.

        Raises:
            InvalidModel: the metadata is Ultralytics', but damaged.
        """
        metadata: Mapping[str, str] = facts.get("metadata") or {}
        # YOLOv5's own exporter writes names and stride, but no task.
        if metadata.get("task", "detect") != "detect" or not {"names", "stride"} <= set(metadata):
            return None
        labels = ultralytics.labels_of(metadata)
        fitting = [
            layout
            for output in facts.get("outputs", ())
            for layout in matching_layouts(output.shape, len(labels))
        ]
        if "task" not in metadata:
            layout = "objectness" if fitting == ["objectness"] else None
        elif ultralytics.is_end_to_end(metadata):
            layout = "end-to-end"
        else:  # the order in which Ultralytics' exports are likely to have them
            layout = next(
                (name for name in ("boxes-scores", "end-to-end") if name in fitting), None
            )
        if layout is None:
            return None
        settings: dict[str, Any] = {"layout": layout}
        if imgsz := ultralytics.open_image_size(facts):
            settings["imgsz"] = imgsz
        if stride := ultralytics.stride_of(metadata):
            settings["stride"] = stride
        return Recognition(TASK, labels, settings)

    def preprocess(
        self, inputs: Sequence[Any], options: YoloOptions
    ) -> tuple[Tensors, tuple[Placement, ...]]:
        """The pictures as one tensor, and where each lies in its part of it."""
        from inference_vision.image import read_image

        images = [read_image(value, options.color_format) for value in inputs]
        tensor, placements = self._input(images)
        return {self._input.name: tensor}, placements

    def postprocess(
        self, outputs: Tensors, context: tuple[Placement, ...], options: YoloOptions
    ) -> list[Detections]:
        """The detections of each picture, in source pixels, most confident first.

        Raises:
            InvalidModel: the output doesn't have the shape of the layout, or holds a class id
                without a label, or NaN or infinite numbers.
            InvalidArgument: `options.classes` names a class that the model doesn't have.
        """
        raw = outputs[self._output]
        count = len(self._labels)
        if len(raw) != len(context) or self._layout not in matching_layouts(raw.shape, count):
            raise InvalidModel(
                f"the output {self._output!r} has the shape {raw.shape}, which isn't the layout "
                f"{self._layout} for {len(context)} pictures and {count} labels"
            )
        wanted = self._wanted(options)
        return [
            self._detections(rows, placement, wanted, options)
            for rows, placement in zip(raw, context, strict=True)
        ]

    def _detections(
        self,
        raw: NDArray[Any],
        placement: Placement,
        wanted: NDArray[np.int64] | None,
        options: YoloOptions,
    ) -> Detections:
        import numpy as np
        from inference_core.results import Detections

        from inference_vision.nms import non_maximum_suppression
        from inference_vision.yolo_decode import decode

        boxes, scores, class_ids = decode(
            self._layout, raw, options.confidence, wanted, self._output
        )
        if self._layout == "end-to-end":
            kept = np.argsort(-scores, kind="stable")[: options.max_detections]
        else:
            kept = non_maximum_suppression(
                boxes,
                scores,
                class_ids,
                iou=options.iou,
                max_detections=options.max_detections,
                class_agnostic=options.class_agnostic,
            )
        xyxy = placement.to_source(boxes[kept])
        inside = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)  # the rest lies in the padding
        kept, xyxy = kept[inside], xyxy[inside]
        labels = tuple(map(self._label, class_ids[kept].tolist()))
        return Detections(xyxy, scores[kept], class_ids[kept], labels, placement.source)

    def _label(self, class_id: int) -> str:
        if not self._labels:
            return str(class_id)
        if 0 <= class_id < len(self._labels):
            return self._labels[class_id]
        raise InvalidModel(
            f"the output {self._output!r} holds class id {class_id}, but the model has "
            f"{len(self._labels)} labels"
        )

    def _wanted(self, options: YoloOptions) -> NDArray[np.int64] | None:
        """The class ids that `options.classes` means."""
        if options.classes is None:
            return None
        import numpy as np

        given = options.classes if isinstance(options.classes, tuple) else (options.classes,)
        return np.array([self._class_id(value) for value in given], np.int64)

    def _class_id(self, value: int | str) -> int:
        if isinstance(value, int):
            if value >= 0 and (not self._labels or value < len(self._labels)):
                return value
            raise InvalidArgument(f"classes: there is no class id {value}{self._known()}")
        if value in self._labels:
            return self._labels.index(value)
        hint = did_you_mean(value, self._labels) or self._known()
        raise InvalidArgument(f"classes: the model has no label {value!r}{hint}")

    def _known(self) -> str:
        shown = ", ".join(f"{i} {label}" for i, label in enumerate(self._labels[:10]))
        more = ", …" if len(self._labels) > 10 else ""
        return f"; it has {shown}{more}" if shown else "; it has no labels"
