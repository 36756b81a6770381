"""The `blazeface` processor: faces and six points of each, by the detectors of MediaPipe.

Their graphs give boxes relative to anchors; `inference_vision.blazeface_decode` turns them into
detections as MediaPipe itself does. Light, because `recognise` is asked while a model is resolved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition
from inference_core.session import TensorSpec

from inference_vision.settings import Settings, image_input

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Detections

    from inference_vision.square_input import Square

TASK = "keypoint-detection"
LABELS = ("face",)
KEYPOINT_NAMES = (
    "right_eye", "left_eye", "nose_tip", "mouth_center", "right_ear_tragion", "left_ear_tragion",
)  # fmt: skip
"""As MediaPipe calls them; right and left are the person's own."""

NUMBERS = 4 + 2 * len(KEYPOINT_NAMES)
"""Of a box: cx, cy, w, h, and x, y of each keypoint."""


@dataclass(frozen=True, slots=True)
class Form:
    """One of MediaPipe's face detectors.

    Attributes:
        side: of its square input, in pixels.
        strides: of its grids of anchors, in pixels of the input; equal ones share their cells.
        per_stride: anchors of a cell for each of the strides.
    """

    side: int
    strides: tuple[int, ...]
    per_stride: int

    @property
    def boxes(self) -> int:
        """How many it gives: one for each anchor."""
        return sum((self.side // stride) ** 2 * self.per_stride for stride in self.strides)


FORMS = (Form(128, (8, 16, 16, 16), 2), Form(192, (4,), 1))
"""The short-range and the full-range one: SsdAnchorsCalculatorOptions in the graphs of MediaPipe's
module face_detection. The models for both ranges called "sparse" have the form of the latter."""


@dataclass(frozen=True, slots=True)
class BlazefaceOptions:
    """Per-call options of face detection; the defaults are MediaPipe's.

    Attributes:
        confidence: least score of a face, 0 to 1.
        iou: boxes that overlap the best one by more than this (intersection over union, 0 to 1) are
            taken for the same face, and averaged.
        max_detections: at most so many per picture, the most confident.
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range.
    """

    confidence: float = 0.5
    iou: float = 0.3
    max_detections: int = 300
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        for name in ("confidence", "iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidArgument(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        if self.max_detections < 1:
            raise InvalidArgument(f"max_detections must be at least 1, not {self.max_detections}")


class BlazefaceProcessor:
    """Faces with MediaPipe's detectors, short-range and full-range. There are no settings: pictures go
    into the graph as they do in MediaPipe, see `inference_vision.square_input`.
    """

    OPTIONS: ClassVar[type] = BlazefaceOptions

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        Settings(package, ())
        graph = parts["model"]
        spec, height, width, _, self._last = image_input(package, graph.inputs, None, (128, 128))
        form = form_of(graph.outputs, (height, width))
        if form is None:
            shapes = ", ".join(map(str, graph.outputs)) or "no outputs"
            raise InvalidModel(
                f"{package.name}: a face detector of MediaPipe gives {_known()}; the graph, whose "
                f"input is {height} x {width}, gives {shapes}"
            )
        self._form = form
        self._ends = _ends(graph.outputs)
        self._label = package.labels[0] if package.labels else LABELS[0]

        from inference_vision.blazeface_decode import anchors
        from inference_vision.planes import tensor_dtype
        from inference_vision.tensor_memory import TensorMemory

        self._anchors = anchors(form)
        self._input, self._dtype = spec.name, tensor_dtype(spec.dtype)
        self._memory = TensorMemory()

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """By the shapes of input and outputs, which nothing else has."""
        shapes = [spec.shape for spec in facts.get("inputs", ())]
        if len(shapes) != 1 or shapes[0] is None or len(shapes[0]) != 4:
            return None
        _, one, two, three = shapes[0]
        size = (one, two) if three == 3 else (two, three) if one == 3 else (None, None)
        known = form_of(facts.get("outputs", ()), size) is not None
        return Recognition(TASK, LABELS) if known else None

    def preprocess(
        self, inputs: Sequence[Any], options: BlazefaceOptions
    ) -> tuple[Tensors, tuple[Square, ...]]:
        """The pictures as one tensor, and where each lies in its part of it."""
        from inference_vision.image import read_image
        from inference_vision.square_input import write_square

        side = self._form.side
        shape = (side, side, 3) if self._last else (3, side, side)
        tensor = self._memory.empty((len(inputs), *shape), self._dtype)
        planes = tensor.transpose(0, 3, 1, 2) if self._last else tensor
        images = [read_image(value, options.color_format) for value in inputs]
        return {self._input: tensor}, tuple(map(write_square, images, planes))

    def postprocess(
        self, outputs: Tensors, context: tuple[Square, ...], options: BlazefaceOptions
    ) -> list[Detections]:
        """The faces of each picture, in source pixels, most confident first.

        Raises:
            InvalidModel: an output doesn't have its shape, or holds NaN or infinite numbers.
        """
        from inference_vision.blazeface_decode import faces

        boxes, scores = (outputs[name] for name in self._ends)
        count = self._form.boxes
        wanted = (len(context), count, NUMBERS), (len(context), count, 1)
        if (boxes.shape, scores.shape) != wanted:
            raise InvalidModel(
                f"the outputs {self._ends[0]!r} and {self._ends[1]!r} have the shapes "
                f"{boxes.shape} and {scores.shape}; wanted are {wanted[0]} and {wanted[1]}"
            )
        return [
            faces(rows, logits[:, 0], self._anchors, square, options, self._label, self._ends)
            for rows, logits, square in zip(boxes, scores, context, strict=True)
        ]


def form_of(outputs: Sequence[TensorSpec], size: tuple[int | None, int | None]) -> Form | None:
    """The detector that has these outputs for an input of this (height, width)."""
    if len(outputs) != 2 or any(spec.shape is None or len(spec.shape) != 3 for spec in outputs):
        return None
    shapes = {spec.shape[1:] for spec in outputs if spec.shape}
    return next(
        (
            form
            for form in FORMS
            if size == (form.side, form.side) and shapes == {(form.boxes, NUMBERS), (form.boxes, 1)}
        ),
        None,
    )


def _ends(outputs: Sequence[TensorSpec]) -> tuple[str, str]:
    """Names of the outputs with the boxes and with the scores, in whatever order they come."""
    first, second = outputs
    return (
        (second.name, first.name)
        if first.shape and first.shape[2] == 1
        else (
            first.name,
            second.name,
        )
    )


def _known() -> str:
    return " or ".join(
        f"(batch, {form.boxes}, {NUMBERS}) and (batch, {form.boxes}, 1) for an input of {form.side} "
        f"x {form.side}"
        for form in FORMS
    )
