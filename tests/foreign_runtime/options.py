"""What a caller may set when loading a model: core checks names and types by this class."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the onnx-reference backend.

    Attributes:
        verbose: how much the evaluator prints while it runs: 0 nothing, 1 each node, and more above.
    """

    verbose: int = 0
