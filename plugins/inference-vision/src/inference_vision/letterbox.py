"""Where a picture lies in a model's input, and how coordinates of the input come back from there.

Geometry only: `inference_vision.picture_input` draws what is computed here. The ways to fit a
picture of w x h into an input of W x H:

- letterbox: scale r = min(W/w, H/h), centred, the rest is padding. Rounding "nearest" is what
  Ultralytics models are trained and exported with: inner size (round(w r), round(h r)), left and
  top padding round(half - 0.1); rounding "down" cuts the fractions of all four.
- fit: as letterbox, but in the top left corner.
- stretch: the whole input, whatever that does to the aspect ratio.
- crop: scale max(W/w, H/h), the middle cut out, as classifiers are evaluated.
- unscaled: no resizing: the middle cut out, or centred on padding, for each axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference_vision.settings import Fit

Rounding = Literal["nearest", "down"]
Size = tuple[int, int]
Region = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in the input; all in pixels, x before y.

    Attributes:
        source: size of the picture.
        inner: size that its region was resized to, at least 1 x 1.
        offset: where the region's left top corner lies in the input; negative where it is cut off.
        region: (x1, y1, x2, y2), the part of the picture that was used; None for the whole.
    """

    source: Size
    inner: Size
    offset: tuple[int, int]
    region: Region | None = None

    @classmethod
    def of(
        cls,
        source: Size,
        canvas: Size,
        fit: Fit,
        rounding: Rounding = "nearest",
        region: Region | None = None,
    ) -> Placement:
        """The placement of (a region of) a picture of size `source` in an input of size `canvas`."""
        left, top, right, bottom = region or (0, 0, *source)
        x, y = _fitted((right - left, bottom - top), canvas, fit, rounding)
        used = (left + x.start, top + y.start, left + x.stop, top + y.stop)
        whole = used == (0, 0, *source)
        return cls(source, (x.inner, y.inner), (x.offset, y.offset), None if whole else used)

    @property
    def area(self) -> Region:
        """(x1, y1, x2, y2) in the picture of what was used of it."""
        return self.region or (0, 0, *self.source)

    def to_source(self, xyxy: NDArray[Any]) -> NDArray[np.float32]:
        """Boxes (N, 4) of the input as boxes of the picture, clipped to what was used of it."""
        return self.points_to_source(xyxy.reshape(-1, 2, 2), clip=True).reshape(-1, 4)

    def points_to_source(self, xy: NDArray[Any], clip: bool = False) -> NDArray[np.float32]:
        """Points (…, 2) of the input as points of the picture.

        Each axis has the scale that it was really resized by, which for thin pictures differs from
        r through the rounding of the inner size. Unless `clip`, a point may lie outside of the
        picture: the corner of an oriented box, or a keypoint that is out of sight.
        """
        x1, y1, x2, y2 = self.area
        used = (x2 - x1, y2 - y1)
        # float64: a finite float32 coordinate can't overflow it.
        points = xy.astype(np.float64)
        points -= self.offset
        points *= np.divide(used, self.inner)
        if clip:
            np.maximum(points, 0, out=points)
            np.minimum(points, used, out=points)
        points += (x1, y1)
        return points.astype(np.float32)


class _Axis(NamedTuple):
    """One axis of a placement: what is used of the source, its size in the input and its place."""

    start: int
    stop: int
    inner: int
    offset: int


def _fitted(source: Size, canvas: Size, fit: Fit, rounding: Rounding) -> tuple[_Axis, _Axis]:
    ratios = canvas[0] / source[0], canvas[1] / source[1]

    def fitted(side: int, whole: int) -> _Axis:
        if fit == "stretch":
            return _Axis(0, side, whole, 0)
        if fit == "unscaled":
            inner = min(side, whole)
            start = (side - inner) // 2
            return _Axis(start, start + inner, inner, (whole - inner) // 2)
        if fit == "crop":
            return _cropped(side, whole, max(ratios))
        return _letterboxed(side, whole, min(ratios), fit == "letterbox", rounding)

    return fitted(source[0], canvas[0]), fitted(source[1], canvas[1])


def _letterboxed(side: int, whole: int, ratio: float, centred: bool, rounding: Rounding) -> _Axis:
    if rounding == "nearest":
        inner = max(1, round(side * ratio))
        offset = round((whole - inner) / 2 - 0.1)
    else:
        # The product of the side that decides the ratio may be a hair below the whole.
        inner = max(1, math.floor(side * ratio + 1e-9))
        offset = (whole - inner) // 2
    return _Axis(0, side, inner, offset if centred else 0)


def _cropped(side: int, whole: int, ratio: float) -> _Axis:
    # A picture of 8000 x 1 would become enormous: what is far from the middle goes first, the same
    # at both ends. Four times what is needed leaves usual pictures as they are.
    cut = max(0, (side - 4 * math.ceil(whole / ratio)) // 2)
    inner = max(whole, int((side - 2 * cut) * ratio))
    return _Axis(cut, side - cut, inner, -round((inner - whole) / 2))
