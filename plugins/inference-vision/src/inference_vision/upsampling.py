"""Bringing what a graph says per cell of a grid back to the pixels of the source picture.

The grid covers the whole input of the graph, padding included. A pixel of the picture gets the value
at its centre, bilinear between the centres of the cells and constant beyond the outermost, as
torch's `interpolate(mode="bilinear", align_corners=False)` computes it.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from inference_core.results.masks import MaskFormat, Masks, Polygons, RunLengths
from numpy.typing import NDArray

from inference_vision.letterbox import Placement

TILE = 16384
"""Pixels; OpenCV warps to at most 32767 on a side."""


def to_source(
    grid: NDArray[Any], placement: Placement, canvas: tuple[int, int]
) -> NDArray[np.float32]:
    """float32 (height, width) of the source picture.

    Args:
        grid: (rows, columns) of numbers.
        placement: of the picture in the input.
        canvas: (width, height) of the input.
    """
    values = np.ascontiguousarray(grid, np.float32)
    width, height = placement.source
    if placement.inner == canvas and placement.offset == (0, 0) and placement.region is None:
        if values.shape == (height, width):
            return values
        return np.asarray(cv2.resize(values, (width, height)), np.float32)
    factors, shifts = _affine(values.shape, placement, canvas)
    result = np.empty((height, width), np.float32)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            tile = result[top : top + TILE, left : left + TILE]
            matrix = np.array(
                [
                    [factors[0], 0, shifts[0] + left * factors[0]],
                    [0, factors[1], shifts[1] + top * factors[1]],
                ]
            )
            tile[...] = cv2.warpAffine(
                values,
                matrix,
                (tile.shape[1], tile.shape[0]),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
    return result


def nearest_to_source(
    grid: NDArray[Any], placement: Placement, canvas: tuple[int, int]
) -> NDArray[Any]:
    """(height, width) of the source picture, each pixel with the value of the cell its centre is in.

    Args:
        grid: (rows, columns) of any dtype, which the result has, too.
        placement: of the picture in the input.
        canvas: (width, height) of the input.
    """
    factors, shifts = _affine(grid.shape, placement, canvas)
    columns, rows = (
        np.clip(np.rint(np.arange(side) * factor + shift), 0, cells - 1).astype(np.intp)
        for side, factor, shift, cells in zip(
            placement.source, factors, shifts, grid.shape[::-1], strict=True
        )
    )
    return np.asarray(grid[rows][:, columns])


def _affine(
    shape: tuple[int, ...], placement: Placement, canvas: tuple[int, int]
) -> tuple[list[float], list[float]]:
    """Factor and addend, for x and for y, from the index of a pixel to the index of a cell."""
    factors, shifts = [], []
    for axis in range(2):
        start, end = placement.area[axis], placement.area[axis + 2]
        cells = shape[1 - axis] / canvas[axis]
        factor = placement.inner[axis] / (end - start) * cells
        factors.append(factor)
        shifts.append((0.5 - start) * factor + placement.offset[axis] * cells - 0.5)
    return factors, shifts


def masks_to_source(
    logits: NDArray[Any],
    placement: Placement,
    canvas: tuple[int, int],
    mask_format: MaskFormat,
) -> Masks:
    """Masks of the source picture: where the logits, brought back to it, are above 0.

    Args:
        logits: (N, rows, columns).
        placement: of the picture in the input.
        canvas: (width, height) of the input.
        mask_format: of the result; bitmaps are made one at a time for the others.
    """
    width, height = placement.source
    if mask_format == "bitmap":
        bitmaps = np.empty((len(logits), height, width), bool)
        for grid, bitmap in zip(logits, bitmaps, strict=True):
            np.greater(to_source(grid, placement, canvas), 0, out=bitmap)
        return bitmaps
    kind: Any = RunLengths if mask_format == "rle" else Polygons
    masks: Any = tuple(kind.of(to_source(grid, placement, canvas) > 0) for grid in logits)
    return masks  # type: ignore[no-any-return]
