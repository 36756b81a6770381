"""What a graph without metadata may be, by the shapes of its inputs and outputs, and what to write.

Shapes alone are never sure here: a detector of 80 classes and one of 79 that turns its boxes give the
same ones, and labels are missing anyway. So nothing is recognised from them; core asks this file for
the words when someone gives a picture to such a graph. Light: standard library and inference_core
only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from inference_core.package import Artifact, ModelPackage
from inference_core.processor import Graph
from inference_core.session import TensorSpec

from inference_vision import ssd_outputs, ultralytics
from inference_vision.layouts import prototypes_of
from inference_vision.outputs import as_vectors_shape, channels_last
from inference_vision.settings import picture_size

Shape = tuple[int | None, ...]

_STRIDES = (8, 16, 32)
_MOST_QUERIES = 1000  # a graph that suppresses overlaps itself gives a few hundred boxes
_COCO_POINTS = 17 * 3
_SHOWN = 10  # labels in a message

_TASKS = {
    "classification": "image-classification",
    "detr": "object-detection",
    "semantic-segmentation": "semantic-segmentation",
    "ssd": "object-detection",
    "yolo": "object-detection",
    "yolo-keypoints": "keypoint-detection",
    "yolo-nas": "object-detection",
    "yolo-oriented": "oriented-object-detection",
    "yolo-segmentation": "instance-segmentation",
}


@dataclass(frozen=True, slots=True)
class Family:
    """One thing that a graph may be.

    Attributes:
        processor: name of the processor.
        title: what it finds, for a sentence.
        labels: how many there must be; None if the shapes don't tell.
        settings: of the processor.
        masks: whether a processor that can do without gives masks.
    """

    processor: str
    title: str
    labels: int | None
    settings: dict[str, Any] = field(default_factory=dict)
    masks: bool = False

    @property
    def task(self) -> str:
        """Its task, as manifests call it."""
        return "instance-segmentation" if self.masks else _TASKS[self.processor]

    def line(self, known: Sequence[str] = ()) -> str:
        """The lines of a manifest that say so, with the labels as far as they are known."""
        named = {"name": self.processor} | ({"settings": self.settings} if self.settings else {})
        count = "one" if self.labels is None else f"{self.labels} names in all, one"
        example = f'"labels": ["first class", …] ({count} per class)'
        if known:
            first = json.dumps(list(known[:_SHOWN]), ensure_ascii=False)
            rest = ", …]" if len(known) > _SHOWN else "]"
            example = f'"labels": {first[:-1]}{rest} (the {len(known)} names of the metadata)'
        return f'"task": "{self.task}", "processor": {json.dumps(named)}, {example}'


def hint(package: ModelPackage, artifact: Artifact, graph: Graph) -> str | None:
    """What to write beside a graph that is like those of a known family; None if it is like none.

    Args:
        package: its name, and its labels if it has some, which narrow the choice.
        artifact: the file; the names in its metadata count as labels.
        graph: its inputs and outputs.
    """
    named = () if package.labels else _names(artifact)
    found = families(graph, len(package.labels or named))
    if not found:
        return None
    shapes = ", ".join(map(str, graph.outputs))
    choices = "; or ".join(f"{each.line(named)} for {each.title}" for each in found)
    frame = json.dumps(
        {
            "schema_version": 1,
            "name": package.name,
            "artifacts": [
                {
                    "format": artifact.format,
                    "parts": {role: path.name for role, path in artifact.parts.items()},
                }
            ],
        }
    )
    return (
        f"Its outputs ({shapes}) are like those of known models, but nothing in the file says which "
        f"and what the classes are called. Put it into a folder with a model.json: {frame}, and in "
        f"that {choices}"
    )


def _names(artifact: Artifact) -> tuple[str, ...]:
    """What the metadata calls the classes, as Ultralytics and YOLOv5 write it; nothing without it."""
    for facts in artifact.facts.values():
        metadata = facts.get("metadata") or {}
        if {"names", "stride"} <= set(metadata):
            return ultralytics.labels_of(metadata)
    return ()


def families(graph: Graph, labels: int = 0) -> list[Family]:
    """What the graph may be, the likeliest first; nothing if it takes no pictures.

    Args:
        graph: its inputs and outputs.
        labels: how many there are; 0 if that isn't known.
    """
    picture = next(filter(None, (picture_size(spec.shape) for spec in graph.inputs)), None)
    shapes = [spec.shape for spec in graph.outputs if spec.shape is not None]
    if picture is None or len(shapes) != len(graph.outputs):
        return []
    of_rank = {rank: [s for s in shapes if len(s) == rank] for rank in (2, 3, 4)}
    vectors = as_vectors_shape(shapes[0]) if len(shapes) == 1 else None
    if len(of_rank[3]) == 2 and any(shape[-1] == 4 for shape in of_rank[3]):
        found = _transformers(of_rank[3], bool(of_rank[4]))
    elif len(of_rank[3]) == 1 and not of_rank[2]:
        masks = prototypes_of(graph.outputs, graph.inputs, labels)
        found = _yolo(of_rank[3][0], _cells(picture), masks.number if masks else None)
    elif len(shapes) == 1 and of_rank[2] and _is_flat(of_rank[2][0], graph.inputs):
        found = [
            Family("yolo", "detection, as YOLOv7 with its suppression", None, {"layout": "flat"}),
            Family("yolo-nas", "detection, as YOLO-NAS in its flat form", None),
        ]
    elif vectors:
        found = [Family("classification", "classification", vectors[1])]
    elif len(shapes) == len(of_rank[4]) == 1:
        shape = shapes[0]
        classes = shape[3 if channels_last(shape, graph.inputs, {labels}) else 1]
        found = [Family("semantic-segmentation", "a class per pixel", classes)]
        found = found if classes != 1 else []  # depth, or anything
    elif ssd_outputs.fits(graph.outputs):
        found = [Family("ssd", "detection, as SSD with its suppression", None)]
    else:
        found = []
    fitting = [each for each in found if each.labels is None or each.labels > 0]
    return [each for each in fitting if each.labels in (labels, None)] if labels else fitting


def _is_flat(shape: Shape, inputs: Sequence[TensorSpec]) -> bool:
    """Whether it is a list of boxes of all pictures, (boxes, 7), and not scores of seven classes:
    the first axis is open, or isn't the batch."""
    batches = {spec.shape[0] for spec in inputs if spec.shape and len(spec.shape) == 4}
    return shape[1] == 7 and (shape[0] is None or shape[0] not in batches)


def _cells(picture: Shape) -> int | None:
    """How many cells YOLO's three grids have: (80 x 80 + 40 x 40 + 20 x 20) for 640 x 640."""
    height, width = picture
    if height is None or width is None:
        return None
    return sum((height // stride) * (width // stride) for stride in _STRIDES)


def _yolo(shape: Shape, cells: int | None, masks: int | None) -> list[Family]:
    """Boxes in one output of three axes, with coefficients of masks where there are prototypes."""
    _, rows, columns = shape
    few = rows is None or rows <= _MOST_QUERIES
    if few and columns is not None and columns in (6, 7, 6 + (masks or 0), 6 + _COCO_POINTS):
        return _suppressed(columns, masks)
    if rows is not None and (columns is None or columns > rows):
        numbers, settings = rows - 4, {"layout": "boxes-scores"}
        several = [
            Family("yolo", "detection", numbers, settings),
            Family("yolo-oriented", "oriented boxes", numbers - 1, settings),
            Family("yolo-keypoints", "17 keypoints", numbers - _COCO_POINTS, settings),
        ]
    elif columns is not None and (rows is None or (rows > columns and rows != cells)):
        numbers, settings = columns - 5, {"layout": "objectness"}
        several = [Family("yolo", "detection, as YOLOv5 and YOLOv7", numbers, settings)]
    else:  # one row per cell with the scores in columns: a layout that nothing here decodes
        return []
    if masks:
        return [Family("yolo-segmentation", "segmentation", numbers - masks, settings)]
    return several


def _suppressed(columns: int, masks: int | None) -> list[Family]:
    """End-to-end graphs: the class is a number of its own, so that any labels may be meant."""
    settings = {"layout": "end-to-end"}
    if masks:
        return [Family("yolo-segmentation", "segmentation", None, settings)]
    if columns == 6 + _COCO_POINTS:
        return [Family("yolo-keypoints", "17 keypoints", None, settings)]
    if columns == 7:
        return [Family("yolo-oriented", "oriented boxes", None, settings)]
    return [Family("yolo", "detection", None, settings)]


def _transformers(shapes: Sequence[Shape], masks: bool) -> list[Family]:
    """Boxes (batch, queries, 4) and class scores (batch, queries, columns)."""
    others = [shape for shape in shapes if shape[-1] != 4] or [shapes[-1]]
    columns = others[0][-1]
    title = "segmentation" if masks else "detection"
    fewer = None if columns is None else columns - 1
    softmax = {"activation": "softmax"}
    return [
        Family("detr", f"{title}, as RT-DETR", columns, masks=masks),
        Family("detr", f"{title}, as DETR, whose last score is no object's", fewer, softmax, masks),
    ]
