"""The per-call options of the YOLO processors.

Light: standard library and inference_core only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference_core.errors import InvalidArgument

from inference_vision.option_ranges import check_confidence, check_max_detections

CONFIDENCE = 0.25


@dataclass(frozen=True, slots=True)
class YoloOptions:
    """Per-call options of detection.

    Attributes:
        confidence: least score of a detection, 0 to 1; or one by label or class id, 0.25 for
            the others.
        iou: of two boxes that overlap by more than this (intersection over union, 0 to 1), the less
            confident one goes. Without effect on end-to-end models, which have done it already.
        max_detections: at most so many per picture, the most confident.
        classes: only these, by label (all classes of that name) or class id; None for all.
        class_agnostic: whether boxes of different classes suppress each other.
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range.
    """

    confidence: float | dict[int | str, float] = CONFIDENCE
    iou: float = 0.45
    max_detections: int = 300
    classes: tuple[int | str, ...] | int | str | None = None
    class_agnostic: bool = False
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        if not 0 <= self.iou <= 1:
            raise InvalidArgument(f"iou must be between 0 and 1, not {self.iou}")
        check_max_detections(self.max_detections)


@dataclass(frozen=True, slots=True)
class YoloMaskOptions(YoloOptions):
    """Per-call options of instance segmentation: those of detection, and the form of the masks.

    Attributes:
        mask_format: "bitmap", "rle" (COCO's run lengths) or "polygons".
    """

    mask_format: Literal["bitmap", "rle", "polygons"] = "bitmap"
