"""Drawing what was read on a page: each word's outline, and around them those of the blocks."""

from __future__ import annotations

import cv2
from inference_core.results import Page

from inference_vision.drawing_tools import Pen, colour_of, whole
from inference_vision.image import Pixels

UNSURE, SURE = (0, 0, 255), (0, 160, 0)
"""The colours of words read with a confidence of 0 and of 1, blue first; others are between."""


def draw_page(picture: Pixels, result: Page) -> None:
    """Draw onto the picture, blue first. The text itself isn't written: it is there already."""
    pen = Pen.of(picture)
    for index, block in enumerate(result):
        cv2.polylines(
            picture, [whole(block.corners)], True, colour_of(index + 1), pen.line, cv2.LINE_AA
        )
        for line in block.lines:
            for word in line.words:
                colour = [
                    round(low + (high - low) * word.confidence)
                    for low, high in zip(UNSURE, SURE, strict=True)
                ]
                outline = [whole(word.corners)]
                cv2.polylines(picture, outline, True, colour, max(1, pen.line // 2), cv2.LINE_AA)
