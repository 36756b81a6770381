"""The `yolo-oriented` processor: boxes that are turned, as in aerial pictures.

Light, because `recognise` is asked while a model is resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference_core.package import ModelPackage
from inference_core.processor import Graph

from inference_vision.settings import Settings
from inference_vision.yolo_model import YoloModel
from inference_vision.yolo_options import YoloOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement
    from inference_vision.yolo_decode import Candidates


class YoloOrientedProcessor(YoloModel):
    """Oriented object detection; the settings are those of `yolo`.

    Overlap is the probabilistic IoU that these models are trained with, see
    `inference_vision.oriented`.
    """

    TASK = "oriented-object-detection"
    NAME = "yolo-oriented"
    ULTRALYTICS_TASK = "obb"
    CENTRED = True

    def _extras_of(self, package: ModelPackage, settings: Settings, graph: Graph) -> int:
        return 1  # the angle

    def _suppressed(self, found: Candidates, options: YoloOptions) -> NDArray[np.intp]:
        import numpy as np

        from inference_vision.oriented import oriented_suppression

        return oriented_suppression(
            np.concatenate([found.boxes, found.extras], axis=1),
            found.scores,
            found.class_ids,
            iou=options.iou,
            max_detections=options.max_detections,
            class_agnostic=options.class_agnostic,
        )

    def _located(
        self, found: Candidates, placement: Placement
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        import numpy as np

        from inference_vision.finite import check_finite
        from inference_vision.oriented import corners_of

        boxes = np.concatenate([found.boxes, found.extras], axis=1)
        with np.errstate(over="ignore"):
            corners = placement.points_to_source(corners_of(boxes))
        check_finite(corners, self._output, "boxes")
        around = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        x1, y1, x2, y2 = placement.area
        clipped = np.clip(around, (x1, y1) * 2, (x2, y2) * 2).astype(np.float32)
        return clipped, {"corners": corners}
