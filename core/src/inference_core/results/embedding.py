"""`Embedding`: one picture, or one text, as a vector that is near the vectors of similar ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_core.results._result import Result, check_array, plain


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Embedding(Result):
    """One picture, or one text, as a vector.

    Attributes:
        vector: float32 (D,).

    Raises:
        TypeError: the vector isn't a float32 array.
        ValueError: it has another rank, or a number is NaN or infinite.
    """

    vector: NDArray[np.float32]

    def __post_init__(self) -> None:
        check_array("Embedding", "vector", self.vector, np.float32, (None,))

    def __len__(self) -> int:
        return len(self.vector)

    def similarity(self, other: Embedding) -> float:
        """Cosine of the angle between the two: -1 to 1; 0 where one of them has no length.

        Raises:
            ValueError: the other has another length, so it is another model's.
        """
        if len(self) != len(other):
            raise ValueError(
                f"an embedding of {len(self)} numbers can't be compared with one of {len(other)}"
            )
        # float64: squares of finite float32 numbers can overflow them.
        one, two = self.vector.astype(np.float64), other.vector.astype(np.float64)
        lengths = float(np.linalg.norm(one) * np.linalg.norm(two))
        return float(np.clip(one @ two / lengths, -1, 1)) if lengths else 0.0

    def __repr__(self) -> str:
        return (
            f"Embedding({len(self)}, length {np.linalg.norm(self.vector.astype(np.float64)):.3g})"
        )

    def to_dict(self) -> dict[str, Any]:
        """The vector as a list of numbers, as JSON has them."""
        return {"embedding": plain(self.vector)}
