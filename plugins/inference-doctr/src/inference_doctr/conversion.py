"""What onnxtr read, as a `Document`: places in pixels, words without text left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from inference_core.results import Block, Line, Page, Word


def to_page(found: Any, confidence: float, number: int | None) -> Page:
    """One page of onnxtr's document.

    Args:
        found: an `onnxtr.io.Page`, whose places are fractions of its width and height.
        confidence: words read with less are left out.
        number: which page of its file it is, see `Page`.
    """
    height, width = found.dimensions
    size = np.array([width, height], np.float64)
    blocks = []
    for block in found.blocks:
        lines = [[_word(word, size) for word in line.words if word.value] for line in block.lines]
        sure = [tuple(each for each in line if each.confidence >= confidence) for line in lines]
        if kept := tuple(Line(words) for words in sure if words):
            blocks.append(Block(kept))
    angle = found.orientation["value"]
    orientation = None if angle is None else float(angle)
    return Page(tuple(blocks), (width, height), orientation, number)


def _word(found: Any, size: Any) -> Word:
    points = np.array(found.geometry, np.float64).reshape(-1, 2)
    if len(points) == 2:  # the upper left and the lower right corner
        (left, top), (right, bottom) = points
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return Word(
        found.value,
        _unit(found.confidence),
        (points * size).astype(np.float32),
        _unit(found.objectness_score),
    )


def _unit(value: float) -> float:
    """Rounding takes a softmax a little beyond 1."""
    return float(min(max(value, 0.0), 1.0))
