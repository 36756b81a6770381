"""Detections as COCO's annotations: the rows of its results files and of its data sets.

The format is described on the data set's own page (cocodataset.org, "Data format"). It writes no
file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference_core.results._result import plain
from inference_core.results.masks import Bitmap, Polygons, RunLengths

if TYPE_CHECKING:
    from inference_core.results.detections import Detection, Detections

VISIBLE = 0.5
"""The least visibility with which a keypoint counts as visible, not only as there."""


def coco_annotations(
    detections: Detections, image_id: int, first_category: int
) -> list[dict[str, Any]]:
    """One dict per object; see `Detections.to_coco`."""
    size = detections.image_size
    return [_annotation(found, image_id, first_category, size) for found in detections]


def _annotation(
    found: Detection, image_id: int, first_category: int, size: tuple[int, int]
) -> dict[str, Any]:
    x1, y1, x2, y2 = (np.float32(edge) for edge in found.xyxy)
    row: dict[str, Any] = {
        "image_id": image_id,
        "category_id": found.class_id + first_category,
        "bbox": plain(np.array([x1, y1, x2 - x1, y2 - y1], np.float32)),
        "score": plain(np.array([found.confidence], np.float32))[0],
        "area": float((x2 - x1) * (y2 - y1)),
    }
    if found.corners is not None:
        row["segmentation"] = [plain(found.corners.ravel())]
        row["area"] = abs(_signed_area(found.corners))
    if found.mask is not None:
        row["segmentation"], row["area"] = _segmentation(found.mask)
    if found.keypoints is not None:
        row["keypoints"], row["num_keypoints"] = _keypoints(found.keypoints, size)
    return row


def _segmentation(mask: Bitmap | RunLengths | Polygons) -> tuple[Any, float]:
    if isinstance(mask, Polygons):
        areas = [_signed_area(outline) for outline in mask.outlines]
        # Holes can't be said in polygons, and without one a segmentation has no form that is read.
        if areas and all(area > 0 for area in areas):
            return [plain(outline.ravel()) for outline in mask.outlines], sum(areas)
        mask = RunLengths.of(*mask.part(), mask.size)
    runs = mask if isinstance(mask, RunLengths) else RunLengths.of(mask)
    return runs.to_dict(), float(runs.area)


def _keypoints(points: NDArray[np.float32], size: tuple[int, int]) -> tuple[list[float], int]:
    width, height = size
    flat: list[float] = []
    for x, y, visibility in points:
        inside = 0 <= x <= width and 0 <= y <= height
        level = 2 if visibility >= VISIBLE and inside else int(visibility > 0)
        flat += [*plain(np.array([x, y], np.float32)), level] if level else [0, 0, 0]
    return flat, sum(value > 0 for value in flat[2::3])


def _signed_area(outline: NDArray[np.float32]) -> float:
    """In pixels; positive where the corners run clockwise as seen."""
    x, y = outline.T.astype(np.float64)
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)
