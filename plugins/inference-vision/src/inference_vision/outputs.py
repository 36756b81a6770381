"""Finding the one output that a processor reads, and the order of its axes. Light: standard library
and inference_core only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.session import TensorSpec

from inference_vision.settings import Settings, picture_size, pictures_last

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
    shape: Shape | None,
    inputs: Sequence[TensorSpec],
    counts: Collection[int] = (),
    stated: str | None = None,
) -> bool | None:
    """Whether an output of maps is (batch, height, width, channels), as TensorFlow has it, and not
    (batch, channels, height, width); None if it may be either.

    What tells, the surest first: how many channels there are; one stated axis beside two open ones,
    which are the sides; sides in the proportions of the graph's pictures; the order of the pictures,
    which may differ from that of maps; two equal sides. Where nothing at all is stated the channels
    come first, as with pictures.

    Args:
        shape: of the output; one that hasn't got four axes has no channels. None may be any.
        inputs: of the graph.
        counts: how many channels there may be, as far as that is known otherwise.
        stated: the setting `channels` of pictures, for graphs that leave their order open.
    """
    if shape is not None and len(shape) != 4:
        return False
    _, first, middle, last = shape or (None,) * 4
    if (first in counts) != (last in counts):
        return last in counts
    if middle is None and (first is None) != (last is None):
        return first is None
    for picture in (spec.shape for spec in inputs):
        if (order := pictures_last(picture)) is not None:
            told = _sides_last(first, middle, last, picture_size(picture))
            return order if told is None else told
    if stated is not None:
        return stated == "last"
    if (first == middle) != (middle == last):
        return first == middle
    return None if first or middle or last else False


def _sides_last(
    first: int | None,
    middle: int | None,
    last: int | None,
    size: tuple[int | None, int | None] | None,
) -> bool | None:
    """Whether the sides of a map come before its channels, by the (height, width) of the pictures,
    which is a multiple of theirs; None if that doesn't tell."""
    height, width = size or (None, None)
    if not (first and middle and last and height and width):
        return None
    as_first = abs(height * last - width * middle)
    as_last = abs(height * middle - width * first)
    # Less than a cell is what the sides were rounded by.
    for most in (0, max(height, width) - 1):
        if (as_first <= most) != (as_last <= most):
            return as_last <= most
    return None


def as_vectors_shape(shape: tuple[Size, ...]) -> tuple[Size, Size] | None:
    """(batch, D) of an output with a vector per picture, which may be (batch, 1, 1, D) as TensorFlow
    has it, or (batch, D, 1, 1); None of any other."""
    if len(shape) == 4 and shape[1:3] == (1, 1):
        return shape[0], shape[3]
    fits = len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1))
    return (shape[0], shape[1]) if fits else None
