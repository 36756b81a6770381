"""Drawing results onto pictures: boxes, masks, keypoints and class lines, each with its label.

Line width and text grow with the picture, every class has a colour of its own, and text is black or
white, whichever reads better. The picture that is given stays as it is.
"""

from __future__ import annotations

import colorsys
from typing import Any, NamedTuple

import cv2
import numpy as np
from inference_core.errors import InvalidArgument, InvalidInput
from inference_core.results import Classification, Detection, Detections

from inference_vision.image import Pixels, read_image

FONT = cv2.FONT_HERSHEY_SIMPLEX
MASK_OPACITY = 0.4
LEAST_VISIBILITY = 0.3
"""Keypoints whose third value is below this aren't drawn."""

Colour = tuple[int, int, int]


class Pen(NamedTuple):
    """What fits the size of a picture: line width in pixels, font scale and width of letters."""

    line: int
    font: float
    letters: int

    @classmethod
    def of(cls, picture: Pixels) -> Pen:
        """The pen for a picture: about 0.3 % of its mean side, letters at least 10 pixels high."""
        side = sum(picture.shape[:2]) / 2
        line = max(1, round(side * 0.003))
        return cls(line, max(0.4, side * 0.0009), max(1, round(line * 0.6)))


def annotate(image: Any, result: Any, *, color_format: str = "bgr") -> Pixels:
    """A copy of a picture with a result drawn on it.

    Args:
        image: the picture that the result came from, in any form that `read_image` takes.
        result: `Detections` or `Classification`.
        color_format: "bgr" or "rgb", the channel order of `image` if it is an array.

    Returns:
        uint8 (height, width, 3), blue first.

    Raises:
        InvalidInput: the picture can't be read, or has another size than the result's.
        InvalidArgument: a result of another type, or one of no picture.
    """
    if not isinstance(result, (Detections, Classification)):
        raise InvalidArgument(
            f"can draw Detections and Classification, not {type(result).__name__}"
        )
    if result.image_size is None:
        raise InvalidArgument("this result belongs to no picture, so it can't be drawn on one")
    source = read_image(image, color_format)
    if source.size != tuple(result.image_size):
        raise InvalidInput(
            f"{source.source} has {source.size[0]} x {source.size[1]} pixels; the result belongs to "
            f"a picture of {result.image_size[0]} x {result.image_size[1]}"
        )
    picture = (
        source.pixels.copy() if source.color_format == "bgr" else source.pixels[..., ::-1].copy()
    )
    pen = Pen.of(picture)
    if isinstance(result, Classification):
        _draw_lines(picture, result, pen)
        return picture
    for detection in result:
        if detection.mask is not None:
            _draw_mask(picture, detection)
    # The most confident last, over the others.
    for detection in reversed(list(result)):
        _draw_detection(picture, detection, pen)
    return picture


def colour_of(class_id: int) -> Colour:
    """The colour of a class, blue first: hues a golden angle apart, so that neighbours differ."""
    hue = (class_id * 0.618034 + 0.02) % 1
    # Each turn through the hues gets another brightness.
    value = (1.0, 0.8, 0.6)[class_id // 13 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def _draw_detection(picture: Pixels, detection: Detection, pen: Pen) -> None:
    colour = colour_of(detection.class_id)
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (round(edge) for edge in detection.xyxy)
    # xyxy are edges between pixels; the last pixel inside is one before the right edge.
    corner = min(max(x2 - 1, x1), width - 1), min(max(y2 - 1, y1), height - 1)
    cv2.rectangle(picture, (x1, y1), corner, colour, pen.line)
    if detection.keypoints is not None:
        for x, y, visibility in detection.keypoints.tolist():
            if visibility >= LEAST_VISIBILITY:
                cv2.circle(picture, (round(x), round(y)), 2 * pen.line, colour, -1, cv2.LINE_AA)
    _draw_label(picture, f"{detection.label} {detection.confidence:.2f}", (x1, y1), colour, pen)


def _draw_mask(picture: Pixels, detection: Detection) -> None:
    inside = picture[detection.mask]
    blend = inside * (1 - MASK_OPACITY) + np.multiply(colour_of(detection.class_id), MASK_OPACITY)
    picture[detection.mask] = blend.astype(np.uint8)


def _draw_lines(picture: Pixels, result: Classification, pen: Pen) -> None:
    top = 0
    for score in result:
        colour = colour_of(score.class_id)
        top = _draw_label(
            picture, f"{score.label} {score.confidence:.2f}", (0, top), colour, pen, below=True
        )


def _draw_label(
    picture: Pixels, text: str, at: tuple[int, int], colour: Colour, pen: Pen, below: bool = False
) -> int:
    """Text on a filled rectangle above `at` (or below it), moved inside the picture.

    Left out where the picture is too small to show it.

    Returns:
        The lower edge of the rectangle; `at[1]` where there is none.
    """
    height, width = picture.shape[:2]
    (text_width, ascent), descent = cv2.getTextSize(text, FONT, pen.font, pen.letters)
    margin = pen.line + 1
    box_width, box_height = text_width + 2 * margin, ascent + descent + margin
    if box_width > width or box_height > height:
        return at[1]
    x = min(max(at[0], 0), width - box_width)
    y = min(max(at[1] if below else at[1] - box_height, 0), height - box_height)
    cv2.rectangle(picture, (x, y), (x + box_width - 1, y + box_height - 1), colour, cv2.FILLED)
    origin = x + margin, y + ascent + margin // 2
    cv2.putText(picture, text, origin, FONT, pen.font, _ink(colour), pen.letters, cv2.LINE_AA)
    return int(y + box_height)


def _ink(colour: Colour) -> Colour:
    """Black or white, whichever stands out on `colour` (luma weights of ITU-R BT.601)."""
    blue, green, red = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
