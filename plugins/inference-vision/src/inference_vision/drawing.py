"""Drawing results onto pictures: which function draws which result, and the checks before.

The picture that is given stays as it is. What is drawn is in the modules `drawing_…`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inference_core.errors import InvalidArgument, InvalidInput
from inference_core.results import Classification, Depth, Detections, Page, Segmentation

from inference_vision.drawing_dense import draw_depth, draw_segmentation
from inference_vision.drawing_detections import draw_detections
from inference_vision.drawing_page import draw_page
from inference_vision.drawing_tools import Pen, colour_of, draw_label
from inference_vision.image import Pixels, read_image

__all__ = ["annotate", "colour_of"]


def annotate(image: Any, result: Any, *, color_format: str = "bgr") -> Pixels:
    """A copy of a picture with a result drawn on it.

    Args:
        image: the picture that the result came from, in any form that `read_image` takes.
        result: one of the types in `DRAWERS`.
        color_format: "bgr" or "rgb", the channel order of `image` if it is an array.

    Returns:
        uint8 (height, width, 3), blue first.

    Raises:
        InvalidInput: the picture can't be read, or has another size than the result's.
        InvalidArgument: a result of another type, or one of no picture.
    """
    draw = DRAWERS.get(type(result))
    if draw is None:
        known = ", ".join(kind.__name__ for kind in DRAWERS)
        raise InvalidArgument(f"can draw {known}, not {type(result).__name__}")
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
    draw(picture, result)
    return picture


def _draw_classes(picture: Pixels, result: Classification) -> None:
    pen, top = Pen.of(picture), 0
    for score in result:
        text = f"{score.label} {score.confidence:.2f}"
        top = draw_label(picture, text, (0, top), colour_of(score.class_id), pen, below=True)


DRAWERS: dict[type, Callable[[Pixels, Any], None]] = {
    Classification: _draw_classes,
    Depth: draw_depth,
    Detections: draw_detections,
    Page: draw_page,
    Segmentation: draw_segmentation,
}
"""What draws a result onto uint8 (height, width, 3), blue first, by the result's type."""
