"""The file of `infer predict --coco`: COCO JSON, written as results come and complete at any end.

The format is described on the data set's own page (cocodataset.org, "Data format"); here an annotation
also has the `score` of COCO's results files, and an image that is a frame of a video `frame` and
`timestamp`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inference_core.cli.saving import naming
from inference_core.errors import InvalidArgument


class CocoFile:
    """The file of --coco; a context manager, which finishes it whatever happens inside.

    Annotations go to a file beside it, which takes its place at the end; only the rows of the images
    are kept in memory. Without a single result the file stays as it was.

    Args:
        path: its folder must exist.

    Raises:
        InvalidArgument: it is a folder or a device.
        OSError: it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "a device or pipe"
            raise InvalidArgument(f"--coco {path} is {what}; it takes a file, which it replaces")
        self._partial = path.with_name(f".{path.name}.partial")
        with naming("--coco", path):
            self._file = open(self._partial, "w", encoding="utf-8")  # noqa: SIM115 - see __exit__
            self._file.write('{"annotations": [')
        self._images: list[Mapping[str, Any]] = []
        self._annotations = 0
        self._categories: dict[int, dict[str, Any]] = {}

    def labels(self, names: Iterable[str]) -> None:
        """The model's labels: the categories, numbered from 1 as COCO's are."""
        for number, name in enumerate(names, 1):
            self._categories[number] = {"id": number, "name": name}

    def add(self, result: Any, name: str, frame: Mapping[str, Any] | None = None) -> None:
        """Add what was found in a picture.

        Args:
            result: `Detections`, or another result with `to_coco`.
            name: of the picture or video, for `file_name`.
            frame: its number and time, if it is one of a video.

        Raises:
            InvalidArgument: a result that COCO has no place for.
        """
        if not hasattr(result, "to_coco"):
            raise InvalidArgument(
                f"--coco takes detections; a {type(result).__name__} has no boxes"
            )
        width, height = result.image_size
        image = {"id": len(self._images) + 1, "file_name": name, "width": width, "height": height}
        self._images.append({**image, **(frame or {})})
        for label, found in zip(result.labels, result.to_coco(image["id"]), strict=True):
            separator = ",\n" if self._annotations else "\n"
            self._annotations += 1
            row = json.dumps({"id": self._annotations, **found, "iscrowd": 0})
            with naming("--coco", self.path):
                self._file.write(separator + row)
            number = found["category_id"]
            category = self._categories.setdefault(number, {"id": number, "name": label})
            if "keypoints" in found and result.keypoint_names:
                category["keypoints"] = list(result.keypoint_names)

    def __enter__(self) -> CocoFile:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with naming("--coco", self.path), self._file:
                categories = [self._categories[number] for number in sorted(self._categories)]
                ending = {"images": self._images, "categories": categories}
                self._file.write(f"\n], {json.dumps(ending)[1:]}\n")
            if self._images:
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)  # without a result, or after an interrupt
