"""A processor's settings from the manifest, checked strictly: an error beats a wrong picture.

Light: standard library and inference_core only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

from inference_core.arguments import did_you_mean
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.session import TensorSpec

MAX_SIDE = 16384  # of an input, in pixels

Fit = Literal["letterbox", "fit", "stretch", "crop", "unscaled"]
FITS: tuple[Fit, ...] = get_args(Fit)
INTERPOLATIONS = ("auto", "nearest", "linear", "cubic", "area")
CHANNELS = ("first", "last")

PICTURE_SETTINGS = (
    "imgsz", "resize", "rounding", "interpolation", "padding", "color_mode", "scale", "mean", "std",
    "contrast", "region", "channels",
)  # fmt: skip
"""The settings that `picture_input.PictureInput` reads, and documents."""


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

    def number(self, name: str) -> float | None:
        """A number above zero; None if it isn't set."""
        value = self._values.get(name)
        if value is not None and not (_is_number(value) and value > 0):
            raise self._wrong(name, "a number above 0")
        return value

    def any_number(self, name: str) -> float | None:
        """A finite number; None if it isn't set."""
        value = self._values.get(name)
        if value is not None and not _is_number(value):
            raise self._wrong(name, "a number")
        return value

    def text(self, name: str) -> str | None:
        """A text that isn't empty; None if it isn't set."""
        value = self._values.get(name)
        if value is not None and not (isinstance(value, str) and value):
            raise self._wrong(name, "a text")
        return value

    def rgb(self, name: str) -> tuple[float, float, float] | None:
        """Three numbers, red first; None if it isn't set."""
        numbers = self._numbers(name, 3, "three numbers: red, green, blue")
        return None if numbers is None else (numbers[0], numbers[1], numbers[2])

    def colour(self, name: str) -> tuple[int, int, int] | None:
        """Red, green and blue as whole numbers of 0 to 255, from one (a grey) or three of them."""
        value = self._values.get(name)
        if value is None:
            return None
        three = value if isinstance(value, (list, tuple)) else (value,) * 3
        if len(three) != 3 or not all(_is_int(part) and 0 <= part <= 255 for part in three):
            raise self._wrong(name, "a grey or [red, green, blue], whole numbers of 0 to 255")
        return three[0], three[1], three[2]

    def percent_region(self, name: str) -> tuple[float, float, float, float] | None:
        """A part of a picture as (left, top, right, bottom) in percent of its width and height."""
        wanted = "[left, top, right, bottom] in percent, 0 to 100, left < right and top < bottom"
        numbers = self._numbers(name, 4, wanted)
        if numbers is None:
            return None
        left, top, right, bottom = numbers
        if not (0 <= left < right <= 100 and 0 <= top < bottom <= 100):
            raise self._wrong(name, wanted)
        return left, top, right, bottom

    def whole_numbers(self, name: str, count: int) -> tuple[int, ...] | None:
        """So many whole numbers above zero; None if it isn't set."""
        value = self._values.get(name)
        if value is None:
            return None
        fine = isinstance(value, (list, tuple)) and all(_is_int(one) and one > 0 for one in value)
        if not fine or len(value) != count:
            raise self._wrong(name, f"a list of {count} whole numbers above 0")
        return tuple(value)

    def indices(self, name: str) -> tuple[int, ...] | None:
        """Whole numbers of at least 0, none of them twice; None if it isn't set."""
        value = self._values.get(name)
        if value is None:
            return None
        fine = isinstance(value, (list, tuple)) and all(_is_int(one) and one >= 0 for one in value)
        if not fine or len(set(value)) != len(value):
            raise self._wrong(name, "a list of different whole numbers of at least 0")
        return tuple(value)

    def names(self, name: str) -> tuple[str, ...] | None:
        """A list of strings; None if it isn't set."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
            raise self._wrong(name, "a list of names")
        return tuple(value)

    def _numbers(self, name: str, count: int, wanted: str) -> tuple[float, ...] | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)) or not all(map(_is_number, value)):
            raise self._wrong(name, wanted)
        if len(value) != count:
            raise self._wrong(name, wanted)
        return tuple(map(float, value))

    def _wrong(self, name: str, wanted: str) -> InvalidModel:
        found = f"{self._values[name]!r:.60}"
        return InvalidModel(
            f"{self._package}: processor setting {name!r} must be {wanted}, not {found}"
        )


class ImageTensor(NamedTuple):
    """The form of a graph's image input.

    Attributes:
        spec: of the input.
        height: in pixels; what the graph fixes, else what the settings or the processor say.
        width: likewise.
        channels: 3 or 1.
        channels_last: whether the shape is (batch, height, width, channels), not (batch, channels,
            height, width).
    """

    spec: TensorSpec
    height: int
    width: int
    channels: int
    channels_last: bool


def image_input(
    package: ModelPackage,
    inputs: Sequence[TensorSpec],
    imgsz: tuple[int, int] | None,
    default: tuple[int, int],
    stride: int = 1,
    channels: str | None = None,
) -> ImageTensor:
    """The one image input of a graph, and its form.

    Args:
        package: for messages.
        inputs: of the graph.
        imgsz: (height, width) from the settings.
        default: (height, width) where neither graph nor settings say.
        stride: what both must be a multiple of where the graph leaves them open.
        channels: "first" or "last" from the settings; None goes by the shape, and takes first
            where that leaves it open, as graphs with nothing but open axes mostly have it.

    Raises:
        InvalidModel: there isn't exactly one input of four axes, one of which holds 3 channels (or
            1), or the settings contradict it.
    """
    if len(inputs) != 1:
        names = ", ".join(map(str, inputs)) or "none"
        raise InvalidModel(f"{package.name}: expected one image input; the graph has {names}")
    spec = inputs[0]
    shape: tuple[int | None, ...] = spec.shape or (None,) * 4
    known = pictures_last(shape)
    if None not in (channels, known) and (channels == "last") != known:
        raise InvalidModel(
            f"{package.name}: the setting channels says {channels!r}, the graph takes {spec}"
        )
    last = channels == "last" or bool(known)
    if len(shape) != 4 or shape[3 if last else 1] not in (1, 3, None):
        axes = "height, width, 3" if last else "3, height, width"
        raise InvalidModel(f"{package.name}: expected an input (batch, {axes}), found {spec}")
    depth = shape[3 if last else 1] or 3
    sides = []
    for axis, side in zip(shape[1:3] if last else shape[2:], imgsz or default, strict=True):
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
    return ImageTensor(spec, sides[0], sides[1], depth, last)


def pictures_last(shape: tuple[int | None, ...] | None) -> bool | None:
    """Whether an input of this shape takes pictures as (batch, height, width, channels), and not as
    (batch, channels, height, width); None where the shape leaves it open, or is none of pictures."""
    if shape is None or len(shape) != 4:
        return None
    first, last = shape[1], shape[3]
    # A stated 3 (or 1) tells; else an axis that can't be that tells where it isn't.
    for can_be in ((1, 3), (1, 3, None)):
        if (first in can_be) != (last in can_be):
            return last in can_be
    return None


def picture_size(
    shape: tuple[int | None, ...] | None,
) -> tuple[int | None, int | None] | None:
    """(height, width) of an input for pictures, as far as they are stated; None where
    `pictures_last` is."""
    last = pictures_last(shape)
    if shape is None or last is None:
        return None
    return (shape[1], shape[2]) if last else (shape[2], shape[3])


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))
