"""Finding the one output that a processor reads, and the order of its axes. Light: standard library
and inference_core only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.session import TensorSpec

from inference_vision.settings import Settings, pictures_last

Shape = tuple[int | None, ...]
Size = TypeVar("Size", int, int | None)


def the_output(
    package: ModelPackage,
    settings: Settings,
    outputs: Sequence[TensorSpec],
    fits: Callable[[Shape], bool],
    wanted: str,
) -> TensorSpec:
    """The output that the setting `output` names, else the only one whose shape fits.

    Args:
        package: for messages.
        settings: `output` must be among its known ones.
        outputs: of the graph.
        fits: whether an output of this shape can be the one; an unknown shape always can.
        wanted: the shape in words, for the message: "(batch, classes, height, width)".

    Raises:
        InvalidModel: none fits, or several do and the settings name none.
    """
    named = settings.choice("output", [spec.name for spec in outputs])
    fitting = [
        spec
        for spec in outputs
        if (spec.shape is None or fits(spec.shape)) and named in (None, spec.name)
    ]
    if len(fitting) == 1:
        return fitting[0]
    shapes = ", ".join(map(str, outputs)) or "no outputs"
    if not fitting:
        raise InvalidModel(f"{package.name}: expected an output {wanted}; the graph gives {shapes}")
    raise InvalidModel(
        f"{package.name}: several outputs can be {wanted}: {shapes}. Name one in the processor's "
        f'settings in model.json: "output": "{fitting[0].name}"'
    )


def channels_last(
    shape: Shape | None, inputs: Sequence[TensorSpec], counts: Collection[int] = ()
) -> bool:
    """Whether an output of maps is (batch, height, width, channels), as TensorFlow has it, and not
    (batch, channels, height, width).

    The number of channels tells, where it is known and one of the axes; else the order of the
    graph's pictures, which may differ from that of its maps; and where that is open, too, two sides
    that are equal and unlike the third.

    Args:
        shape: of the output; one that hasn't got four axes has no channels.
        inputs: of the graph.
        counts: how many channels there may be, as far as that is known otherwise.
    """
    if shape is None or len(shape) != 4:
        return False
    _, first, middle, last = shape
    if (first in counts) != (last in counts):
        return last in counts
    for spec in inputs:
        if (order := pictures_last(spec.shape)) is not None:
            return order
    return middle is not None and first == middle != last


def as_vectors_shape(shape: tuple[Size, ...]) -> tuple[Size, Size] | None:
    """(batch, D) of an output with a vector per picture, which may be (batch, 1, 1, D) as TensorFlow
    has it, or (batch, D, 1, 1); None of any other."""
    if len(shape) == 4 and shape[1:3] == (1, 1):
        return shape[0], shape[3]
    fits = len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1))
    return (shape[0], shape[1]) if fits else None
