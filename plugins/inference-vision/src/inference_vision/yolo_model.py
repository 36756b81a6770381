"""What the YOLO processors share: pictures in, candidates out of one tensor, overlaps suppressed.

Each task is a subclass in a module of its own, which adds what its boxes carry besides: masks,
keypoints, an angle. Light: numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from inference_core.errors import InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision.layouts import LAYOUTS, Layout, choose_output, matching_layouts
from inference_vision.settings import PICTURE_SETTINGS, Settings
from inference_vision.yolo_options import CONFIDENCE, YoloOptions
from inference_vision.yolo_recognition import recognised

if TYPE_CHECKING:
    import numpy as np
    from inference_core.processor import Tensors
    from inference_core.results import Detections
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement
    from inference_vision.yolo_decode import Candidates


SETTINGS = ("layout", "stride", "coordinates")


class _Known(NamedTuple):
    """What the last call found out, for the next one: most have the same shape and options."""

    shape: tuple[int, ...]
    options: YoloOptions
    least: NDArray[np.float32]


class YoloModel:
    """A processor of YOLO graphs; see `inference_vision.layouts` for the forms of output.

    Class attributes:
        TASK: as results and manifests call it.
        NAME: of the processor.
        ULTRALYTICS_TASK: as the metadata of Ultralytics' exports call it.
        SETTINGS: those that the task adds.
        CENTRED: whether boxes stay cx, cy, w, h until they are suppressed.
    """

    OPTIONS: ClassVar[type] = YoloOptions
    TASK: ClassVar[str]
    NAME: ClassVar[str]
    ULTRALYTICS_TASK: ClassVar[str]
    SETTINGS: ClassVar[tuple[str, ...]] = ()
    CENTRED: ClassVar[bool] = False

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        settings = Settings(package, (*SETTINGS, *self.SETTINGS, *PICTURE_SETTINGS))
        graph = parts["model"]
        self._labels = package.labels
        self._extras = self._extras_of(package, settings, graph)
        self._output, self._layout = self._chosen(settings, graph)
        self._known: _Known | None = None

        import numpy as np

        from inference_vision.class_selection import check_parameters
        from inference_vision.picture_input import PictureInput

        check_parameters(package)
        stride = settings.positive_int("stride") or 32
        self._input = PictureInput(package, settings, graph.inputs, stride=stride)
        # What relative coordinates are multiplied by: width and height of the input, in float64,
        # which no finite float32 coordinate overflows.
        stated = settings.choice("coordinates", ("pixels", "relative"))
        size = np.array(self._input.size[::-1], np.float64)
        self._relative = size if stated == "relative" else None
        self._stated = stated is not None

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Ultralytics' exports for this task, and those of YOLOv5, by their metadata.

        Raises:
            InvalidModel: the metadata is Ultralytics', but damaged.
        """
        return recognised(facts, cls.ULTRALYTICS_TASK, cls.TASK)

    def preprocess(
        self, inputs: Sequence[Any], options: YoloOptions
    ) -> tuple[Tensors, tuple[Placement, ...]]:
        """The pictures as one tensor, and where each lies in its part of it."""
        return self._input.feeds(inputs, options.color_format)

    def postprocess(
        self, outputs: Tensors, context: tuple[Placement, ...], options: YoloOptions
    ) -> list[Detections]:
        """The detections of each picture, in source pixels, most confident first.

        Raises:
            InvalidModel: the output doesn't have the shape of the layout, or holds a class id
                without a label, or NaN or infinite numbers.
            InvalidArgument: an option names a class that the model doesn't have.
        """
        from inference_vision.yolo_decode import check_fractions, decode

        raw = self._raw(outputs, len(context))
        known = self._known  # one look: other threads may replace it
        if known is None or known.options is not options or known.shape != raw.shape:
            self._check_shape(raw.shape)
            self._known = known = _Known(raw.shape, options, self._least(raw.shape, options))
        if len(raw) != len(context):
            raise InvalidModel(
                f"the output {self._output!r} has the shape {raw.shape} for {len(context)} pictures"
            )
        results = []
        for index, (rows, placement) in enumerate(zip(raw, context, strict=True)):
            found = decode(self._layout, rows, known.least, self._extras, self._output)
            if self._relative is not None:
                check_fractions(found.boxes, self._output)
                boxes = found.boxes.reshape(-1, 2, 2) * self._relative
                found = found._replace(boxes=boxes.reshape(-1, 4))
            results.append(self._detections(found, placement, index, outputs, options))
        return results

    def _detections(
        self,
        found: Candidates,
        placement: Placement,
        index: int,
        outputs: Tensors,
        options: YoloOptions,
    ) -> Detections:
        import numpy as np
        from inference_core.results import Detections

        from inference_vision.centred_boxes import corners
        from inference_vision.yolo_decode import check_pixels

        if self._layout != "end-to-end" and not self.CENTRED:
            found = found._replace(boxes=corners(found.boxes))
        if self._layout == "end-to-end":
            kept = np.argsort(-found.scores, kind="stable")[: options.max_detections]
        else:
            kept = self._suppressed(found, options)
        found = found.rows(kept)
        if not self._stated:
            check_pixels(found.boxes, self._input.size, self._output)
        xyxy, details = self._located(found, placement)
        x1, y1, x2, y2 = xyxy.T
        inside = (x2 > x1) & (y2 > y1)  # the rest lies in the padding
        if not inside.all():
            found, xyxy = found.rows(inside), xyxy[inside]
            details = {name: array[inside] for name, array in details.items()}
        return Detections(
            xyxy,
            found.scores,
            found.class_ids,
            tuple(map(self._label, found.class_ids.tolist())),
            placement.source,
            **details,
            **self._added(found, xyxy, placement, index, outputs, options),
        )

    def _chosen(self, settings: Settings, graph: Graph) -> tuple[str, Layout]:
        """Name of the output with the boxes, and its layout."""
        layout = settings.choice("layout", LAYOUTS)
        labels = len(self._labels)
        output, found = choose_output(graph.outputs, labels, layout, self._extras, self.NAME)
        return output.name, found

    def _raw(self, outputs: Tensors, pictures: int) -> NDArray[Any]:
        """The boxes of all pictures in the layout chosen, three axes."""
        return outputs[self._output]

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        count = len(self._labels)
        if self._layout not in matching_layouts(shape, count, self._extras):
            raise InvalidModel(
                f"the output {self._output!r} has the shape {shape}, which isn't the layout "
                f"{self._layout} with {count} labels"
            )

    def _least(self, shape: tuple[int, ...], options: YoloOptions) -> NDArray[np.float32]:
        """The least score of each class."""
        from inference_vision.class_selection import thresholds

        count = self._classes(shape)
        return thresholds(self._labels, count, options.confidence, CONFIDENCE, options.classes)

    def _extras_of(self, package: ModelPackage, settings: Settings, graph: Graph) -> int:
        """How many numbers a box carries besides position and scores."""
        return 0

    def _suppressed(self, found: Candidates, options: YoloOptions) -> NDArray[np.intp]:
        """Rows of the boxes that stay, best first."""
        from inference_vision.nms import non_maximum_suppression

        return non_maximum_suppression(
            found.boxes,
            found.scores,
            found.class_ids,
            iou=options.iou,
            max_detections=options.max_detections,
            class_agnostic=options.class_agnostic,
        )

    def _located(
        self, found: Candidates, placement: Placement
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The boxes x1, y1, x2, y2 in source pixels, and the other fields that tell of places."""
        return placement.to_source(found.boxes), {}

    def _added(
        self,
        found: Candidates,
        xyxy: NDArray[np.float32],
        placement: Placement,
        index: int,
        outputs: Tensors,
        options: Any,
    ) -> dict[str, Any]:
        """More fields of the result, of the boxes that are left at last."""
        return {}

    def _classes(self, shape: tuple[int, ...]) -> int:
        if self._labels:
            return len(self._labels)
        if self._layout == "end-to-end":
            from inference_vision.class_selection import UNLABELLED

            return UNLABELLED
        fixed = 4 if self._layout == "boxes-scores" else 5
        return shape[1 if self._layout == "boxes-scores" else 2] - fixed - self._extras

    def _label(self, class_id: int) -> str:
        return self._labels[class_id] if self._labels else str(class_id)
