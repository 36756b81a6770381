"""Drawing detections: masks, boxes (oriented ones as they lie), keypoints and their skeleton."""

from __future__ import annotations

import cv2
from inference_core.results import Detection, Detections
from inference_core.results.masks import mask_part

from inference_vision.drawing_tools import Colour, Pen, colour_of, draw_label, tint, whole
from inference_vision.image import Pixels

MASK_OPACITY = 0.4
LEAST_VISIBILITY = 0.3
"""Keypoints whose third value is below this aren't drawn."""

SKELETON = (
    ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "right_eye"),
    ("left_eye", "left_ear"), ("right_eye", "right_ear"),
    ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"),
    ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_elbow"),
    ("right_shoulder", "right_elbow"), ("left_elbow", "left_wrist"),
    ("right_elbow", "right_wrist"), ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"), ("left_hip", "right_hip"), ("left_hip", "left_knee"),
    ("right_hip", "right_knee"), ("left_knee", "left_ankle"), ("right_knee", "right_ankle"),
)  # fmt: skip
"""The bones between the points of a person, as COCO's annotations list them; drawn where both ends
have these names."""


MANY_POINTS = 100
"""More points than these, as those of a mesh, are drawn small, to leave the object to be seen."""


def draw_detections(picture: Pixels, result: Detections) -> None:
    """Draw onto the picture, blue first; the most confident last, over the others."""
    pen = Pen.of(picture)
    for found in result:
        if found.mask is not None:
            tint(picture, mask_part(found.mask), colour_of(found.class_id), MASK_OPACITY)
    places = {name: index for index, name in enumerate(result.keypoint_names)}
    bones = [
        (places[one], places[other]) for one, other in SKELETON if one in places and other in places
    ]
    for found in reversed(list(result)):
        colour = colour_of(found.class_id)
        at = _draw_box(picture, found, colour, pen)
        if found.keypoints is not None:
            _draw_keypoints(picture, found, bones, colour, pen)
        draw_label(picture, f"{found.label} {found.confidence:.2f}", at, colour, pen)


def _draw_box(picture: Pixels, found: Detection, colour: Colour, pen: Pen) -> tuple[int, int]:
    """The box, and where its label goes."""
    if found.corners is not None:
        corners = whole(found.corners)
        cv2.polylines(picture, [corners], True, colour, pen.line, cv2.LINE_AA)
        x, y = min(corners.tolist(), key=lambda corner: corner[1])
        return x, y
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (round(edge) for edge in found.xyxy)
    # xyxy are edges between pixels; the last pixel inside is one before the right edge.
    corner = min(max(x2 - 1, x1), width - 1), min(max(y2 - 1, y1), height - 1)
    cv2.rectangle(picture, (x1, y1), corner, colour, pen.line)
    return x1, y1


def _draw_keypoints(
    picture: Pixels, found: Detection, bones: list[tuple[int, int]], colour: Colour, pen: Pen
) -> None:
    assert found.keypoints is not None
    seen = found.keypoints[:, 2] >= LEAST_VISIBILITY
    points = whole(found.keypoints[:, :2]).tolist()
    for one, other in bones:
        if seen[one] and seen[other]:
            cv2.line(picture, points[one], points[other], colour, pen.line, cv2.LINE_AA)
    radius = 2 * pen.line if len(points) <= MANY_POINTS else pen.line // 2
    for point, visible in zip(points, seen, strict=True):
        if visible:
            cv2.circle(picture, point, radius, colour, -1, cv2.LINE_AA)
