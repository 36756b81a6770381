"""A picture in the middle of a square input, sampled exactly as MediaPipe samples it.

MediaPipe doesn't round the place of the picture to whole pixels, takes the pixel x of the input at x
times the scale (corner on corner, not centre on centre) and blends into black at the edges. Its small
graphs are sensitive to that: with the sampling of `inference_vision.picture_input` faces move by some
pixels. The source is MediaPipe's image_to_tensor_converter_opencv.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference_vision.image import Image
from inference_vision.planes import scratch, write_planes

WIDEST = 32_767
"""From so many pixels on OpenCV before version 5 can't warp a picture; it is shrunk before."""


@dataclass(frozen=True, slots=True)
class Square:
    """Where a picture lies in the input.

    Attributes:
        source: (width, height) of the picture in pixels.
        side: of the input in pixels.
    """

    source: tuple[int, int]
    side: int

    @property
    def scale(self) -> float:
        """Pixels of the picture per pixel of the input."""
        return max(self.source) / self.side

    @property
    def start(self) -> tuple[float, float]:
        """x and y in the picture of the input's left top corner; one is 0 and the other not above."""
        width, height = self.source
        return (width - max(self.source)) / 2, (height - max(self.source)) / 2

    def points_to_source(self, xy: NDArray[Any]) -> NDArray[np.float32]:
        """Points (…, 2) of the input as points of the picture, or outside of it."""
        return (xy.astype(np.float64) * self.scale + self.start).astype(np.float32)

    def to_source(self, xyxy: NDArray[Any]) -> NDArray[np.float32]:
        """Boxes (N, 4) of the input as boxes of the picture, clipped to it."""
        corners = xyxy.reshape(-1, 2, 2).astype(np.float64) * self.scale + self.start
        return np.clip(corners, 0, self.source).astype(np.float32).reshape(-1, 4)


def write_square(image: Image, planes: NDArray[Any]) -> Square:
    """Draw a picture into (3, side, side) of a tensor, red first, as numbers of -1 to 1."""
    square = Square(image.size, planes.shape[1])
    pixels = image.pixels
    if max(pixels.shape) >= WIDEST:
        factor = max(pixels.shape) // WIDEST + 1
        width, height = (max(1, side // factor) for side in image.size)
        shrunk = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        pixels = np.asarray(shrunk, np.uint8)
    # From pixels of the input to those of what is left of the picture.
    by = np.divide(pixels.shape[1::-1], image.size)
    matrix = np.column_stack([np.diag(by * square.scale), by * square.start])
    sampled = cv2.warpAffine(
        pixels,
        matrix,
        (square.side, square.side),
        scratch("square", (square.side, square.side, 3)),
        cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        cv2.BORDER_CONSTANT,
    )
    target = planes if image.color_format == "rgb" else planes[::-1]
    write_planes(np.asarray(sampled, np.uint8), target, (2 / 255,) * 3, (-1.0,) * 3)
    return square
