"""The `clip` processor: an image encoder and a text encoder whose vectors can be compared.

Pictures and texts become embeddings; a picture and a list of labels, a classification that nobody
trained (zero-shot). Its module is light: numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision.normalisation import CLIP_MEAN, CLIP_STD
from inference_vision.settings import PICTURE_SETTINGS, Settings

if TYPE_CHECKING:
    import numpy as np
    from inference_core.processor import Tensors
    from inference_core.results import Classification, Embedding
    from numpy.typing import NDArray

    Parts = Mapping[str, Callable[[Tensors], Tensors]]

LOGIT_SCALE = 100.0
"""What OpenAI's CLIP models multiply cosines by: the most that their training allows."""


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """Per-call options of CLIP.

    Attributes:
        modality: what the inputs are: "image" or "text".
        labels: classes to tell apart, in words; None for those of the model.
        prompt: what is said of a picture of a class; the label goes where "{}" stands.
        embedding: whether pictures become embeddings although there are labels.
        normalize: whether embeddings are scaled to length 1.
        top_k: how many classes to return at most; None is 5, or all that reach the threshold.
        threshold: only classes that are at least so sure, 0 to 1.
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range, or labels that are none.
    """

    modality: Literal["image", "text"] = "image"
    labels: tuple[str, ...] | None = None
    prompt: str = "a photo of a {}"
    embedding: bool = False
    normalize: bool = True
    top_k: int | None = None
    threshold: float | None = None
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise InvalidArgument(f"top_k must be at least 1, not {self.top_k}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InvalidArgument(f"threshold must be between 0 and 1, not {self.threshold}")
        if self.labels == ():
            raise InvalidArgument("labels must name at least one class")


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPicture:
    """A picture's vector, as `model.encode` gives it: for other labels it is ready at once.

    Attributes:
        vector: float32 (D,), as the graph gives it.
        image_size: (width, height) of the picture.
    """

    vector: NDArray[np.float32]
    image_size: tuple[int, int]


class ClipProcessor:
    """CLIP, SigLIP and their like, in two parts: "image" and "text".

    The part "image" takes pictures and gives (batch, D), named `image_embeds` or the only one of that
    rank; the part "text" takes token ids and gives (batch, D), see `inference_vision.text_encoder`.

    Settings (all optional, in the manifest under "processor"), besides those of
    `picture_input.PictureInput`:
        tokenizer: the tokenizer's file in the package; "tokenizer.json".
        context: most tokens of a text, where the graph leaves it open; 77.
        activation: "softmax" (the default), or "sigmoid" for SigLIP, of the scaled cosines.
        logit_scale: what cosines are multiplied by; 100.
        logit_bias: what is added then; 0.

    The size is 224 where the graph leaves it open; pictures are cropped to it, and normalised as
    OpenAI published it with CLIP.
    """

    OPTIONS: ClassVar[type] = ClipOptions

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        if set(parts) != {"image", "text"}:
            raise InvalidModel(
                f'{package.name}: the processor clip takes the parts "image" and "text"; the artifact '
                f"has {', '.join(parts)}"
            )
        own = ("tokenizer", "context", "activation", "logit_scale", "logit_bias")
        settings = Settings(package, (*own, *PICTURE_SETTINGS))

        from inference_vision.picture_input import PictureInput
        from inference_vision.text_encoder import TextEncoder
        from inference_vision.vectors import vector_output

        self._labels = package.labels
        self._graph = parts["image"]
        self._output = vector_output(package, "image", self._graph.outputs, ("image_embeds",))
        self._activation = settings.choice("activation", ("softmax", "sigmoid")) or "softmax"
        self._scale = settings.number("logit_scale") or LOGIT_SCALE
        self._bias = settings.any_number("logit_bias") or 0.0
        self._texts = TextEncoder(
            package, parts["text"], settings.text("tokenizer"), settings.positive_int("context")
        )
        self._input = PictureInput(
            package,
            settings,
            self._graph.inputs,
            size=(224, 224),
            resize="crop",
            interpolation="auto",
            mean=CLIP_MEAN,
            std=CLIP_STD,
        )

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Never: a model of several parts states its processor in its manifest."""
        return None

    def encode(self, value: Any, options: ClipOptions, parts: Parts) -> EncodedPicture:
        """A picture's vector, for `run` to take in its place.

        Raises:
            InvalidArgument: `modality` says that it is a text.
        """
        if options.modality == "text":
            raise InvalidArgument("encode takes pictures; the vectors of labels are kept anyway")
        return self._encoded([value], options, parts)[0]

    def run(
        self, inputs: Sequence[Any], options: ClipOptions, parts: Parts
    ) -> list[Embedding] | list[Classification]:
        """For each input an embedding; for pictures, where there are labels, a classification.

        Raises:
            InvalidInput: a text isn't one, or is too long.
            InferenceError: texts are needed, and `tokenizers` isn't installed.
            InvalidModel: a part gives something else than vectors.
        """
        from inference_core.results import Embedding

        if options.modality == "text":
            vectors = self._texts.vectors(inputs, parts["text"], options.normalize)
            return [Embedding(vector) for vector in vectors]
        encoded = self._encoded(inputs, options, parts)
        labels = options.labels or self._labels
        if options.embedding or not labels:
            return [Embedding(self._scaled(each, options.normalize)) for each in encoded]
        return self._classified(encoded, labels, options, parts)

    def _encoded(
        self, inputs: Sequence[Any], options: ClipOptions, parts: Parts
    ) -> list[EncodedPicture]:
        from inference_vision.batches import run_rows
        from inference_vision.vectors import as_vectors

        new = [value for value in inputs if not isinstance(value, EncodedPicture)]
        if not new:
            return list(inputs)
        feeds, placements = self._input.feeds(new, options.color_format)
        raw = run_rows(parts["image"], self._graph, feeds, self._output)
        vectors = as_vectors(raw, len(new), self._output, normalize=False)
        fresh = iter(map(EncodedPicture, vectors, [placement.source for placement in placements]))
        return [each if isinstance(each, EncodedPicture) else next(fresh) for each in inputs]

    def _classified(
        self,
        encoded: Sequence[EncodedPicture],
        labels: tuple[str, ...],
        options: ClipOptions,
        parts: Parts,
    ) -> list[Classification]:
        import numpy as np

        from inference_vision.class_scores import best_classes, probabilities
        from inference_vision.text_encoder import prompts

        classes = self._texts.unit_vectors(prompts(labels, options.prompt), parts["text"])
        pictures = np.stack([self._scaled(each, True) for each in encoded])
        if pictures.shape[1] != classes.shape[1]:
            raise InvalidModel(
                f"the part 'image' gives {pictures.shape[1]} numbers and the part 'text' "
                f"{classes.shape[1]}: they aren't of one model"
            )
        logits = pictures @ classes.T * self._scale + self._bias
        return [
            best_classes(scores, labels, options.top_k, options.threshold, each.image_size)
            for scores, each in zip(probabilities(logits, self._activation), encoded, strict=True)
        ]

    def _scaled(self, picture: EncodedPicture, normalize: bool) -> NDArray[np.float32]:
        from inference_vision.vectors import as_vectors

        vectors = as_vectors(picture.vector[None], 1, self._output, normalize)
        return vectors.reshape(-1)
