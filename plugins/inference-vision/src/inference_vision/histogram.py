"""Draws histograms below each other, on one axis, to compare how long several things take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from inference_core.errors import InvalidArgument
from numpy.typing import NDArray

WIDTH, ROW, MARGIN, HEAD = 900, 150, 50, 50
BINS = 80
FONT = cv2.FONT_HERSHEY_SIMPLEX
# Blue first; those of Okabe and Ito, which the colour-blind tell apart.
_COLOURS = (
    (178, 114, 0),
    (0, 159, 230),
    (115, 158, 0),
    (167, 121, 204),
    (0, 94, 213),
    (233, 180, 86),
)
_INK, _PALE = (30, 30, 30), (200, 200, 200)
_MARKS = {"p50": 50, "p90": 90, "p99": 99}


def draw_histograms(series: Mapping[str, Sequence[float]], title: str) -> NDArray[np.uint8]:
    """A picture with one histogram per series, its percentiles marked, on a common axis.

    The axis ends a little above the highest 99th percentile; what lies beyond is counted in the last
    bin, so that a single slow run doesn't press all others together.

    Args:
        series: finite numbers by name, at least one each.
        title: the line above them; it names the unit.

    Returns:
        uint8 (height, 900, 3), blue first.

    Raises:
        InvalidArgument: there is nothing to draw, or a number isn't finite.
    """
    arrays = {name: np.asarray(values, np.float64) for name, values in series.items()}
    if not arrays or any(not a.size or not np.isfinite(a).all() for a in arrays.values()):
        raise InvalidArgument("a histogram needs at least one series of finite numbers")
    low = min(float(array.min()) for array in arrays.values())
    high = max(float(np.percentile(array, 99)) for array in arrays.values())
    low, high = low - 0.03 * (high - low), high + 0.05 * (high - low)
    if high <= low:  # all are the same
        low, high = low - 0.5, high + 0.5
    picture = np.full((HEAD + ROW * len(arrays) + MARGIN, WIDTH, 3), 255, np.uint8)
    _write(picture, title, (MARGIN, 30), 0.6)
    for row, (name, array) in enumerate(arrays.items()):
        _draw_row(picture, HEAD + row * ROW, name, array, (low, high), _COLOURS[row % 6])
    for value in _ticks(low, high):
        x = _x(value, (low, high))
        base = picture.shape[0] - MARGIN
        cv2.line(picture, (x, base), (x, base + 5), _INK)
        _write(picture, f"{value:.4g}", (x - 15, base + 22), 0.4)
    return picture


def _draw_row(
    picture: NDArray[np.uint8],
    top: int,
    name: str,
    values: NDArray[np.float64],
    limits: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    base = top + ROW - 10
    counts, edges = np.histogram(np.clip(values, *limits), BINS, limits)
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            height = max(1, round(int(count) / int(counts.max()) * (ROW - 50)))
            corner = max(_x(right, limits) - 1, _x(left, limits))
            cv2.rectangle(picture, (_x(left, limits), base - height), (corner, base), colour, -1)
    cv2.line(picture, (MARGIN, base), (WIDTH - MARGIN, base), _INK)
    said = [f"{name} ({len(values)} runs):"]
    for mark, percent in _MARKS.items():
        value = float(np.percentile(values, percent))
        x = _x(min(value, limits[1]), limits)
        cv2.line(picture, (x, top + 25), (x, base), _INK if mark == "p50" else _PALE)
        said.append(f"{mark} {value:.4g}")
    _write(picture, "  ".join(said), (MARGIN, top + 15), 0.45)


def _ticks(low: float, high: float) -> NDArray[np.float64]:
    """Three to eight round numbers between the two: multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10((high - low) / 3))
    step = power * max(factor for factor in (1, 2, 5) if factor * power <= (high - low) / 3)
    return np.asarray(np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step)


def _x(value: float, limits: tuple[float, float]) -> int:
    low, high = limits
    return MARGIN + round((value - low) / (high - low) * (WIDTH - 2 * MARGIN))


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int], size: float) -> None:
    # The font has no other letters than these.
    known = text.encode("ascii", "replace").decode()
    cv2.putText(picture, known, at, FONT, size, _INK, 1, cv2.LINE_AA)
