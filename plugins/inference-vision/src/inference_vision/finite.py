"""What processors check of a graph's numbers: that they are numbers at all, and scores are such.

A graph that overflows, mostly one in fp16, gives NaN or infinity. Dropping those silently would
look like a picture with nothing in it. And an export that lacks its last sigmoid gives logits, which
would look like very sure detections, and too few of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray

HIGHEST = 1.001
"""Score; a little above 1, for fp16 and quantised graphs round."""


def check_finite(values: NDArray[Any], output: str, what: str) -> None:
    """Raise unless all `values` are finite.

    Args:
        values: of any shape and float dtype.
        output: name of the output they come from, for the message.
        what: they are, in the plural: "scores".

    Raises:
        InvalidModel: one is NaN or infinite.
    """
    if not np.isfinite(values).all():
        raise InvalidModel(
            f"the output {output!r} holds NaN or infinite {what}; if the model computes in fp16, "
            "run it in fp32: precision='fp32', or another export of it"
        )


def check_scores(scores: NDArray[Any], output: str) -> None:
    """Raise unless all `scores` are at most `HIGHEST`.

    Args:
        scores: of any shape and float dtype, finite.
        output: name of the output they come from, for the message.

    Raises:
        InvalidModel: one is above.
    """
    highest = scores.max(initial=0)
    if highest > HIGHEST:
        raise InvalidModel(
            f"the output {output!r} holds a score of {highest:.4g}; scores must be between 0 and 1. "
            "Perhaps they are logits: export the model with the sigmoid (or softmax) at its end"
        )
