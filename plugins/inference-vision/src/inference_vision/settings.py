"""A processor's settings from the manifest, checked strictly: an error beats a wrong picture.

Light: standard library and inference_core only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inference_core.arguments import did_you_mean
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.session import TensorSpec

MAX_SIDE = 16384  # of an input, in pixels


class Settings:
    """`package.processor.settings`, each fetched with the form it must have.

    Args:
        package: the model; a package without a processor has no settings.
        known: the settings there are.

    Raises:
        InvalidModel: a setting that isn't known, here, or one of the wrong form, when it is fetched.
    """

    def __init__(self, package: ModelPackage, known: Sequence[str]) -> None:
        self._values = package.processor.settings if package.processor else {}
        self._package = package.name
        for name in self._values:
            if name not in known:
                hint = did_you_mean(name, known) or f"; there are {', '.join(sorted(known))}"
                raise InvalidModel(f"{self._package}: processor setting {name!r} is unknown{hint}")

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        """One of `choices`; None if it isn't set."""
        value = self._values.get(name)
        if value is not None and value not in choices:
            raise self._wrong(name, f"one of {', '.join(choices)}")
        return value

    def size(self, name: str) -> tuple[int, int] | None:
        """A size as (height, width), from N or [height, width]; None if it isn't set."""
        value = self._values.get(name)
        if value is None:
            return None
        pair = value if isinstance(value, (list, tuple)) else (value, value)
        if len(pair) != 2 or not all(_is_int(side) and 1 <= side <= MAX_SIDE for side in pair):
            raise self._wrong(name, f"N or [height, width] in pixels, each 1 to {MAX_SIDE}")
        return pair[0], pair[1]

    def positive_int(self, name: str) -> int | None:
        """A whole number above zero; None if it isn't set."""
        value = self._values.get(name)
        if value is not None and not (_is_int(value) and value > 0):
            raise self._wrong(name, "a whole number above 0")
        return value

    def rgb(self, name: str) -> tuple[float, float, float] | None:
        """Three numbers, red first; None if it isn't set."""
        value = self._values.get(name)
        if value is None:
            return None
        numbers = isinstance(value, (list, tuple)) and all(
            _is_int(number) or isinstance(number, float) for number in value
        )
        if not numbers or len(value) != 3:
            raise self._wrong(name, "three numbers: red, green, blue")
        return float(value[0]), float(value[1]), float(value[2])

    def _wrong(self, name: str, wanted: str) -> InvalidModel:
        found = f"{self._values[name]!r:.60}"
        return InvalidModel(
            f"{self._package}: processor setting {name!r} must be {wanted}, not {found}"
        )


def image_input(
    package: ModelPackage,
    inputs: Sequence[TensorSpec],
    imgsz: tuple[int, int] | None,
    default: tuple[int, int],
    stride: int = 1,
) -> tuple[TensorSpec, int, int]:
    """The one image input of a graph, and the height and width to feed it with.

    Args:
        package: for messages.
        inputs: of the graph.
        imgsz: (height, width) from the settings.
        default: (height, width) where neither graph nor settings say.
        stride: what both must be a multiple of where the graph leaves them open.

    Raises:
        InvalidModel: there isn't exactly one input of the shape (batch, 3, height, width), or the
            settings contradict it.
    """
    if len(inputs) != 1:
        names = ", ".join(map(str, inputs)) or "none"
        raise InvalidModel(f"{package.name}: expected one image input; the graph has {names}")
    spec = inputs[0]
    shape: tuple[int | None, ...] = spec.shape or (None,) * 4
    if len(shape) != 4 or shape[1] not in (3, None):
        raise InvalidModel(
            f"{package.name}: expected an input (batch, 3, height, width), found {spec}"
        )
    wanted = imgsz or default
    sides = []
    for axis, side in zip(shape[2:], wanted, strict=True):
        if axis is not None and imgsz and axis != side:
            raise InvalidModel(
                f"{package.name}: the setting imgsz says {imgsz}, the graph takes {spec}"
            )
        if axis is None and side % stride:
            raise InvalidModel(
                f"{package.name}: imgsz {side} isn't a multiple of the stride {stride}; "
                f'set "imgsz": {max(stride, round(side / stride) * stride)} in the processor settings'
            )
        sides.append(side if axis is None else axis)
    return spec, sides[0], sides[1]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
