"""What everything that is drawn shares: line widths, colours of classes, labels.

Line width and text grow with the picture, every class has a colour of its own, and text is black or
white, whichever reads better.
"""

from __future__ import annotations

import colorsys
from typing import Any, NamedTuple

import cv2
import numpy as np
from inference_core.results.masks import Part
from numpy.typing import NDArray

from inference_vision.image import Pixels

FONT = cv2.FONT_HERSHEY_SIMPLEX
FAR = 30_000
"""Pixels; OpenCV draws to coordinates of 16 bits. What is farther out is drawn as if it were here."""

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


def colour_of(class_id: int) -> Colour:
    """The colour of a class, blue first: hues a golden angle apart, so that neighbours differ."""
    hue = (class_id * 0.618034 + 0.02) % 1
    # Each turn through the hues gets another brightness.
    value = (1.0, 0.8, 0.6)[class_id // 13 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def tint(picture: Pixels, part: Part, colour: Colour, opacity: float) -> None:
    """Mix a colour into the pixels that are true in a part of the picture."""
    where, (x, y) = part
    if not where.size:  # OpenCV takes no empty arrays
        return
    inside = picture[y : y + where.shape[0], x : x + where.shape[1]]
    levels = np.arange(256)[:, None] * (1 - opacity) + np.multiply(colour, opacity)
    mixed = cv2.LUT(inside, levels.astype(np.uint8)[None])
    cv2.copyTo(mixed, np.ascontiguousarray(where).view(np.uint8), inside)


def whole(points: NDArray[Any]) -> NDArray[np.int32]:
    """Points as whole numbers of pixels that OpenCV can draw to."""
    return np.asarray(np.clip(points, -FAR, FAR).round().astype(np.int32))


def draw_label(
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
