"""Contrast adjustments that a model was trained with, which its pictures then need as well.

They are those of Roboflow's dataset versions, which are scikit-image's: `exposure.rescale_intensity`
between the 2nd and 98th percentile, `equalize_hist`, and `equalize_adapthist` with a clip limit of
0.03. The first two depend on a pixel's value only, so they are one lookup table each, of the same
numbers. The third is OpenCV's CLAHE with the same tiles and clip limit, which differs in how it shares
out what it clips: by 1 to 2 of 255 on average, and up to 20, on pictures of 640 x 480. All work on
the picture before it is resized.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference_vision.image import Pixels

_LEVELS = np.arange(256)
_TILES = (8, 8)
_CLIP_LIMIT = 0.03 * 256  # scikit-image's 0.03 of a tile's pixels, in OpenCV's unit: of their mean
_SMALLEST = 16  # on a side, in pixels; below, tiles of an eighth mean nothing


def stretching(pixels: Pixels) -> Pixels:
    """What lies between the 2nd and 98th percentile, over all channels, stretched to 0..255."""
    low, high = _percentiles(_counts(pixels), (0.02, 0.98))
    if high <= low:  # nearly all of one value
        return pixels
    return _looked_up(pixels, (np.clip(_LEVELS, low, high) - low) / (high - low) * 255)


def histogram_equalisation(pixels: Pixels) -> Pixels:
    """Each value by the share of values that aren't larger, over all channels."""
    counts = _counts(pixels)
    used = np.flatnonzero(counts)
    # In single precision, which decides where values at the edge of a bin are counted.
    levels = np.arange(256, dtype=np.float32) / 255
    histogram, edges = np.histogram(levels[used], 256, weights=counts[used])
    shares = histogram.cumsum() / counts.sum()
    equalised = np.interp(levels, (edges[:-1] + edges[1:]) / 2, shares).astype(np.float32)
    return _looked_up(pixels, equalised * 255)


def adaptive_equalisation(pixels: Pixels) -> Pixels:
    """Contrast-limited adaptive histogram equalisation of the brightness; hue and saturation stay.

    The brightness is the V of HSV, the largest channel: scaling a pixel by a factor changes V by
    that factor and nothing else.
    """
    value = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    if min(value.shape) < _SMALLEST or value.min() == value.max():
        return pixels
    equalised = _full_range(cv2.createCLAHE(_CLIP_LIMIT, _TILES).apply(_full_range(value)))
    if pixels.ndim == 2:
        return equalised
    factor = equalised / np.maximum(value, np.uint8(1)).astype(np.float32)
    return np.asarray(pixels * factor[..., None], np.uint8)


def _counts(pixels: Pixels) -> NDArray[np.int64]:
    """How often each value occurs, in all channels together; a grey picture has three equal ones,
    which matters to percentiles between two values."""
    channels = range(pixels.shape[2]) if pixels.ndim == 3 else (0, 0, 0)
    each = [cv2.calcHist([pixels], [c], None, [256], [0, 256]) for c in channels]
    return np.sum(each, axis=0, dtype=np.float64).astype(np.int64).reshape(256)


def _percentiles(counts: NDArray[np.int64], shares: tuple[float, ...]) -> NDArray[np.float64]:
    """numpy.percentile, linear between neighbours, of values that are counted."""
    positions = np.multiply(shares, counts.sum() - 1)
    below, above = (
        np.searchsorted(counts.cumsum(), rounded(positions), side="right")
        for rounded in (np.floor, np.ceil)
    )
    return np.asarray(below + (above - below) * (positions % 1), np.float64)


def _full_range(value: Any) -> Pixels:
    return np.asarray(cv2.normalize(value, np.empty_like(value), 0, 255, cv2.NORM_MINMAX), np.uint8)


def _looked_up(pixels: Pixels, table: NDArray[np.floating[Any]]) -> Pixels:
    # Truncated, not rounded: that is how the pictures for training were made.
    return np.asarray(cv2.LUT(pixels, table.astype(np.uint8)), np.uint8)


ADJUSTMENTS: dict[str, Callable[[Pixels], Pixels]] = {
    "stretching": stretching,
    "histogram-equalisation": histogram_equalisation,
    "adaptive-equalisation": adaptive_equalisation,
}
