"""From pictures to a graph's image input: the one way in that all processors share.

A `PictureInput` is made once per model, from its settings and the graph's input, and then called
with pictures: it crops, greys, adjusts, resizes, pads, normalises and orders them, in as few passes
as the settings allow, and says where each picture lies so that results can be mapped back.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.session import TensorSpec
from numpy.typing import NDArray

from inference_vision.contrast import ADJUSTMENTS
from inference_vision.image import Image, Pixels, read_image
from inference_vision.letterbox import Placement, Region, Rounding, Size
from inference_vision.planes import Normalisation, resize, tensor_dtype, write_planes
from inference_vision.settings import (
    CHANNELS,
    FITS,
    INTERPOLATIONS,
    Fit,
    Settings,
    image_input,
)
from inference_vision.tensor_memory import TensorMemory

PADDING = (114, 114, 114)
"""Grey, as Ultralytics models are trained with."""


class PictureInput:
    """Makes one tensor of N pictures. Safe for threads.

    Settings (all optional, in the manifest under "processor"; `settings.PICTURE_SETTINGS`):
        imgsz: N or [height, width], where the graph leaves its input size open.
        resize: "letterbox", "fit", "stretch", "crop" or "unscaled", see `inference_vision.letterbox`.
        rounding: of a letterbox: "nearest" or "down".
        interpolation: "auto" (area for shrinking, linear for enlarging), "nearest", "linear",
            "cubic" or "area".
        padding: the colour around a picture: a grey, or [red, green, blue], of 0 to 255.
        color_mode: order of the channels in the tensor, "rgb" or "bgr"; or "gray", which makes all
            channels equal (ITU-R BT.601 luma), and is what a graph with one channel gets.
        scale, mean, std: (pixel / scale - mean) / std; mean and std red first, whatever the order
            in the tensor; by default 255, 0 and 1 unless the processor says otherwise.
        contrast: "stretching", "histogram-equalisation" or "adaptive-equalisation", before resizing.
        region: [left, top, right, bottom] in percent: the part of a picture to look at.
        channels: "first" or "last" in the tensor, where the graph's shape leaves it open.

    Attributes:
        name: of the graph's input.
        size: (height, width) of the tensor, in pixels.

    Args:
        package: for messages.
        settings: of the processor; the ones above must be among its known ones.
        inputs: the graph's; exactly one. Of a graph with several, the one that takes pictures.
        size: default of imgsz.
        stride: what imgsz must be a multiple of.
        resize: default of the setting, like the following.
        interpolation: see above.
        padding: see above.
        mean: see above.
        std: see above.

    Raises:
        InvalidModel: a setting is wrong, the input isn't one for pictures, or they contradict.
    """

    def __init__(
        self,
        package: ModelPackage,
        settings: Settings,
        inputs: Sequence[TensorSpec],
        *,
        size: Size = (640, 640),
        stride: int = 1,
        resize: Fit = "letterbox",
        interpolation: str = "linear",
        padding: tuple[int, int, int] = PADDING,
        mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
        std: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        spec, height, width, self._channels, self._channels_last = image_input(
            package,
            inputs,
            settings.size("imgsz"),
            size,
            stride,
            settings.choice("channels", CHANNELS),
        )
        self.name, self.size = spec.name, (height, width)
        self._dtype = tensor_dtype(spec.dtype)
        self._fit = cast(Fit, settings.choice("resize", FITS) or resize)
        rounding = settings.choice("rounding", ("nearest", "down")) or "nearest"
        self._rounding = cast(Rounding, rounding)
        chosen = settings.choice("interpolation", INTERPOLATIONS) or interpolation
        self._interpolation = None if chosen == "auto" else getattr(cv2, f"INTER_{chosen.upper()}")
        self._region = settings.percent_region("region")
        contrast = settings.choice("contrast", tuple(ADJUSTMENTS))
        self._adjust = ADJUSTMENTS[contrast] if contrast else None
        self._color_mode = settings.choice("color_mode", ("rgb", "bgr", "gray")) or "rgb"
        if self._channels == 1:
            self._color_mode = "gray"
        self._normalisation = _normalisation(package, settings, self._dtype, mean, std)
        self._padding = self._padding_of(settings.colour("padding") or padding)
        self._memory = TensorMemory()

    def __call__(self, images: Sequence[Image]) -> tuple[NDArray[Any], tuple[Placement, ...]]:
        """The tensor, C-contiguous and the caller's to keep, and where each picture lies in it.

        Its shape is (N, channels, height, width), or (N, height, width, channels).
        """
        (height, width), channels = self.size, self._channels
        shape = (height, width, channels) if self._channels_last else (channels, height, width)
        tensor = self._memory.empty((len(images), *shape), self._dtype)
        planes = tensor.transpose(0, 3, 1, 2) if self._channels_last else tensor
        return tensor, tuple(map(self._write, images, planes))

    def feeds(
        self, values: Sequence[Any], color_format: str
    ) -> tuple[dict[str, NDArray[Any]], tuple[Placement, ...]]:
        """What the caller gave, read and as the graph's input by name; and where each picture lies.

        Args:
            values: paths, bytes, PIL images or arrays, as `image.read_image` takes them.
            color_format: "bgr" or "rgb": the channel order of arrays.

        Raises:
            InvalidInput: one can't be read.
        """
        tensor, placements = self([read_image(value, color_format) for value in values])
        return {self.name: tensor}, placements

    def _write(self, image: Image, out: NDArray[Any]) -> Placement:
        """Draw a picture into its (channels, height, width) of the tensor."""
        height, width = self.size
        region = _in_pixels(self._region, image.size) if self._region else None
        placement = _placed(image.size, (width, height), self._fit, self._rounding, region)
        pixels = self._prepared(image, region, placement)
        pixels = resize(pixels, *placement.inner, self._interpolation)
        left, top = placement.offset
        # A crop sticks out of the input, by a single pixel on the right or below alone.
        x, y = max(0, -left), max(0, -top)
        pixels = pixels[y : y + height, x : x + width]
        left, top = max(0, left), max(0, top)
        bottom, right = top + pixels.shape[0], left + pixels.shape[1]
        for part in (
            out[:, :top],
            out[:, bottom:],
            out[:, top:bottom, :left],
            out[:, top:bottom, right:],
        ):
            if part.size:
                part[...] = self._padding
        target = out[:, top:bottom, left:right]
        scale, shift = self._normalisation.scale, self._normalisation.shift
        if pixels.ndim == 3:
            if image.color_format != self._color_mode:
                target = target[::-1]
            if image.color_format == "bgr":
                scale, shift = scale[::-1], shift[::-1]
        write_planes(pixels, target, scale[: len(out)], shift[: len(out)])
        return placement

    def _prepared(self, image: Image, region: Region | None, placement: Placement) -> Pixels:
        """What the placement uses of a picture, grey and adjusted where the settings say so.

        What is adjusted is the whole region of the settings: the rest of it counts, too.
        """
        left, top, right, bottom = region or (0, 0, *image.size)
        pixels = image.pixels[top:bottom, left:right]
        if self._color_mode == "gray":
            rgb = image.color_format == "rgb"
            grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY if rgb else cv2.COLOR_BGR2GRAY)
            pixels = np.asarray(grey, np.uint8)
        if self._adjust:
            pixels = self._adjust(pixels)
        x1, y1, x2, y2 = placement.area
        return pixels[y1 - top : y2 - top, x1 - left : x2 - left]

    def _padding_of(self, colour: tuple[int, int, int]) -> NDArray[Any]:
        """The padding as the tensor holds it: (channels, 1, 1)."""
        values: Any = np.array(colour, np.float64)
        if self._dtype != np.uint8:
            values = values * self._normalisation.scale + self._normalisation.shift
        if self._color_mode == "bgr":
            values = values[::-1]
        return np.asarray(values[: self._channels, None, None]).astype(self._dtype)


# Most pictures of a program have the size of the one before.
_placed = functools.lru_cache(maxsize=256)(Placement.of)


def _normalisation(
    package: ModelPackage,
    settings: Settings,
    dtype: np.dtype[Any],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> Normalisation:
    scale, stated_mean, stated_std = (
        settings.number("scale"),
        settings.rgb("mean"),
        settings.rgb("std"),
    )
    if stated_std and 0 in stated_std:
        raise InvalidModel(f"{package.name}: processor setting 'std' must not hold 0")
    if dtype == np.uint8:
        stated = Normalisation.of(stated_mean or (0.0,) * 3, stated_std or (1.0,) * 3, scale or 1)
        if stated != Normalisation.of((0.0,) * 3, (1.0,) * 3, 1):
            raise InvalidModel(
                f"{package.name}: the graph takes uint8 pixels, to which 'scale', 'mean' and 'std' "
                "can't apply"
            )
    return Normalisation.of(stated_mean or mean, stated_std or std, scale or 255)


def _in_pixels(percent: tuple[float, float, float, float], size: Size) -> Region:
    """A region in whole pixels, at least one, as Roboflow rounds it: down."""
    width, height = size
    left, right = (int(part / 100 * width) for part in percent[::2])
    top, bottom = (int(part / 100 * height) for part in percent[1::2])
    left, top = min(left, width - 1), min(top, height - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)
