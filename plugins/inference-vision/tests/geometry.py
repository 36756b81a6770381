"""Where a picture lies in a model's input, as the documentation of each way to fit it says.

A statement of its own, for tests: nothing of it comes from the library.
"""

from __future__ import annotations

import numpy as np


def placed(source, canvas, fit):
    """(scale, offset), each (x, y): a point p of the picture is at p * scale + offset.

    Args:
        source: (width, height) of the picture.
        canvas: (width, height) of the input.
        fit: "letterbox" as Ultralytics documents it, "fit" or "stretch".
    """
    source, canvas = np.array(source), np.array(canvas)
    if fit == "stretch":
        return canvas / source, np.zeros(2)
    ratio = (canvas / source).min()
    inner = np.maximum(1, np.round(source * ratio))
    offset = np.round((canvas - inner) / 2 - 0.1) if fit == "letterbox" else np.zeros(2)
    return inner / source, offset


def to_source(points, source, canvas, fit):
    """Points (…, 2) of the input as points of the picture."""
    scale, offset = placed(source, canvas, fit)
    return (points - offset) / scale


def to_input(points, source, canvas, fit):
    """Points (…, 2) of the picture as points of the input."""
    scale, offset = placed(source, canvas, fit)
    return points * scale + offset
