"""From one picture's raw output of a BlazeFace detector to faces, as MediaPipe computes them.

The sources are MediaPipe's calculators: ssd_anchors, tensors_to_detections and non_max_suppression.
Boxes that belong to one face are averaged, weighted by their scores ("weighted" suppression), which
keeps a face steady from frame to frame. As there, a score *below* the confidence is none of a face,
and boxes are one face whose overlap is *above* the IoU. Boxes of a negative size go before; here also
those without any, at which MediaPipe would stop.
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
    names: tuple[str, str],
) -> Detections:
    """The faces of one picture, most confident first.

    Args:
        raw: (boxes, 16): offsets of the centre and of the keypoints from the anchor, and size.
        logits: (boxes,).
        centres: of the anchors.
        square: where the picture lies in the input.
        options: of the call.
        label: of the class.
        names: of the outputs with the boxes and with the scores, for messages.

    Raises:
        InvalidModel: a number isn't finite.
    """
    boxes_name, scores_name = names
    check_finite(logits, scores_name, "scores")
    clipped = np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT, dtype=np.float64)
    scores = (1 / (1 + np.exp(-clipped))).astype(np.float32)
    likely = np.flatnonzero(scores >= options.confidence)
    likely = likely[np.argsort(-scores[likely], kind="stable")]
    # float64: areas and sums of finite float32 numbers can't overflow it.
    found = raw[likely].astype(np.float64)
    check_finite(found, boxes_name, "boxes")
    # Four corners and the keypoints: all of them are averaged alike.
    places = np.empty_like(found)
    centre, half = found[:, :2] + centres[likely], found[:, 2:4] / 2
    places[:, :2], places[:, 2:4] = centre - half, centre + half
    offsets = found[:, 4:].reshape(-1, len(KEYPOINT_NAMES), 2)
    places[:, 4:] = (offsets + centres[likely, None]).reshape(-1, NUMBERS - 4)
    sized = (places[:, 2:4] > places[:, :2]).all(axis=1)
    merged, confidence = _weighted(places[sized], scores[likely[sized]], options.iou)
    xyxy = square.to_source(merged[:, :4])
    # What lies in the padding is no face, and takes no face's place.
    inside = np.flatnonzero((xyxy[:, 2:] > xyxy[:, :2]).all(axis=1))[: options.max_detections]
    points = merged[inside, 4:].reshape(-1, len(KEYPOINT_NAMES), 2)
    keypoints = np.ones((*points.shape[:2], 3), np.float32)
    with np.errstate(over="ignore"):  # the check tells in better words
        keypoints[..., :2] = square.points_to_source(points)
    check_finite(keypoints, boxes_name, "keypoints")
    count = len(inside)
    return Detections(
        xyxy[inside],
        confidence[inside],
        np.zeros(count, np.int64),
        (label,) * count,
        square.source,
        keypoints=keypoints,
        keypoint_names=KEYPOINT_NAMES,
    )


def _weighted(
    places: NDArray[np.float64], scores: NDArray[np.float32], iou: float
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The faces, and the score of the best box of each. Boxes come and go best first."""
    merged: list[NDArray[np.float64]] = []
    confidence: list[np.float32] = []
    while len(scores):
        # The best box belongs to its face also at an IoU of 1.
        same = np.append(True, _overlaps(places[0, :4], places[1:, :4]) > iou)
        weights = scores[same] / scores[same].sum()
        merged.append(weights @ places[same])
        confidence.append(scores[0])
        places, scores = places[~same], scores[~same]
    return np.array(merged).reshape(-1, NUMBERS), np.array(confidence, np.float32)


def _overlaps(best: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of a box with each of the others, all of which have an area."""
    sides = boxes[:, 2:] - boxes[:, :2]
    shared = np.minimum(boxes[:, 2:], best[2:]) - np.maximum(boxes[:, :2], best[:2])
    both = np.maximum(shared, 0).prod(axis=1)
    return np.asarray(both / (sides.prod(axis=1) + (best[2:] - best[:2]).prod() - both))
