"""The `yolo-segmentation` processor: instance segmentation with YOLO graphs.

The graph gives a number of prototype masks, and with each box the coefficients by which they add up
to its own. Light, because `recognise` is asked while a model is resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.processor import Graph

from inference_vision.layouts import prototypes_of
from inference_vision.settings import CHANNELS, Settings
from inference_vision.yolo_model import YoloModel
from inference_vision.yolo_options import YoloMaskOptions

if TYPE_CHECKING:
    import numpy as np
    from inference_core.processor import Tensors
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement
    from inference_vision.yolo_decode import Candidates


class YoloSegmentationProcessor(YoloModel):
    """Instance segmentation; the settings are those of `yolo`."""

    OPTIONS = YoloMaskOptions
    TASK = "instance-segmentation"
    NAME = "yolo-segmentation"
    ULTRALYTICS_TASK = "segment"

    def _extras_of(self, package: ModelPackage, settings: Settings, graph: Graph) -> int:
        channels = settings.choice("channels", CHANNELS)
        prototypes = prototypes_of(graph.outputs, graph.inputs, len(package.labels), channels)
        if prototypes is None:
            shapes = ", ".join(map(str, graph.outputs)) or "no outputs"
            raise InvalidModel(
                f"{package.name}: expected one output (batch, prototypes, height, width) with the "
                f"number of prototypes, or with that last; the graph gives {shapes}. If only their "
                'order isn\'t clear, write "channels": "first" or "last" into the processor\'s '
                "settings in model.json"
            )
        self._prototypes, number, self._last = prototypes
        return number

    def _added(
        self,
        found: Candidates,
        xyxy: NDArray[np.float32],
        placement: Placement,
        index: int,
        outputs: Tensors,
        options: Any,
    ) -> dict[str, Any]:
        from inference_vision.prototype_masks import prototype_masks

        prototypes = outputs[self._prototypes]
        if self._last and prototypes.ndim == 4:
            prototypes = prototypes.transpose(0, 3, 1, 2)
        fits = prototypes.ndim == 4 and prototypes.shape[1] == self._extras and prototypes.size
        if not fits or len(prototypes) <= index:
            raise InvalidModel(
                f"the output {self._prototypes!r} has the shape {prototypes.shape}, which isn't "
                f"(pictures, {self._extras}, height, width)"
            )
        height, width = self._input.size
        masks = prototype_masks(
            found.extras,
            prototypes[index],
            xyxy,
            placement,
            (width, height),
            options.mask_format,
            self._prototypes,
        )
        return {"masks": masks}
