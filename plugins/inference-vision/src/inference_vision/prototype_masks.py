"""Masks of objects from prototypes and coefficients, as YOLO's segmentation models give them.

The mask of an object is where the sum of the prototypes, weighted by its coefficients, is above 0,
within its box. Each is summed and enlarged only where its box lies, straight to source pixels: a
pixel gets the value at its centre, bilinear between the centres of the prototypes' cells. Both axes
are interpolated one after the other, which for pieces of this size beats OpenCV's warp, and doesn't
round places to 1/32 of a cell as that did before version 5.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from inference_core.results.masks import Bitmap, MaskFormat, Masks, Polygons, RunLengths
from numpy.typing import NDArray

from inference_vision.finite import check_finite
from inference_vision.letterbox import Placement

STRIP = 65_536
"""Pixels that are interpolated at once, so that they stay in a core's cache."""


class _Line(NamedTuple):
    """Where pixels of one axis lie among the cells: between the cells `low` and `high`, at
    `fraction` of the way from the one to the other. An entry per pixel."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    fraction: NDArray[np.float32]

    def part(self, start: int, stop: int) -> _Line:
        return _Line(self.low[start:stop], self.high[start:stop], self.fraction[start:stop])


def prototype_masks(
    coefficients: NDArray[np.float32],
    prototypes: NDArray[Any],
    xyxy: NDArray[np.float32],
    placement: Placement,
    canvas: tuple[int, int],
    mask_format: MaskFormat,
    output: str,
) -> Masks:
    """The masks of N objects.

    Args:
        coefficients: (N, M).
        prototypes: (M, rows, columns), over the whole input.
        xyxy: (N, 4), boxes in pixels of the picture, inside of it.
        placement: of the picture in the input.
        canvas: (width, height) of the input.
        mask_format: "bitmap", "rle" or "polygons".
        output: name of the output with the prototypes, for the message.

    Raises:
        InvalidModel: a mask's prototypes, or their sums, aren't finite.
    """
    width, height = placement.source
    channels, rows, columns = prototypes.shape
    flat = prototypes.reshape(channels, -1).astype(np.float32, copy=False)
    x, y = _line(0, placement, canvas, columns), _line(1, placement, canvas, rows)
    bitmaps = np.zeros((len(xyxy) if mask_format == "bitmap" else 0, height, width), bool)
    others: list[Any] = []
    kind = RunLengths if mask_format == "rle" else Polygons
    for index, (weights, box) in enumerate(zip(coefficients, xyxy.tolist(), strict=True)):
        # Pixels whose centres are inside.
        left, top, right, bottom = (math.ceil(edge - 0.5) for edge in box)
        part: Bitmap
        if mask_format == "bitmap":
            part = bitmaps[index, top:bottom, left:right]
        else:
            part = np.empty((bottom - top, right - left), bool)
        if part.size:
            across, down = x.part(left, right), y.part(top, bottom)
            # Whole rows of cells: to sum some more is faster than to cut the others out.
            first, last = int(down.low[0]), int(down.high[-1]) + 1
            with np.errstate(over="ignore", invalid="ignore"):  # the check tells in better words
                values = weights @ flat[:, first * columns : last * columns]
            check_finite(values, output, "prototypes of masks")
            down = down._replace(low=down.low - first, high=down.high - first)
            _enlarge(values.reshape(-1, columns), across, down, part)
        if mask_format != "bitmap":
            others.append(kind.of(part, (left, top), (height, width)))
    return bitmaps if mask_format == "bitmap" else tuple(others)


def _line(axis: int, placement: Placement, canvas: tuple[int, int], cells: int) -> _Line:
    """Of all pixels of the picture on one axis, which has so many cells over the whole input."""
    begin, end = placement.area[axis], placement.area[axis + 2]
    centres = np.arange(placement.source[axis]) + (0.5 - begin)
    inside = centres * (placement.inner[axis] / (end - begin)) + placement.offset[axis]
    places = np.clip(inside * (cells / canvas[axis]) - 0.5, 0, cells - 1)
    low = places.astype(np.intp)
    return _Line(low, np.minimum(low + 1, cells - 1), (places - low).astype(np.float32))


def _enlarge(values: NDArray[np.float32], x: _Line, y: _Line, out: Bitmap) -> None:
    """Set `out` where the interpolated values are above 0."""
    wide = _between(values, x.low, x.high, x.fraction, axis=1)
    rows = max(1, STRIP // wide.shape[1])
    for top in range(0, len(out), rows):
        low, high, fraction = y.part(top, top + rows)
        enlarged = _between(wide, low, high, fraction[:, None], axis=0)
        np.greater(enlarged, 0, out=out[top : top + rows])


def _between(
    values: NDArray[np.float32],
    low: NDArray[np.intp],
    high: NDArray[np.intp],
    fraction: NDArray[np.float32],
    axis: int,
) -> NDArray[np.float32]:
    lower, step = values.take(low, axis), values.take(high, axis)
    step -= lower
    step *= fraction
    lower += step
    return lower
