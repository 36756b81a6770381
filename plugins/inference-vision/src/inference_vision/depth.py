"""The `depth` processor: depth estimation with graphs that give one number per pixel or cell.

Its module is light: numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision.normalisation import IMAGENET_MEAN, IMAGENET_STD
from inference_vision.outputs import the_output
from inference_vision.semantic_segmentation import WHOLE_PICTURE
from inference_vision.settings import PICTURE_SETTINGS, Settings

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Depth

    from inference_vision.letterbox import Placement


@dataclass(frozen=True, slots=True)
class DepthOptions:
    """Per-call options of depth estimation.

    Attributes:
        color_format: channel order of images given as arrays.
    """

    color_format: Literal["bgr", "rgb"] = "bgr"


class DepthProcessor:
    """Depth estimation: the output is (batch, h, w), (batch, 1, h, w) or (batch, h, w, 1).

    Settings (all optional, in the manifest under "processor"), besides those of
    `picture_input.PictureInput`:
        output: name of the output, where several fit.

    The size is 518 where the graph leaves it open, pictures are stretched unless `resize` says
    "letterbox" or "fit", and pixels normalised with ImageNet's mean and deviation, as Depth Anything
    and the larger MiDaS take them; DPT and the small MiDaS want others.
    """

    OPTIONS: ClassVar[type] = DepthOptions
    TASK = "depth-estimation"

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        known = ("output", *(each for each in PICTURE_SETTINGS if each != "region"))
        settings = Settings(package, known)
        settings.choice("resize", WHOLE_PICTURE)
        graph = parts["model"]
        self._output = the_output(
            package,
            settings,
            graph.outputs,
            lambda shape: len(shape) == 3 or (len(shape) == 4 and bool({*shape[1::2]} & {1, None})),
            "(batch, height, width), (batch, 1, height, width) or (batch, height, width, 1)",
        ).name

        from inference_vision.picture_input import PictureInput

        self._input = PictureInput(
            package,
            settings,
            graph.inputs,
            size=(518, 518),
            resize="stretch",
            interpolation="cubic",
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        )

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Never: nothing in such a graph says how it wants its pixels normalised."""
        return None

    def preprocess(
        self, inputs: Sequence[Any], options: DepthOptions
    ) -> tuple[Tensors, tuple[Placement, ...]]:
        """The pictures as one tensor, and where each lies in its part of it."""
        return self._input.feeds(inputs, options.color_format)

    def postprocess(
        self, outputs: Tensors, context: tuple[Placement, ...], options: DepthOptions
    ) -> list[Depth]:
        """The depth of every pixel of each picture, in the model's own unit.

        Raises:
            InvalidModel: the output isn't one map per picture, or holds NaN.
        """
        from inference_core.results import Depth

        from inference_vision.finite import check_finite
        from inference_vision.upsampling import to_source

        raw = outputs[self._output]
        maps = raw
        if raw.ndim == 4 and 1 in (raw.shape[1], raw.shape[3]):
            maps = raw[:, 0] if raw.shape[1] == 1 else raw[..., 0]
        if maps.ndim != 3 or len(maps) != len(context) or 0 in maps.shape:
            raise InvalidModel(
                f"the output {self._output!r} has the shape {raw.shape}, which isn't a map for each "
                f"of {len(context)} pictures"
            )
        check_finite(maps, self._output, "depths")
        height, width = self._input.size
        return [
            Depth(to_source(each, placement, (width, height)).copy(), placement.source)
            for each, placement in zip(maps, context, strict=True)
        ]
