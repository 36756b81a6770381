"""The three forms in which YOLO graphs give their boxes, told apart by the shapes of the outputs.

Light: standard library and inference_core only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast, get_args

from inference_core.errors import InvalidModel
from inference_core.session import TensorSpec

from inference_vision.outputs import channels_last

Layout = Literal["boxes-scores", "objectness", "end-to-end"]
"""
- boxes-scores: (batch, 4 + classes + extras, boxes), YOLOv8 and later; rows cx, cy, w, h, a score
  per class, extras.
- objectness: (batch, boxes, 5 + classes + extras), YOLOv5 and v7; columns cx, cy, w, h, objectness,
  a score per class which counts times the objectness, extras.
- end-to-end: (batch, boxes, 6 + extras), after the graph's own suppression; columns x1, y1, x2, y2,
  score, class id, extras; unused rows have a score of 0. Oriented boxes have cx, cy, w, h here, too.

Extras are what a task adds to a box: coefficients of its mask, keypoints, an angle. Coordinates are
pixels of the input, or fractions of its width and height.
"""
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def matching_layouts(
    shape: Sequence[int | None] | None, classes: int, extras: int = 0
) -> list[Layout]:
    """The layouts that an output of this shape can have.

    Args:
        shape: None entries (and None for all of it) may be any size.
        classes: how many labels the model has; 0 if that isn't known.
        extras: how many numbers of a box belong to its task.
    """
    if shape is None:
        return list(LAYOUTS)
    if len(shape) != 3:
        return []
    _, rows, columns = shape

    def fits(size: int | None, fixed: int, other: int | None) -> bool | None:
        """None for "it may": the axis is open."""
        if size is None:
            return None
        if classes:
            return size == fixed + classes
        return size > fixed and (other is None or other > size)  # there are more boxes than classes

    fitting = {
        "boxes-scores": fits(rows, 4 + extras, columns),
        "objectness": fits(columns, 5 + extras, rows),
        "end-to-end": None if columns is None else columns == 6 + extras,
    }
    # An axis of just the right size says more than one that may have any.
    sure = [layout for layout in LAYOUTS if fitting[layout]]
    return sure or [layout for layout in LAYOUTS if fitting[layout] is None]


class Prototypes(NamedTuple):
    """The output with the prototypes of masks.

    Attributes:
        name: of the output.
        number: M, of prototypes, and of coefficients with each box.
        last: whether it is (batch, h, w, M), as TensorFlow has it, and not (batch, M, h, w).
    """

    name: str
    number: int
    last: bool


def prototypes_of(
    outputs: Sequence[TensorSpec],
    inputs: Sequence[TensorSpec],
    classes: int,
    channels: str | None = None,
) -> Prototypes | None:
    """The only output with four axes; None without one, or where M or its axis is open.

    Args:
        outputs: of the graph. What the boxes have besides place and scores are M numbers.
        inputs: of the graph.
        classes: how many labels the model has; 0 if that isn't known.
        channels: the setting of that name, "first" or "last" of pictures.
    """
    found = [output for output in outputs if output.shape and len(output.shape) == 4]
    if len(found) != 1 or not found[0].shape:
        return None
    counts = set()
    for shape in (output.shape for output in outputs if output.shape and len(output.shape) == 3):
        rows, columns = shape[1] or 0, shape[2] or 0
        counts |= {columns - 6} | (
            {rows - 4 - classes, columns - 5 - classes} if classes else set()
        )
    last = channels_last(found[0].shape, inputs, counts, channels)
    number = found[0].shape[3 if last else 1]
    return None if number is None or last is None else Prototypes(found[0].name, number, last)


def choose_output(
    outputs: Sequence[TensorSpec],
    classes: int,
    layout: str | None,
    extras: int = 0,
    processor: str = "yolo",
) -> tuple[TensorSpec, Layout]:
    """The output that holds the boxes, and its layout.

    Args:
        outputs: of the graph; those without three axes (older exports have them) are passed over.
        classes: how many labels the model has; 0 if that isn't known.
        layout: the one that the settings name, if they do.
        extras: how many numbers of a box belong to its task.
        processor: name of the processor, for messages.

    Raises:
        InvalidModel: nothing fits, or more than one thing does, with the manifest line to write; or
            there are no labels to tell a detector from another kind of model.
    """
    found: list[tuple[TensorSpec, Layout]] = [
        (output, candidate)
        for output in outputs
        for candidate in matching_layouts(output.shape, classes, extras)
        if layout in (None, candidate)
    ]
    shapes = ", ".join(map(str, outputs)) or "no outputs"
    labels = f"{classes} labels" if classes else "an unknown number of labels"
    if extras:
        labels += f" and {extras} more numbers per box"
    if not classes and not extras and any(len(output.shape or ()) == 4 for output in outputs):
        # Segmentation models give the prototypes of their masks so; only the number of labels can
        # tell whether the boxes have coefficients of masks among their scores.
        raise InvalidModel(
            f"without labels it isn't clear whether the graph segments: it gives {shapes}; write "
            'the names of its classes into model.json: "labels": ["person", "car"]'
        )
    if len(found) == 1:
        return found[0]
    names = {output.name for output, _ in found}
    if len(names) > 1:
        raise InvalidModel(
            f"several outputs could hold the boxes of {labels}: {', '.join(sorted(names))}; export "
            "the model with one output"
        )
    if found:
        lines = " or ".join(
            f'"processor": {{"name": "{processor}", "settings": {{"layout": "{candidate}"}}}}'
            for _, candidate in found
        )
        raise InvalidModel(
            f"the layout of the output isn't clear from {shapes} and {labels}; write one of these "
            f"into model.json: {lines}"
        )
    wanted = [cast(Layout, layout)] if layout else list(LAYOUTS)
    raise InvalidModel(
        f"no output fits the layout {' or '.join(wanted)} with {labels}: the graph gives {shapes}. "
        "Check the labels; detection, segmentation, keypoints and oriented boxes are other tasks, "
        "each with a processor of its own: yolo, yolo-segmentation, yolo-keypoints, yolo-oriented"
    )
