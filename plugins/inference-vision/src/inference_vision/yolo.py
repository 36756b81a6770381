"""The `yolo` processor: object detection with any graph that gives boxes as YOLO exports do.

Light, because `recognise` is asked while a model is resolved.
"""

from __future__ import annotations

from inference_vision.yolo_model import YoloModel
from inference_vision.yolo_options import YoloOptions

__all__ = ["YoloOptions", "YoloProcessor"]


class YoloProcessor(YoloModel):
    """Object detection with YOLO graphs; see `inference_vision.layouts` for the forms of output.

    Settings (all optional, in the manifest under "processor"):
        layout: "boxes-scores", "objectness" or "end-to-end", where shapes don't tell.
        stride: what imgsz must be a multiple of; else 32.
        those of `inference_vision.picture_input`; imgsz is 640 by default, resize "letterbox".
    """

    TASK = "object-detection"
    NAME = "yolo"
    ULTRALYTICS_TASK = "detect"
