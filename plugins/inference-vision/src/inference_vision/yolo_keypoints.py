"""The `yolo-keypoints` processor: objects with named points, such as the joints of people.

Light, because `recognise` is asked while a model is resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.processor import Graph

from inference_vision.settings import Settings
from inference_vision.yolo_model import YoloModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement
    from inference_vision.yolo_decode import Candidates

COCO_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
"""The 17 points of a person in COCO, in its order."""

FAR = 2.0
"""Most fractions of a picture's width or height are less, also of points that lie outside of it."""


class YoloKeypointsProcessor(YoloModel):
    """Keypoint detection; the settings are those of `yolo`, and:

    keypoints: [number of points, numbers per point]: 2 for x, y, or 3 for x, y and visibility;
        [17, 3] by default.
    keypoint_names: a list of so many names; those of COCO by default where there are 17.
    """

    TASK = "keypoint-detection"
    NAME = "yolo-keypoints"
    ULTRALYTICS_TASK = "pose"
    SETTINGS = ("keypoints", "keypoint_names")

    def _extras_of(self, package: ModelPackage, settings: Settings, graph: Graph) -> int:
        points, numbers = settings.whole_numbers("keypoints", 2) or (17, 3)
        if numbers not in (2, 3):
            raise InvalidModel(
                f"{package.name}: processor setting 'keypoints' must be [points, 2] for x, y or "
                f"[points, 3] for x, y and visibility, not {[points, numbers]}"
            )
        names = settings.names("keypoint_names")
        if names is not None and len(names) != points:
            raise InvalidModel(
                f"{package.name}: processor setting 'keypoint_names' has {len(names)} names for "
                f"{points} keypoints"
            )
        self._names = names or (COCO_NAMES if points == len(COCO_NAMES) else ())
        self._shape = points, numbers
        return points * numbers

    def _located(
        self, found: Candidates, placement: Placement
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        import numpy as np

        from inference_vision.finite import check_finite

        points = found.extras.reshape(-1, *self._shape)
        if self._relative is not None and len(points) and np.median(abs(points[..., :2])) > FAR:
            raise InvalidModel(
                f"the output {self._output!r} has relative boxes with keypoints far outside of the "
                "picture: they are pixels, it seems, as old versions of Ultralytics exported them for "
                "TensorFlow Lite. Export the model again with a current version"
            )
        keypoints = np.ones((*points.shape[:2], 3), np.float32)
        with np.errstate(over="ignore"):
            inside = points[..., :2] if self._relative is None else points[..., :2] * self._relative
            keypoints[..., :2] = placement.points_to_source(inside)
        check_finite(keypoints, self._output, "keypoints")
        keypoints[..., 2:] = points[..., 2:] if self._shape[1] == 3 else 1
        return placement.to_source(found.boxes), {"keypoints": keypoints}

    def _added(self, *_: Any) -> dict[str, Any]:
        return {"keypoint_names": self._names}
