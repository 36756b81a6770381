"""`Detections`: the objects found in one picture. It holds them; it finds, filters and draws none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, overload

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


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One object: a row of `Detections`.

    Attributes:
        xyxy: left, top, right and bottom edge in pixels of the source picture.
        confidence: 0 to 1.
        class_id: index into the model's labels.
        label: name of the class.
        mask: bool (height, width) of the source picture, or None.
        keypoints: float32 (K, 3): x and y in source pixels and visibility or confidence, or None.
    """

    xyxy: tuple[float, float, float, float]
    confidence: float
    class_id: int
    label: str
    mask: NDArray[np.bool_] | None = None
    keypoints: NDArray[np.float32] | None = None

    def __str__(self) -> str:
        x1, y1, x2, y2 = self.xyxy
        return f"{self.label} {self.confidence:.2f} at ({x1:.0f}, {y1:.0f}, {x2:.0f}, {y2:.0f})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Detections(Result):
    """The objects found in one picture, the most confident first.

    Attributes:
        xyxy: float32 (N, 4): left, top, right and bottom edge in pixels of the source picture (as
            it is seen: after its EXIF orientation), from its top left corner.
        confidence: float32 (N,), 0 to 1, descending.
        class_id: int64 (N,), index into the model's labels.
        labels: name of each object's class, N of them.
        image_size: (width, height) of the source picture in pixels.
        masks: bool (N, height, width), or None.
        keypoints: float32 (N, K, 3): x and y in source pixels and visibility or confidence, or None.

    Raises:
        TypeError: a field has the wrong type or dtype.
        ValueError: the lengths or shapes don't fit together, or a number is NaN or infinite.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]
    labels: tuple[str, ...]
    image_size: tuple[int, int]
    masks: NDArray[np.bool_] | None = None
    keypoints: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        check_labels("Detections", self.labels)
        count = len(self.labels)
        width, height = self.image_size
        check_array("Detections", "xyxy", self.xyxy, np.float32, (count, 4))
        check_array("Detections", "confidence", self.confidence, np.float32, (count,))
        check_array("Detections", "class_id", self.class_id, np.int64, (count,))
        if self.masks is not None:
            check_array("Detections", "masks", self.masks, np.bool_, (count, height, width))
        if self.keypoints is not None:
            check_array("Detections", "keypoints", self.keypoints, np.float32, (count, None, 3))

    @classmethod
    def empty(cls, image_size: tuple[int, int]) -> Detections:
        """No objects in a picture of (width, height) pixels."""
        none = np.empty(0, np.float32)
        return cls(none.reshape(0, 4), none, np.empty(0, np.int64), (), image_size)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Detection]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Detection: ...
    @overload
    def __getitem__(self, index: slice | NDArray[Any] | list[int]) -> Detections: ...
    def __getitem__(self, index: int | slice | NDArray[Any] | list[int]) -> Detection | Detections:
        """One `Detection` for an int; `Detections` for a slice, indices or a mask of booleans."""
        if isinstance(index, (int, np.integer)):
            x1, y1, x2, y2 = self.xyxy[index].tolist()
            return Detection(
                (x1, y1, x2, y2),
                float(self.confidence[index]),
                int(self.class_id[index]),
                self.labels[index],
                None if self.masks is None else self.masks[index],
                None if self.keypoints is None else self.keypoints[index],
            )
        rows = np.arange(len(self))[index]
        return replace(
            self,
            xyxy=self.xyxy[rows],
            confidence=self.confidence[rows],
            class_id=self.class_id[rows],
            labels=tuple(self.labels[row] for row in rows),
            masks=None if self.masks is None else self.masks[rows],
            keypoints=None if self.keypoints is None else self.keypoints[rows],
        )

    def __repr__(self) -> str:
        return listing("Detections", self.labels, self.confidence)

    def to_dict(self) -> dict[str, Any]:
        """The picture's size and one dict per object, as JSON has them.

        Masks become COCO's uncompressed run lengths: `counts` of alternating false and true pixels,
        false first, down the columns from the left; `size` is [height, width].
        """
        width, height = self.image_size
        rows = []
        for index, label in enumerate(self.labels):
            row: dict[str, Any] = {
                "label": label,
                "class_id": int(self.class_id[index]),
                "confidence": plain(self.confidence[index : index + 1])[0],
                "xyxy": plain(self.xyxy[index]),
            }
            if self.keypoints is not None:
                row["keypoints"] = [plain(point) for point in self.keypoints[index]]
            if self.masks is not None:
                row["mask"] = {"size": [height, width], "counts": _run_lengths(self.masks[index])}
            rows.append(row)
        return {"image": {"width": width, "height": height}, "detections": rows}

    def to_supervision(self) -> Any:
        """The same as a `supervision.Detections`, with the labels in `data["class_name"]`.

        Keypoints stay behind: supervision has another type for them.

        Raises:
            InferenceError: supervision isn't installed.
        """
        supervision = import_optional("supervision", "supervision", "to_supervision()")
        return supervision.Detections(
            xyxy=self.xyxy,
            mask=self.masks,
            confidence=self.confidence,
            class_id=self.class_id,
            data={"class_name": np.array(self.labels, dtype=str)},
        )


def _run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts: list[int] = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    return [0, *counts] if flat.size and flat[0] else counts
