"""One check that all processors make: that what the graph computed are numbers at all.

A graph that overflows, mostly one in fp16, gives NaN or infinity. Dropping those silently would
look like a picture with nothing in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from inference_core.errors import InvalidModel
from numpy.typing import NDArray


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
