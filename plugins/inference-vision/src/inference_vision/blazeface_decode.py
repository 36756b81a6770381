"""From one picture's raw output of a BlazeFace detector to faces, as MediaPipe computes them.

The sources are MediaPipe's calculators: ssd_anchors, tensors_to_detections and non_max_suppression.
Boxes that belong to one face are averaged, weighted by their scores ("weighted" suppression), which
keeps a face steady from frame to frame.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from inference_core.results import Detections
from numpy.typing import NDArray

from inference_vision.blazeface import KEYPOINT_NAMES, NUMBERS, BlazefaceOptions, Form
from inference_vision.finite import check_finite

if TYPE_CHECKING:
    from inference_vision.square_input import Square

_LARGEST_LOGIT = 100.0


def anchors(form: Form) -> NDArray[np.float32]:
    """The centres x, y of all anchors in pixels of the input, (boxes, 2), in the order of the output.

    Grids of equal strides are one, whose cells have the anchors of all of them. The size of an anchor
    is that of the input, so that the graph gives pixels.
    """
    grids = []
    for stride, same in groupby(form.strides):
        cells = form.side // stride
        centres = (np.arange(cells, dtype=np.float32) + 0.5) * stride
        y, x = np.meshgrid(centres, centres, indexing="ij")
        here = form.per_stride * len(list(same))
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), here, axis=0))
    return np.concatenate(grids)


def faces(
    raw: NDArray[Any],
    logits: NDArray[Any],
    centres: NDArray[np.float32],
    square: Square,
    options: BlazefaceOptions,
    label: str,
    output: str,
) -> Detections:
    """The faces of one picture, most confident first.

    Args:
        raw: (boxes, 16): offsets of the centre and of the keypoints from the anchor, and size.
        logits: (boxes,).
        centres: of the anchors.
        square: where the picture lies in the input.
        options: of the call.
        label: of the class.
        output: name of the output with the boxes, for the message.

    Raises:
        InvalidModel: a number isn't finite.
    """
    check_finite(logits, output, "scores")
    clipped = np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT, dtype=np.float64)
    scores = (1 / (1 + np.exp(-clipped))).astype(np.float32)
    likely = np.flatnonzero(scores >= options.confidence)
    likely = likely[np.argsort(-scores[likely], kind="stable")]
    found = raw[likely].astype(np.float32)
    check_finite(found, output, "boxes")
    # Four corners and the keypoints: all of them are averaged alike.
    places = np.empty_like(found)
    centre, half = found[:, :2] + centres[likely], found[:, 2:4] / 2
    places[:, :2], places[:, 2:4] = centre - half, centre + half
    keypoints = found[:, 4:].reshape(-1, len(KEYPOINT_NAMES), 2) + centres[likely, None]
    places[:, 4:] = keypoints.reshape(-1, NUMBERS - 4)
    merged, confidence = _weighted(places, scores[likely], options)
    return _in_source(merged, confidence, square, label)


def _weighted(
    places: NDArray[np.float32], scores: NDArray[np.float32], options: BlazefaceOptions
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The faces, and the score of the best box of each. Boxes come and go best first."""
    merged: list[NDArray[np.float32]] = []
    confidence: list[np.float32] = []
    while len(scores) and len(merged) < options.max_detections:
        same = _overlaps(places[:, :4]) > options.iou
        same[0] = True  # also one without an area, which overlaps nothing
        weights = scores[same] / scores[same].sum()
        merged.append(weights @ places[same])
        confidence.append(scores[0])
        places, scores = places[~same], scores[~same]
    rows = np.array(merged, np.float32).reshape(-1, NUMBERS)
    return rows, np.array(confidence, np.float32)


def _overlaps(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of each box with the first."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    areas = sides[:, 0] * sides[:, 1]
    shared = np.minimum(boxes[:, 2:], boxes[0, 2:]) - np.maximum(boxes[:, :2], boxes[0, :2])
    both = np.maximum(shared, 0).prod(axis=1)
    union = areas + areas[0] - both
    return np.asarray(np.divide(both, union, out=np.zeros_like(both), where=union > 0))


def _in_source(
    places: NDArray[np.float32], confidence: NDArray[np.float32], square: Square, label: str
) -> Detections:
    xyxy = square.to_source(places[:, :4])
    inside = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    points = places[inside, 4:].reshape(-1, len(KEYPOINT_NAMES), 2)
    keypoints = np.ones((*points.shape[:2], 3), np.float32)
    keypoints[..., :2] = square.points_to_source(points)
    count = int(inside.sum())
    return Detections(
        xyxy[inside],
        confidence[inside],
        np.zeros(count, np.int64),
        (label,) * count,
        square.source,
        keypoints=keypoints,
        keypoint_names=KEYPOINT_NAMES,
    )
