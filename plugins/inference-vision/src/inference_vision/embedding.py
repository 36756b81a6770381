"""The `embedding` processor: pictures as vectors, with graphs that give one, or one per patch.

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
from inference_vision.outputs import as_vectors_shape, the_output
from inference_vision.settings import PICTURE_SETTINGS, Settings

if TYPE_CHECKING:
    from inference_core.processor import Tensors
    from inference_core.results import Embedding

POOLINGS = ("cls", "mean")


@dataclass(frozen=True, slots=True)
class EmbeddingOptions:
    """Per-call options of embeddings.

    Attributes:
        normalize: whether vectors are scaled to length 1, so that a scalar product is a cosine.
        color_format: channel order of images given as arrays.
    """

    normalize: bool = True
    color_format: Literal["bgr", "rgb"] = "bgr"


class EmbeddingProcessor:
    """Embeddings of pictures. The output is (batch, D), (batch, D, 1, 1), (batch, 1, 1, D), or
    (batch, tokens, D).

    Settings (all optional, in the manifest under "processor"), besides those of
    `picture_input.PictureInput`:
        output: name of the output, where several fit; the one with two axes counts first.
        pooling: of tokens, "cls" (the first, as DINOv2 and ViT have it) or "mean" (of all of them);
            needed where the output has tokens.

    The size is 224 where the graph leaves it open; pictures are cropped to it, and normalised with
    ImageNet's mean and deviation.
    """

    OPTIONS: ClassVar[type] = EmbeddingOptions

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        settings = Settings(package, ("output", "pooling", *PICTURE_SETTINGS))
        graph = parts["model"]
        self._pooling = settings.choice("pooling", POOLINGS)
        ranks: tuple[int, ...] = (2, 3, 4)
        if settings.choice("output", [spec.name for spec in graph.outputs]) is None:
            if self._pooling:
                ranks = (3,)
            elif any(spec.shape is not None and len(spec.shape) == 2 for spec in graph.outputs):
                ranks = (2,)
        spec = the_output(
            package,
            settings,
            graph.outputs,
            lambda shape: len(shape) in ranks,
            "(batch, D) or (batch, tokens, D)",
        )
        self._output = spec.name
        if spec.shape is not None and len(spec.shape) == 3 and self._pooling is None:
            raise InvalidModel(
                f"{package.name}: the output {spec} holds a vector per token; write into the "
                'processor\'s settings in model.json: "pooling": "cls" (the first) or "pooling": '
                '"mean" (of all)'
            )

        from inference_vision.picture_input import PictureInput

        self._input = PictureInput(
            package,
            settings,
            graph.inputs,
            size=(224, 224),
            resize="crop",
            interpolation="auto",
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        )

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Never: a classifier's scores have the same shape as an embedding."""
        return None

    def preprocess(self, inputs: Sequence[Any], options: EmbeddingOptions) -> tuple[Tensors, int]:
        """The pictures as one tensor, and how many they are."""
        feeds, placements = self._input.feeds(inputs, options.color_format)
        return feeds, len(placements)

    def postprocess(
        self, outputs: Tensors, context: int, options: EmbeddingOptions
    ) -> list[Embedding]:
        """The vector of each picture.

        Raises:
            InvalidModel: the output isn't one vector per picture, or holds NaN.
        """
        from inference_core.results import Embedding

        from inference_vision.vectors import as_vectors

        raw = outputs[self._output]
        if raw.ndim == 3 and self._pooling:
            raw = raw[:, 0] if self._pooling == "cls" else raw.mean(axis=1, dtype="float64")
        elif shape := as_vectors_shape(raw.shape):
            raw = raw.reshape(shape)
        vectors = as_vectors(raw, context, self._output, options.normalize)
        return [Embedding(vector) for vector in vectors]
