"""The `yolo-nas` processor: object detection with YOLO-NAS, whose boxes and scores are two outputs.

Its module is light: numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from inference_core.errors import InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision import embedded_nms
from inference_vision.embedded_nms import YOLO_NAS_COLUMNS, YOLO_NAS_COUNTED
from inference_vision.settings import PICTURE_SETTINGS, Settings
from inference_vision.yolo_options import CONFIDENCE, YoloOptions

if TYPE_CHECKING:
    import numpy as np
    from inference_core.processor import Tensors
    from inference_core.results import Detections
    from inference_core.session import TensorSpec
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement
    from inference_vision.yolo_decode import Candidates


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
    TASK = "object-detection"

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        settings = Settings(package, ("boxes", "stride", *PICTURE_SETTINGS))
        graph = parts["model"]
        self._labels = package.labels
        self._embedded = embedded_nms.form_of(graph.outputs, YOLO_NAS_COUNTED)
        if self._embedded is None:
            self._boxes, self._scores = _boxes_and_scores(package, graph.outputs)
        else:
            flat = self._embedded == "flat"
            self._boxes = graph.outputs[0].name if flat else YOLO_NAS_COUNTED[1]

        from inference_vision.class_selection import check_parameters
        from inference_vision.picture_input import PictureInput

        check_parameters(package)
        stride = settings.positive_int("stride") or 32
        self._input = PictureInput(package, settings, graph.inputs, stride=stride)

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Exports with suppression, by the names of their outputs; nothing else tells surely."""
        names = {spec.name for spec in facts.get("outputs", ())}
        return Recognition(cls.TASK) if names == set(YOLO_NAS_COUNTED) else None

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
        from inference_vision.class_selection import UNLABELLED
        from inference_vision.yolo_decode import decode

        if self._embedded is not None:
            rows = self._suppressed(outputs, len(context))
            least = self._least(len(self._labels) or UNLABELLED, options)
            found = [decode("end-to-end", each, least, 0, self._boxes) for each in rows]
        else:
            boxes, scores = self._raw(outputs, len(context))
            least = self._least(scores.shape[2], options)
            pairs = zip(boxes, scores, strict=True)
            found = [self._candidates(*pair, least) for pair in pairs]
        return [
            self._detections(candidates, placement, options)
            for candidates, placement in zip(found, context, strict=True)
        ]

    def _suppressed(self, outputs: Tensors, pictures: int) -> NDArray[np.float32]:
        """(pictures, n, 6): x1, y1, x2, y2, score, class id."""
        if self._embedded == "flat":
            raw = outputs[self._boxes]
            return embedded_nms.of_flat(raw, pictures, YOLO_NAS_COLUMNS, self._boxes)[0]
        rows = embedded_nms.of_counted(outputs, YOLO_NAS_COUNTED)
        if len(rows) != pictures:
            raise InvalidModel(
                f"the outputs are of {len(rows)} pictures, and {pictures} were given"
            )
        return rows

    def _raw(self, outputs: Tensors, pictures: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Boxes (pictures, N, 4) and scores (pictures, N, classes)."""
        boxes, scores = outputs[self._boxes], outputs[self._scores]
        fits = boxes.ndim == scores.ndim == 3 and boxes.shape[2] == 4 and scores.shape[2] > 0
        if not fits or boxes.shape[:2] != scores.shape[:2] or len(boxes) != pictures:
            raise InvalidModel(
                f"the outputs have the shapes {boxes.shape} and {scores.shape}, which aren't boxes "
                f"and scores of {pictures} pictures"
            )
        if len(self._labels) not in (0, scores.shape[2]):
            raise InvalidModel(
                f"the output {self._scores!r} scores {scores.shape[2]} classes, and there are "
                f"{len(self._labels)} labels"
            )
        return boxes, scores

    def _least(self, classes: int, options: YoloOptions) -> NDArray[np.float32]:
        from inference_vision.class_selection import thresholds

        return thresholds(self._labels, classes, options.confidence, CONFIDENCE, options.classes)

    def _candidates(
        self, boxes: NDArray[Any], scores: NDArray[Any], least: NDArray[np.float32]
    ) -> Candidates:
        """Of boxes that nothing suppressed, those that reach their class's confidence."""
        import numpy as np

        from inference_vision.finite import check_finite, check_scores
        from inference_vision.yolo_decode import Candidates

        best = scores.max(axis=1)  # NaN where any score is NaN
        check_finite(best, self._scores, "scores")
        check_scores(best, self._scores)
        rows = np.flatnonzero(best >= least.min(initial=np.inf))
        ids = scores[rows].argmax(axis=1)
        enough = best[rows] >= least[ids]
        rows, ids = rows[enough], ids[enough]
        return Candidates(
            boxes[rows].astype(np.float32),
            best[rows].astype(np.float32),
            ids.astype(np.int64),
            np.empty((len(rows), 0), np.float32),
        )

    def _detections(
        self, found: Candidates, placement: Placement, options: YoloOptions
    ) -> Detections:
        from inference_vision.candidate_detections import detections
        from inference_vision.finite import check_finite
        from inference_vision.nms import non_maximum_suppression

        check_finite(found.boxes, self._boxes, "boxes")
        if self._embedded is None:
            kept = non_maximum_suppression(
                found.boxes,
                found.scores,
                found.class_ids,
                iou=options.iou,
                max_detections=options.max_detections,
                class_agnostic=options.class_agnostic,
            )
            found = found.rows(kept)
        return detections(found, placement, self._labels, options.max_detections)


def _boxes_and_scores(package: ModelPackage, outputs: Sequence[TensorSpec]) -> tuple[str, str]:
    """Names of the two outputs of an export without suppression."""
    names = [spec.name for spec in outputs]
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
            return boxes[0].name, scores.name
    shapes = ", ".join(map(str, outputs)) or "none"
    raise InvalidModel(
        f"{package.name}: the outputs aren't clearly those of a YOLO-NAS with "
        f"{len(package.labels) or 'any number of'} labels: {shapes}. Wanted are boxes (batch, N, 4) "
        f"and scores (batch, N, classes), or {', '.join(YOLO_NAS_COUNTED)}; or one output (N, 7). "
        "Where both can be the boxes, write into the processor's settings in model.json which one "
        'is: "boxes": 0'
    )
