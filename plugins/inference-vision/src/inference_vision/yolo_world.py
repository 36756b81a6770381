"""The `yolo-world` processor: detection of what the call names, by a detector and a text encoder.

A YOLO-World that was exported with its classes needs none of this: it is a plain `yolo`. Its module
is light: numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import Facts, ModelPackage, ProcessorSpec
from inference_core.processor import Graph, Recognition

from inference_vision.settings import PICTURE_SETTINGS, Settings
from inference_vision.yolo import YoloProcessor
from inference_vision.yolo_options import YoloOptions

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Detections
    from inference_core.session import TensorSpec
    from numpy.typing import NDArray

    Parts = Mapping[str, Callable[[Tensors], Tensors]]

LAYOUTS = ("boxes-scores", "end-to-end")
OWN_SETTINGS = ("tokenizer", "context")


@dataclass(frozen=True, slots=True)
class YoloWorldOptions(YoloOptions):
    """Per-call options of open-vocabulary detection: those of detection, and what to look for.

    Attributes:
        labels: what to look for, in words; None for the labels of the model.
        prompt: what is said of each; the label goes where "{}" stands.

    Raises:
        InvalidArgument: a value out of range, labels that are none, or one of them twice.
    """

    labels: tuple[str, ...] | None = None
    prompt: str = "{}"

    def __post_init__(self) -> None:
        YoloOptions.__post_init__(self)
        if self.labels is not None and (
            not self.labels or len(set(self.labels)) < len(self.labels)
        ):
            raise InvalidArgument("labels must name at least one class, and none twice")


class YoloWorldProcessor:
    """YOLO-World in two parts: "model", the detector, and "text", CLIP's text encoder.

    The detector takes pictures and text embeddings (batch, classes, D), of length 1 each, and gives
    (batch, 4 + classes, boxes) as every YOLO does, or (batch, boxes, 6) after its own suppression.
    Where it fixes the number of classes, that is the most a call may name; the others are given
    zeros and left out. The text part is described in `inference_vision.text_encoder`.

    Settings (all optional, in the manifest under "processor"), besides those of the `yolo` processor:
        layout: "boxes-scores" (the default) or "end-to-end".
        tokenizer: the tokenizer's file in the package; "tokenizer.json".
        context: most tokens of a text, where the graph leaves it open; 77.
    """

    OPTIONS: ClassVar[type] = YoloWorldOptions
    TASK = "object-detection"

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        if set(parts) != {"model", "text"}:
            raise InvalidModel(
                f'{package.name}: the processor yolo-world takes the parts "model" and "text"; the '
                f"artifact has {', '.join(parts)}. Exported with its classes, a YOLO-World is a model "
                "of one part, for the processor yolo"
            )
        settings = Settings(package, (*OWN_SETTINGS, "layout", "stride", *PICTURE_SETTINGS))
        self._package = package
        self._graph = parts["model"]
        self._images, self._classes = _inputs(package, self._graph.inputs)
        self._output = _output(package, self._graph.outputs)
        self._layout = settings.choice("layout", LAYOUTS) or LAYOUTS[0]

        from inference_vision.text_encoder import TextEncoder

        self._texts = TextEncoder(
            package, parts["text"], settings.text("tokenizer"), settings.positive_int("context")
        )
        self._detector = self._detector_of(package.labels or ("object",))

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Never: a model of several parts states its processor in its manifest."""
        return None

    def run(
        self, inputs: Sequence[Any], options: YoloWorldOptions, parts: Parts
    ) -> list[Detections]:
        """The detections of each picture, in source pixels, most confident first.

        Raises:
            InvalidArgument: nothing is named, or more than the detector takes.
            InferenceError: `tokenizers` isn't installed.
            InvalidModel: a part gives something else than was declared, or NaN.
        """
        from inference_vision.batches import run_rows

        labels = options.labels or self._package.labels
        if not labels:
            raise InvalidArgument('what is to be found? Name it: labels=["a dog", "a red car"]')
        detector = self._detector
        if labels != detector.package.labels:
            # Kept for the next call, which mostly asks for the same; threads may replace it.
            self._detector = detector = self._detector_of(labels)
        feeds, placements = detector.preprocess(inputs, options)
        feeds = {
            **feeds,
            self._classes.name: self._embeddings(labels, options, parts, len(placements)),
        }
        raw = run_rows(parts["model"], self._graph, feeds, self._output)
        if self._layout == "boxes-scores":
            raw = raw[:, : 4 + len(labels)]
        return detector.postprocess({self._output: raw}, placements, options)

    def _embeddings(
        self, labels: tuple[str, ...], options: YoloWorldOptions, parts: Parts, count: int
    ) -> NDArray[Any]:
        """(pictures, classes, D), the same for each picture."""
        import numpy as np

        from inference_vision.text_encoder import prompts

        vectors = self._texts.unit_vectors(prompts(labels, options.prompt), parts["text"])
        shape = self._classes.shape or (None, None, None)
        if shape[2] not in (None, vectors.shape[1]):
            raise InvalidModel(
                f"{self._package.name}: the part 'text' gives {vectors.shape[1]} numbers; the part "
                f"'model' takes {self._classes}"
            )
        most = shape[1] or len(labels)
        if len(labels) > most:
            raise InvalidArgument(f"this export takes {most} labels at once, not {len(labels)}")
        dtype = "float32" if self._classes.dtype == "any" else self._classes.dtype
        embeddings = np.zeros((count, most, vectors.shape[1]), dtype)
        embeddings[:, : len(labels)] = vectors
        return embeddings

    def _detector_of(self, labels: tuple[str, ...]) -> _Detector:
        """The plain detector of these classes."""
        assert self._package.processor is not None
        settings = {
            name: value
            for name, value in self._package.processor.settings.items()
            if name not in OWN_SETTINGS
        }
        package = replace(
            self._package,
            labels=labels,
            processor=ProcessorSpec("yolo", {**settings, "layout": self._layout}),
            parameters={},  # they may name classes of another vocabulary
        )
        return _Detector(package, Graph((self._images,), (_unknown(self._graph, self._output),)))


class _Detector(YoloProcessor):
    """A plain YOLO of one vocabulary, which remembers it."""

    def __init__(self, package: ModelPackage, graph: Graph) -> None:
        super().__init__(package, {"model": graph})
        self.package = package


def _unknown(graph: Graph, output: str) -> TensorSpec:
    """An output whose number of classes isn't what the graph fixes, but what a call names."""
    (spec,) = [each for each in graph.outputs if each.name == output]
    return replace(spec, shape=None)


def _inputs(package: ModelPackage, inputs: Sequence[TensorSpec]) -> tuple[TensorSpec, TensorSpec]:
    """The input for pictures and the one for embeddings."""
    images = [spec for spec in inputs if spec.shape is not None and len(spec.shape) == 4]
    classes = [spec for spec in inputs if spec.shape is not None and len(spec.shape) == 3]
    if len(images) == len(classes) == 1 and len(inputs) == 2:
        return images[0], classes[0]
    raise InvalidModel(
        f"{package.name}: the part 'model' must take pictures (batch, 3, height, width) and text "
        f"embeddings (batch, classes, D); it takes {', '.join(map(str, inputs)) or 'nothing'}"
    )


def _output(package: ModelPackage, outputs: Sequence[TensorSpec]) -> str:
    fitting = [spec.name for spec in outputs if spec.shape is None or len(spec.shape) == 3]
    if len(fitting) == 1:
        return fitting[0]
    raise InvalidModel(
        f"{package.name}: the part 'model' must give one output of three axes; it gives "
        f"{', '.join(map(str, outputs)) or 'nothing'}"
    )
