"""Recognising YOLO exports by the metadata that Ultralytics, or YOLOv5's exporter, writes into them.

Light: standard library and inference_core only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference_core.package import Facts
from inference_core.processor import Recognition

from inference_vision import ultralytics
from inference_vision.layouts import Layout, matching_layouts, prototypes_of


def recognised(facts: Facts, wanted: str, task: str) -> Recognition | None:
    """What the metadata says of an export for one of Ultralytics' tasks; None if it is none.

    Args:
        facts: of the file.
        wanted: "detect", "segment", "pose" or "obb".
        task: what a package calls it.

    Raises:
        InvalidModel: the metadata is Ultralytics', but damaged.
    """
    metadata: Mapping[str, str] = facts.get("metadata") or {}
    if not {"names", "stride"} <= set(metadata) or ultralytics.is_transformer(metadata):
        return None
    # YOLOv5's own exporter writes names and stride, but no task; it knows two of them.
    stated = metadata.get("task")
    if stated != wanted and (stated is not None or wanted not in ("detect", "segment")):
        return None
    settings: dict[str, Any] = {}
    labels = ultralytics.labels_of(metadata)
    extras = _extras(facts, metadata, wanted, len(labels), settings)
    if extras is None:
        return None
    layout = _layout(facts, metadata, len(labels), extras)
    if layout is None:
        return None
    settings["layout"] = layout
    # Always: to an artifact that doesn't say, its absence beside a file that has it would mean nothing.
    settings["coordinates"] = ultralytics.coordinates_of(facts)
    if imgsz := ultralytics.open_image_size(facts):
        settings["imgsz"] = imgsz
    if stride := ultralytics.stride_of(metadata):
        settings["stride"] = stride
    return Recognition(task, labels, settings)


def _extras(
    facts: Facts, metadata: Mapping[str, str], wanted: str, labels: int, settings: dict[str, Any]
) -> int | None:
    """How many numbers a box carries for its task; None if that can't be."""
    outputs = facts.get("outputs", ())
    if wanted == "segment":
        prototypes = prototypes_of(outputs, facts.get("inputs", ()), labels)
        return prototypes.number if prototypes else None
    if wanted == "pose":
        if "kpt_shape" not in metadata:
            return None
        points, numbers = ultralytics.keypoint_shape_of(metadata)
        settings["keypoints"] = [points, numbers]
        if names := ultralytics.keypoint_names_of(metadata, points):
            settings["keypoint_names"] = list(names)
        return points * numbers
    return 1 if wanted == "obb" else 0


def _layout(facts: Facts, metadata: Mapping[str, str], labels: int, extras: int) -> Layout | None:
    fitting = {
        layout
        for output in facts.get("outputs", ())
        for layout in matching_layouts(output.shape, labels, extras)
    }
    if "task" not in metadata:
        return "objectness" if fitting == {"objectness"} else None
    if ultralytics.is_end_to_end(metadata):
        return "end-to-end" if not fitting or "end-to-end" in fitting else None
    # The order in which Ultralytics' exports are likely to have them.
    likely: tuple[Layout, ...] = ("boxes-scores", "end-to-end")
    return next((layout for layout in likely if layout in fitting), None)
