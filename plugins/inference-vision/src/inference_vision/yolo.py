"""The `yolo` processor: object detection with any graph that gives boxes as YOLO exports do.

Light, because `recognise` is asked while a model is resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference_core.errors import InvalidModel
from inference_core.package import Facts
from inference_core.processor import Graph, Recognition

from inference_vision import embedded_nms
from inference_vision.layouts import LAYOUTS, Layout
from inference_vision.settings import Settings
from inference_vision.yolo_model import YoloModel
from inference_vision.yolo_options import YoloOptions

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from numpy.typing import NDArray

__all__ = ["YoloOptions", "YoloProcessor"]


class YoloProcessor(YoloModel):
    """Object detection with YOLO graphs; see `inference_vision.layouts` for the forms of output, and
    `inference_vision.embedded_nms` for two more of graphs that suppress overlaps themselves.

    Settings (all optional, in the manifest under "processor"):
        layout: "boxes-scores", "objectness", "end-to-end", "flat" or "counted", where shapes and
            names don't tell.
        stride: what imgsz must be a multiple of; else 32.
        coordinates: "pixels" of the input (the default), or "relative": fractions of its width and
            height, as Ultralytics exports for TensorFlow Lite have them.
        those of `inference_vision.picture_input`; imgsz is 640 by default, resize "letterbox".
    """

    TASK = "object-detection"
    NAME = "yolo"
    ULTRALYTICS_TASK = "detect"

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Ultralytics' exports and YOLOv5's by their metadata, and YOLOv6's and v7's for TensorRT by
        the names of their outputs, without labels.

        Raises:
            InvalidModel: the metadata is Ultralytics', but damaged.
        """
        named = "names" in (facts.get("metadata") or {})
        if not named and embedded_nms.form_of(facts.get("outputs", ())) == "counted":
            return Recognition(cls.TASK, (), {"layout": "counted"})
        return super().recognise(facts)

    def _chosen(self, settings: Settings, graph: Graph) -> tuple[str, Layout]:
        layout = settings.choice("layout", (*LAYOUTS, *embedded_nms.FORMS))
        form = embedded_nms.form_of(graph.outputs)
        self._embedded = form if layout in (None, form) else None
        if self._embedded is not None:
            name = "det_boxes" if form == "counted" else graph.outputs[0].name
            return name, "end-to-end"
        if layout in embedded_nms.FORMS:
            shapes = ", ".join(map(str, graph.outputs)) or "no outputs"
            raise InvalidModel(
                f"the outputs aren't those of the layout {layout}: the graph gives {shapes}. Wanted "
                f"is one output (boxes, 7) for flat, and {', '.join(embedded_nms.COUNTED)} for counted"
            )
        return super()._chosen(settings, graph)

    def _raw(self, outputs: Tensors, pictures: int) -> NDArray[Any]:
        if self._embedded == "counted":
            return embedded_nms.of_counted(outputs)
        if self._embedded == "flat":
            raw, columns = outputs[self._output], embedded_nms.YOLOV7_COLUMNS
            return embedded_nms.of_flat(raw, pictures, columns, self._output)[0]
        return super()._raw(outputs, pictures)
