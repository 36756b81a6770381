"""Boxes that a graph gives by centre and size: where their edges are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def corners(cxcywh: NDArray[Any]) -> NDArray[np.float64]:
    """x1, y1, x2, y2 (N, 4) of boxes cx, cy, w, h (N, 4)."""
    # float64: corners of finite float32 boxes can't overflow it.
    xyxy = np.empty_like(cxcywh, np.float64)
    half = cxcywh[:, 2:].astype(np.float64)
    half *= 0.5
    np.subtract(cxcywh[:, :2], half, out=xyxy[:, :2])
    np.add(cxcywh[:, :2], half, out=xyxy[:, 2:])
    return xyxy
