"""`Segmentation`: the class of every pixel of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_core.optional import import_optional
from inference_core.results._result import Result, check_array, check_labels, plain
from inference_core.results.masks import RunLengths


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Segmentation(Result):
    """The class of every pixel of one picture.

    Attributes:
        class_map: uint8 or int64 (height, width) of the source picture: class ids.
        labels: names of the model's classes by class id; () if it has none.
        image_size: (width, height) of the source picture in pixels.
        confidence: float32 (height, width), 0 to 1: how sure each pixel's class is; or None.

    Raises:
        TypeError: a field has the wrong type or dtype.
        ValueError: the shapes don't fit together, a number is NaN or infinite, or a class id is
            negative or has no label though there are labels.
    """

    class_map: NDArray[np.uint8] | NDArray[np.int64]
    labels: tuple[str, ...]
    image_size: tuple[int, int]
    confidence: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        check_labels("Segmentation", self.labels)
        width, height = self.image_size
        wide = getattr(self.class_map, "dtype", None) == np.int64
        dtype = np.int64 if wide else np.uint8
        check_array("Segmentation", "class_map", self.class_map, dtype, (height, width))
        if self.confidence is not None:
            check_array("Segmentation", "confidence", self.confidence, np.float32, (height, width))
        if self.class_map.size:
            least, most = int(self.class_map.min()), int(self.class_map.max())
            if least < 0 or (self.labels and most >= len(self.labels)):
                wrong = least if least < 0 else most
                raise ValueError(
                    f"Segmentation.class_map holds class id {wrong}; there are "
                    f"{len(self.labels) or 'no'} labels"
                )

    @property
    def class_ids(self) -> tuple[int, ...]:
        """The class ids that occur, ascending."""
        return tuple(np.unique(self.class_map).tolist())

    def label(self, class_id: int) -> str:
        """Name of a class; its id as text where the model has no labels."""
        return self.labels[class_id] if self.labels else str(class_id)

    def mask(self, which: int | str) -> NDArray[np.bool_]:
        """bool (height, width): the pixels of a class, given by class id or label.

        Raises:
            KeyError: the model has no such label.
        """
        if isinstance(which, str):
            names = self.labels or tuple(map(str, self.class_ids))
            if which not in names:
                raise KeyError(which)
            which = names.index(which) if self.labels else int(which)
        return np.asarray(self.class_map == which)

    def __repr__(self) -> str:
        shares = self._shares()
        shown = [f"{self.label(each)} {share:.0%}" for each, share in shares[:10]]
        more = ["…"] if len(shares) > len(shown) else []
        return f"Segmentation({', '.join(shown + more)})"

    def _shares(self) -> list[tuple[int, float]]:
        """(class id, share of the picture), the largest first."""
        ids, counts = np.unique(self.class_map, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        total = max(1, self.class_map.size)
        return [(int(ids[i]), int(counts[i]) / total) for i in order]

    def to_dict(self) -> dict[str, Any]:
        """The picture's size and one dict per class that occurs, the largest first, as JSON has them.

        Masks are COCO's uncompressed run lengths: `counts` of alternating false and true pixels,
        false first, down the columns from the left; `size` is [height, width]. `confidence` is the
        mean over the pixels of the class, where the result has confidences.
        """
        width, height = self.image_size
        rows = []
        for class_id, share in self._shares():
            mask = self.mask(class_id)
            row: dict[str, Any] = {
                "label": self.label(class_id),
                "class_id": class_id,
                "share": share,
                "mask": RunLengths.of(mask).to_dict(),
            }
            if self.confidence is not None:
                mean = self.confidence[mask].mean(dtype=np.float64)
                row["confidence"] = plain(np.array([mean], np.float32))[0]
            rows.append(row)
        return {"image": {"width": width, "height": height}, "classes": rows}

    def to_supervision(self) -> Any:
        """The same as a `supervision.Detections`: a mask, and the box around it, per class.

        Raises:
            InferenceError: supervision isn't installed.
        """
        supervision = import_optional("supervision", "supervision", "to_supervision()")
        width, height = self.image_size
        ids = self.class_ids
        masks = np.array([self.mask(each) for each in ids]).reshape(len(ids), height, width)
        boxes = [_box(mask) for mask in masks]
        return supervision.Detections(
            xyxy=np.array(boxes, np.float32).reshape(-1, 4),
            mask=masks,
            class_id=np.array(ids, np.int64),
            data={"class_name": np.array([self.label(each) for each in ids], dtype=str)},
        )


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Edges of the pixels of a mask that has some."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
