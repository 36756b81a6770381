"""The `yolo-nas` processor: object detection with YOLO-NAS, whose boxes and scores are two outputs.

Its module is light: numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from inference_core.errors import InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision import embedded_nms
from inference_vision.settings import PICTURE_SETTINGS, Settings
from inference_vision.yolo_options import CONFIDENCE, YoloOptions

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Detections
    from inference_core.session import TensorSpec

    from inference_vision.letterbox import Placement
    from inference_vision.yolo_decode import Candidates

TASK = "object-detection"
COUNT, BOXES, SCORES, CLASSES = "num_predictions", "pred_boxes", "pred_scores", "pred_classes"


class Form(NamedTuple):
    """Names of the outputs; `classes` and `valid` (how many rows count) only where the graph itself
    suppresses overlaps."""

    boxes: str
    scores: str
    classes: str | None = None
    valid: str | None = None


SUPPRESSED = Form(BOXES, SCORES, CLASSES, COUNT)


class YoloNasProcessor:
    """YOLO-NAS, in the three forms of its exporter; boxes are x1, y1, x2, y2 in pixels of the input.

    - Without suppression: boxes (batch, N, 4) and scores (batch, N, classes), 0 to 1.
    - With it, in batches: `num_predictions` (batch, 1), `pred_boxes` (batch, N, 4), `pred_scores`
      (batch, N) and `pred_classes` (batch, N).
    - With it, flat: one output (N, 7), see `inference_vision.embedded_nms`.

    Settings (all optional, in the manifest under "processor"), besides those of
    `picture_input.PictureInput`:
        boxes: which output holds the boxes, its name or its position from 0; needed for a model of
            four classes, whose scores look the same.
        stride: what imgsz must be a multiple of; 32.
    """

    OPTIONS: ClassVar[type] = YoloOptions

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        settings = Settings(package, ("boxes", "stride", *PICTURE_SETTINGS))
        graph = parts["model"]
        self._labels = package.labels
        is_flat = embedded_nms.form_of(graph.outputs) == "flat"
        self._flat = graph.outputs[0].name if is_flat else None
        self._form = SUPPRESSED if is_flat else _form(package, graph.outputs)

        from inference_vision.picture_input import PictureInput

        stride = settings.positive_int("stride") or 32
        self._input = PictureInput(package, settings, graph.inputs, stride=stride)

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Exports with suppression, by the names of their outputs; nothing else tells surely."""
        names = {spec.name for spec in facts.get("outputs", ())}
        return Recognition(TASK) if names == {COUNT, BOXES, SCORES, CLASSES} else None

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
            InvalidModel: an output hasn't the shape of its form, or holds NaN, or a class id without
                a label.
            InvalidArgument: an option names a class that the model doesn't have.
        """
        if self._flat is not None:
            outputs = _by_picture(outputs[self._flat], len(context), self._flat)
        boxes, scores = outputs[self._form.boxes], outputs[self._form.scores]
        rank = 3 if self._form.classes is None else 2
        fits = boxes.ndim == 3 and boxes.shape[2] == 4 and scores.ndim == rank
        if not fits or boxes.shape[:2] != scores.shape[:2] or len(boxes) != len(context):
            raise InvalidModel(
                f"the outputs have the shapes {boxes.shape} and {scores.shape}, which aren't boxes "
                f"and scores of {len(context)} pictures"
            )
        return [
            self._detections(outputs, index, placement, options)
            for index, placement in enumerate(context)
        ]

    def _detections(
        self, outputs: Tensors, index: int, placement: Placement, options: YoloOptions
    ) -> Detections:
        import numpy as np
        from inference_core.results import Detections

        from inference_vision.nms import non_maximum_suppression

        found = self._candidates(outputs, index, options)
        if self._form.classes is None:
            kept = non_maximum_suppression(
                found.boxes,
                found.scores,
                found.class_ids,
                iou=options.iou,
                max_detections=options.max_detections,
                class_agnostic=options.class_agnostic,
            )
        else:
            kept = np.argsort(-found.scores, kind="stable")[: options.max_detections]
        found = found.rows(kept)
        xyxy = placement.to_source(found.boxes)
        inside = np.all(xyxy[:, 2:] > xyxy[:, :2], axis=1)  # the rest lies in the padding
        found, xyxy = found.rows(inside), xyxy[inside]
        ids = found.class_ids
        labels = tuple(self._labels[i] if self._labels else str(i) for i in ids.tolist())
        return Detections(xyxy, found.scores, ids, labels, placement.source)

    def _candidates(self, outputs: Tensors, index: int, options: YoloOptions) -> Candidates:
        """What reaches its class's confidence."""
        import numpy as np

        from inference_vision.class_selection import UNLABELLED, thresholds
        from inference_vision.finite import check_finite
        from inference_vision.yolo_decode import Candidates

        boxes, scores = outputs[self._form.boxes][index], outputs[self._form.scores][index]
        if self._form.classes is None:
            best = scores.max(axis=1)  # NaN where any score is NaN
            count = len(self._labels) or scores.shape[1]
            if scores.shape[1] != count:
                raise InvalidModel(
                    f"the output {self._form.scores!r} scores {scores.shape[1]} classes, and there "
                    f"are {count} labels"
                )
            all_ids = None
        else:
            assert self._form.valid is not None
            end = int(outputs[self._form.valid].reshape(-1)[index])
            boxes, best = boxes[:end], scores[:end]
            all_ids = outputs[self._form.classes][index][:end].astype(np.int64)
            count = len(self._labels) or UNLABELLED
        check_finite(best, self._form.scores, "scores")
        least = thresholds(self._labels, count, options.confidence, CONFIDENCE, options.classes)
        rows = np.flatnonzero(best >= least.min(initial=np.inf))
        ids = scores[rows].argmax(axis=1) if all_ids is None else all_ids[rows]
        wrong = ids[(ids < 0) | (ids >= count)]
        if len(wrong):
            raise InvalidModel(f"the graph gives class id {wrong[0]}; there are {count} labels")
        rows, ids = rows[best[rows] >= least[ids]], ids[best[rows] >= least[ids]]
        check_finite(boxes[rows], self._form.boxes, "boxes")
        return Candidates(
            boxes[rows].astype(np.float32),
            best[rows].astype(np.float32),
            ids.astype(np.int64),
            np.empty((len(rows), 0), np.float32),
        )


def _by_picture(raw: Any, pictures: int, output: str) -> Tensors:
    """A flat output as the four of an export in batches."""
    from inference_vision.finite import check_finite

    rows, counts = embedded_nms.of_flat(raw, pictures, embedded_nms.YOLO_NAS_COLUMNS, output)
    check_finite(rows, output, "boxes")
    return {COUNT: counts, BOXES: rows[..., :4], SCORES: rows[..., 4], CLASSES: rows[..., 5]}


def _form(package: ModelPackage, outputs: Sequence[TensorSpec]) -> Form:
    names = [spec.name for spec in outputs]
    if {COUNT, BOXES, SCORES, CLASSES} <= set(names):
        return SUPPRESSED
    given = package.processor.settings.get("boxes") if package.processor else None
    if isinstance(given, int) and 0 <= given < len(names):
        given = names[given]
    ranked = [spec for spec in outputs if spec.shape is not None and len(spec.shape) == 3]
    boxes = [
        spec
        for spec in ranked
        if spec.shape is not None and spec.shape[2] in (4, None) and given in (None, spec.name)
    ]
    if len(boxes) == 1 and len(ranked) == 2:
        scores = next(spec for spec in ranked if spec is not boxes[0])
        columns = scores.shape[2] if scores.shape else None
        if not package.labels or columns in (None, len(package.labels)):
            return Form(boxes[0].name, scores.name)
    shapes = ", ".join(map(str, outputs)) or "none"
    raise InvalidModel(
        f"{package.name}: the outputs aren't clearly those of a YOLO-NAS with "
        f"{len(package.labels) or 'any number of'} labels: {shapes}. Wanted are boxes (batch, N, 4) "
        f"and scores (batch, N, classes), or {COUNT}, {BOXES}, {SCORES} and {CLASSES}; or one output "
        "(N, 7). Where both can be the boxes, write into the processor's settings in model.json which "
        'one is: "boxes": 0'
    )
