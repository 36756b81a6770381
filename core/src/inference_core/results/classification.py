"""`Classification`: the most likely classes of one picture, or of one text, best first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_core.optional import import_optional
from inference_core.results._result import (
    Result,
    check_array,
    check_labels,
    listing,
    plain,
)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class and how sure the model is of it, 0 to 1."""

    class_id: int
    confidence: float
    label: str

    def __str__(self) -> str:
        return f"{self.label} {self.confidence:.2f}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Classification(Result):
    """The K most likely classes of one picture, or of one text, best first.

    Attributes:
        class_id: int64 (K,), index into the model's labels.
        confidence: float32 (K,), 0 to 1, descending.
        labels: name of each class, K of them.
        image_size: (width, height) of the source picture in pixels; None if it is no picture.

    Raises:
        TypeError: a field has the wrong type or dtype.
        ValueError: the lengths don't fit together, or a number is NaN or infinite.
    """

    class_id: NDArray[np.int64]
    confidence: NDArray[np.float32]
    labels: tuple[str, ...]
    image_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_labels("Classification", self.labels)
        count = len(self.labels)
        check_array("Classification", "class_id", self.class_id, np.int64, (count,))
        check_array("Classification", "confidence", self.confidence, np.float32, (count,))

    @property
    def top(self) -> ClassScore:
        """The most likely class.

        Raises:
            IndexError: there is none.
        """
        return self[0]

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[ClassScore]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> ClassScore:
        return ClassScore(
            int(self.class_id[index]), float(self.confidence[index]), self.labels[index]
        )

    def __repr__(self) -> str:
        return listing("Classification", self.labels, self.confidence)

    def to_dict(self) -> dict[str, Any]:
        """One dict per class, best first, and the size of a picture, as JSON has them."""
        rows = [
            {"label": label, "class_id": int(class_id), "confidence": confidence}
            for label, class_id, confidence in zip(
                self.labels, self.class_id, plain(self.confidence), strict=True
            )
        ]
        if self.image_size is None:
            return {"classes": rows}
        width, height = self.image_size
        return {"image": {"width": width, "height": height}, "classes": rows}

    def to_supervision(self) -> Any:
        """The same as a `supervision.Classifications`, which has no place for labels.

        Raises:
            InferenceError: supervision isn't installed.
        """
        supervision = import_optional("supervision", "supervision", "to_supervision()")
        return supervision.Classifications(class_id=self.class_id, confidence=self.confidence)
