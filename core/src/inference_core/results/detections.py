"""`Detections`: the objects found in one picture. It holds them; it finds, filters and draws none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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
from inference_core.results.coco import coco_annotations
from inference_core.results.masks import (
    Bitmap,
    MaskFormat,
    Masks,
    Polygons,
    RunLengths,
    convert_masks,
)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One object: a row of `Detections`.

    Attributes:
        xyxy: left, top, right and bottom edge in pixels of the source picture.
        confidence: 0 to 1.
        class_id: index into the model's labels.
        label: name of the class.
        mask: bool (height, width) of the source picture, `RunLengths` or `Polygons`, or None.
        keypoints: float32 (K, 3): x and y in source pixels and visibility or confidence, or None.
        corners: float32 (4, 2): x and y of an oriented box's corners in source pixels, or None.
        attributes: its row of each of `Detections.attributes`.
    """

    xyxy: tuple[float, float, float, float]
    confidence: float
    class_id: int
    label: str
    mask: Bitmap | RunLengths | Polygons | None = None
    keypoints: NDArray[np.float32] | None = None
    corners: NDArray[np.float32] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

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
        masks: bool (N, height, width), or N `RunLengths`, or N `Polygons`, or None. `with_masks`
            converts them.
        keypoints: float32 (N, K, 3): x and y in source pixels and visibility or confidence, or None.
            A point may lie outside the picture.
        corners: float32 (N, 4, 2), or None: x and y of oriented boxes' corners in source pixels,
            clockwise as seen; they may lie outside the picture. `xyxy` then holds the upright box
            around each, clipped to the picture.
        keypoint_names: name of each of the K keypoints, or () where they have none.
        attributes: what else a model says of each object, by name: arrays of float32, int64, bool or
            str with a first axis of N. What they mean is the model's.

    Raises:
        TypeError: a field has the wrong type or dtype.
        ValueError: the lengths or shapes don't fit together, or a number is NaN or infinite.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]
    labels: tuple[str, ...]
    image_size: tuple[int, int]
    masks: Masks | None = None
    keypoints: NDArray[np.float32] | None = None
    corners: NDArray[np.float32] | None = None
    keypoint_names: tuple[str, ...] = ()
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_labels("Detections", self.labels)
        count = len(self.labels)
        check_array("Detections", "xyxy", self.xyxy, np.float32, (count, 4))
        check_array("Detections", "confidence", self.confidence, np.float32, (count,))
        check_array("Detections", "class_id", self.class_id, np.int64, (count,))
        if self.masks is not None:
            self._check_masks(self.masks, count)
        if self.keypoints is not None:
            points = len(self.keypoint_names) or None
            check_array("Detections", "keypoints", self.keypoints, np.float32, (count, points, 3))
        if self.corners is not None:
            check_array("Detections", "corners", self.corners, np.float32, (count, 4, 2))
        for name, values in self.attributes.items():
            _check_attribute(name, values, count)

    def _check_masks(self, masks: Masks, count: int) -> None:
        width, height = self.image_size
        if not isinstance(masks, tuple):
            check_array("Detections", "masks", masks, np.bool_, (count, height, width))
            return
        kinds = {type(mask) for mask in masks}
        if len(kinds) > 1 or not kinds <= {RunLengths, Polygons}:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(f"Detections.masks must be all RunLengths or all Polygons, not {names}")
        if len(masks) != count or any(mask.size != (height, width) for mask in masks):
            raise ValueError(
                f"Detections.masks must be {count}, each of the size ({height}, {width})"
            )

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
                None if self.corners is None else self.corners[index],
                {name: values[index] for name, values in self.attributes.items()},
            )
        rows = np.arange(len(self))[index]
        return replace(
            self,
            xyxy=self.xyxy[rows],
            confidence=self.confidence[rows],
            class_id=self.class_id[rows],
            labels=tuple(self.labels[row] for row in rows),
            masks=self._masks_of(rows),
            keypoints=None if self.keypoints is None else self.keypoints[rows],
            corners=None if self.corners is None else self.corners[rows],
            attributes={name: values[rows] for name, values in self.attributes.items()},
        )

    def _masks_of(self, rows: NDArray[np.intp]) -> Masks | None:
        if self.masks is None or isinstance(self.masks, np.ndarray):
            return None if self.masks is None else self.masks[rows]
        masks: Any = tuple(self.masks[row] for row in rows)  # still all of one kind
        return masks  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return listing("Detections", self.labels, self.confidence)

    def with_masks(self, mask_format: MaskFormat) -> Detections:
        """The same with masks in another form: "bitmap", "rle" or "polygons". All are exact.

        Raises:
            InvalidArgument: another form.
        """
        if self.masks is None:
            return self
        return replace(self, masks=convert_masks(self.masks, mask_format, self.image_size))

    def to_dict(self) -> dict[str, Any]:
        """The picture's size and one dict per object, as JSON has them.

        Bitmaps become COCO's uncompressed run lengths: `counts` of alternating false and true
        pixels, false first, down the columns from the left; `size` is [height, width]. Polygons
        stay what they are.
        """
        width, height = self.image_size
        masks = self.with_masks("rle").masks if isinstance(self.masks, np.ndarray) else self.masks
        rows = []
        for index, label in enumerate(self.labels):
            row: dict[str, Any] = {
                "label": label,
                "class_id": int(self.class_id[index]),
                "confidence": plain(self.confidence[index : index + 1])[0],
                "xyxy": plain(self.xyxy[index]),
            }
            if self.corners is not None:
                row["corners"] = [plain(point) for point in self.corners[index]]
            if self.keypoints is not None:
                row["keypoints"] = [plain(point) for point in self.keypoints[index]]
            if masks is not None:
                mask = masks[index]
                assert isinstance(mask, (RunLengths, Polygons))
                row["mask"] = mask.to_dict()
            if self.attributes:
                row["attributes"] = {
                    name: _plain(values[index]) for name, values in self.attributes.items()
                }
            rows.append(row)
        data: dict[str, Any] = {"image": {"width": width, "height": height}, "detections": rows}
        if self.keypoint_names:
            data["keypoint_names"] = list(self.keypoint_names)
        return data

    def to_coco(self, image_id: int, first_category: int = 1) -> list[dict[str, Any]]:
        """One dict per object as COCO's annotations and results have them.

        Keys: image_id, category_id, bbox (x, y, width, height), score, area, and where there are
        such: segmentation (uncompressed run lengths, or lists of x, y for polygons; an oriented
        box's corners as one), keypoints (x, y, v of each; v is 2 from a visibility of 0.5, else and
        outside the picture 1, and 0 with x = y = 0 for 0) and num_keypoints (those with v above 0).

        COCO's lists of polygons can't say that one is a hole, so masks with holes become run
        lengths whatever form they have.

        Args:
            image_id: of the picture.
            first_category: category id of class 0; COCO files count from 1.
        """
        return coco_annotations(self, image_id, first_category)

    def to_supervision(self) -> Any:
        """The same as a `supervision.Detections`, or as `supervision.KeyPoints` if it has keypoints.

        Labels are in `data["class_name"]`, an oriented box's corners in `data["xyxyxyxy"]`, attributes
        by their names. A `KeyPoints` has no place for masks; its boxes are in `data["xyxy"]`.

        Raises:
            InferenceError: supervision isn't installed.
        """
        supervision = import_optional("supervision", "supervision", "to_supervision()")
        data = {**self.attributes, "class_name": np.array(self.labels, dtype=str)}
        if self.corners is not None:
            data["xyxyxyxy"] = self.corners
        if self.keypoints is not None:
            points = supervision.KeyPoints(
                xy=self.keypoints[..., :2], class_id=self.class_id, data={**data, "xyxy": self.xyxy}
            )
            # Named differently before version 0.29, and deprecated under the old name after it.
            new = hasattr(points, "keypoint_confidence")
            setattr(points, "keypoint_confidence" if new else "confidence", self.keypoints[..., 2])
            if new:
                points.detection_confidence = self.confidence
            return points
        return supervision.Detections(
            xyxy=self.xyxy,
            mask=self.with_masks("bitmap").masks,
            confidence=self.confidence,
            class_id=self.class_id,
            data=data,
        )


def _check_attribute(name: str, values: Any, count: int) -> None:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fibU":
        raise TypeError(f"Detections.attributes[{name!r}] must be an array of numbers, bool or str")
    if values.dtype.kind == "U":
        if values.shape[:1] != (count,):
            raise ValueError(f"Detections.attributes[{name!r}] must have {count} rows")
        return
    wanted: dict[str, type] = {"f": np.float32, "i": np.int64, "b": np.bool_}
    shape = (count, *values.shape[1:])
    check_array("Detections", f"attributes[{name!r}]", values, wanted[values.dtype.kind], shape)


def _plain(value: Any) -> Any:
    """A row of an attribute as JSON has it."""
    array = np.asarray(value)
    if array.ndim:
        return [_plain(each) for each in array]
    return plain(array.reshape(1))[0] if array.dtype.kind == "f" else array.item()
