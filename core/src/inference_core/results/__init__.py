"""What `predict` returns: frozen dataclasses of numpy arrays, one file per kind of result.

These types need numpy, which is why `inference_core` imports this package only when one of them is
asked for; and each file only then, for a program seldom needs them all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_core.results.classification import Classification, ClassScore
    from inference_core.results.depth import Depth
    from inference_core.results.detections import Detection, Detections
    from inference_core.results.document import Block, Document, Line, Page, Word
    from inference_core.results.embedding import Embedding
    from inference_core.results.masks import Polygons, RunLengths
    from inference_core.results.segmentation import Segmentation

_HOME_OF = {
    "Block": "document",
    "ClassScore": "classification",
    "Classification": "classification",
    "Depth": "depth",
    "Detection": "detections",
    "Detections": "detections",
    "Document": "document",
    "Embedding": "embedding",
    "Line": "document",
    "Page": "document",
    "Polygons": "masks",
    "RunLengths": "masks",
    "Segmentation": "segmentation",
    "Word": "document",
}

__all__ = [
    "Block",
    "ClassScore",
    "Classification",
    "Depth",
    "Detection",
    "Detections",
    "Document",
    "Embedding",
    "Line",
    "Page",
    "Polygons",
    "RunLengths",
    "Segmentation",
    "Word",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
