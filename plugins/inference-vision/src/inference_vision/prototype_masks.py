"""Masks of objects from prototypes and coefficients, as YOLO's segmentation models give them.

The mask of an object is where the sum of the prototypes, weighted by its coefficients, is above 0,
within its box. Each is summed and enlarged only where its box lies, straight to source pixels: a
pixel gets the value at its centre, bilinear between the centres of the prototypes' cells. (OpenCV
before version 5 rounds that place to 1/32 of a cell.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from inference_core.results.masks import Bitmap, MaskFormat, Masks, Polygons, RunLengths
from numpy.typing import NDArray

from inference_vision.letterbox import Placement

TILE = 16384
"""Pixels that are warped at once: OpenCV takes at most 32767 on a side."""


class Summed(NamedTuple):
    """Masks, and one number per mask which is NaN or infinite where its sums are."""

    masks: Masks
    sums: NDArray[np.float64]


class _Axis(NamedTuple):
    """One axis of a mask: the pixels `start` to `stop` of the picture, from the cells `first` to
    `last`. Pixel i lies at i * factor + shift, in cells from the centre of the first."""

    start: int
    stop: int
    first: int
    last: int
    factor: float
    shift: float


def prototype_masks(
    coefficients: NDArray[np.float32],
    prototypes: NDArray[Any],
    xyxy: NDArray[np.float32],
    placement: Placement,
    canvas: tuple[int, int],
    mask_format: MaskFormat,
) -> Summed:
    """The masks of N objects.

    Args:
        coefficients: (N, M).
        prototypes: (M, rows, columns), over the whole input.
        xyxy: (N, 4), boxes in pixels of the picture, inside of it.
        placement: of the picture in the input.
        canvas: (width, height) of the input.
        mask_format: "bitmap", "rle" or "polygons".
    """
    width, height = placement.source
    sums = np.zeros(len(coefficients))
    bitmaps = np.zeros((len(xyxy) if mask_format == "bitmap" else 0, height, width), bool)
    others: list[Any] = []
    kind = RunLengths if mask_format == "rle" else Polygons
    for index, (weights, box) in enumerate(zip(coefficients, xyxy.tolist(), strict=True)):
        x, y = (
            _axis(axis, box[axis::2], placement, canvas[axis], prototypes.shape[2 - axis])
            for axis in range(2)
        )
        cells = prototypes[:, y.first : y.last, x.first : x.last].reshape(len(weights), -1)
        values = (weights @ cells.astype(np.float32, copy=False)).reshape(y.last - y.first, -1)
        sums[index] = values.sum(dtype=np.float64)
        if mask_format == "bitmap":
            _enlarge(values, x, y, bitmaps[index, y.start : y.stop, x.start : x.stop])
            continue
        part: Bitmap = np.empty((y.stop - y.start, x.stop - x.start), bool)
        _enlarge(values, x, y, part)
        others.append(kind.of(part, (x.start, y.start), (height, width)))
    return Summed(bitmaps if mask_format == "bitmap" else tuple(others), sums)


def _axis(axis: int, edges: list[float], placement: Placement, side: int, cells: int) -> _Axis:
    """Where a box lies on one axis; `side` and `cells` are the input's and the prototypes' sizes."""
    start, stop = (int(np.ceil(edge - 0.5)) for edge in edges)  # pixels whose centres are inside
    begin, end = placement.area[axis], placement.area[axis + 2]
    scale = cells / side
    factor = placement.inner[axis] / (end - begin) * scale
    shift = (0.5 - begin) * factor + placement.offset[axis] * scale - 0.5
    first = int(np.clip(np.floor(start * factor + shift), 0, cells - 1))
    last = int(np.clip(np.floor((stop - 1) * factor + shift) + 2, first + 1, cells))
    return _Axis(start, stop, first, last, factor, shift - first)


def _enlarge(values: NDArray[np.float32], x: _Axis, y: _Axis, out: Bitmap) -> None:
    """Set `out` where the enlarged values are above 0."""
    for top in range(0, out.shape[0], TILE):
        for left in range(0, out.shape[1], TILE):
            tile = out[top : top + TILE, left : left + TILE]
            matrix = np.array(
                [
                    [x.factor, 0, (x.start + left) * x.factor + x.shift],
                    [0, y.factor, (y.start + top) * y.factor + y.shift],
                ]
            )
            enlarged = cv2.warpAffine(
                values,
                matrix,
                (tile.shape[1], tile.shape[0]),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            np.greater(enlarged, 0, out=tile)
