"""Running a part of a model on as many rows as there are, whatever batch its graph takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from inference_core.processor import Graph
from numpy.typing import NDArray

Run = Callable[[Mapping[str, Any]], Mapping[str, Any]]

MOST = 64
"""Rows at once where the graph takes any number: more would only take more memory."""


def run_rows(
    run: Run, graph: Graph, feeds: Mapping[str, NDArray[Any]], output: str
) -> NDArray[Any]:
    """One output for all rows of `feeds`, which must be at least one.

    Args:
        run: runs the part.
        graph: of the part; a batch that an input of it fixes is filled up with copies of the last row.
        feeds: arrays by input name, all with the same number of rows.
        output: name of the output; its first axis is the batch.
    """
    fixed = next((spec.shape[0] for spec in graph.inputs if spec.shape and spec.shape[0]), None)
    count, size = len(next(iter(feeds.values()))), fixed or MOST
    pieces = []
    for start in range(0, count, size):
        piece = {name: array[start : start + size] for name, array in feeds.items()}
        rows = min(size, count - start)
        if fixed and rows < fixed:
            piece = {
                name: np.concatenate([array, np.repeat(array[-1:], fixed - rows, axis=0)])
                for name, array in piece.items()
            }
        pieces.append(run(piece)[output][:rows])
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
