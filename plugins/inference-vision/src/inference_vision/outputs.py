"""Finding the one output that a processor reads, and the order of its axes. Light: standard library
and inference_core only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.session import TensorSpec

from inference_vision.settings import Settings, pictures_last

Shape = tuple[int | None, ...]


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


def channels_last(shape: Shape | None, inputs: Sequence[TensorSpec]) -> bool:
    """Whether an output of maps is (batch, height, width, channels), as TensorFlow has it, and not
    (batch, channels, height, width).

    Two sides that are equal and unlike the third tell; else it is as with the graph's pictures.

    Args:
        shape: of the output; one that hasn't got four axes has no channels.
        inputs: of the graph.
    """
    if shape is None or len(shape) != 4:
        return False
    _, first, middle, last = shape
    if middle is not None and (first == middle) != (middle == last):
        return first == middle
    return any(pictures_last(spec.shape) for spec in inputs)
