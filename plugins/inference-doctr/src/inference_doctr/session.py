"""A loaded OCR model: a picture or PDF in, a `Document` out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import count, islice, repeat
from pathlib import Path
from typing import Any

import cv2
from inference_core.errors import InferenceError, ModelClosed
from inference_core.results import Document, Page
from inference_core.session import TensorSpec
from inference_onnx.session import ORT_ERRORS
from inference_vision.image import Image

from inference_doctr import pages, pipeline
from inference_doctr.conversion import to_page
from inference_doctr.families import fitting_options
from inference_doctr.options import CallOptions, DoctrOptions

_ERRORS: tuple[type[Exception], ...] = (InferenceError, *ORT_ERRORS, cv2.error)
# Sets of options whose pipelines are kept; calls nearly always share one.
_KEPT = 4


class DoctrSession:
    """A detector and a recogniser on one device. Several threads may call `read` at once.

    Attributes:
        device: where the graphs run, as onnxruntime reports it.
        call_options: `CallOptions`, which refuse a vocabulary that doesn't fit the recogniser where
            its graph says how many classes it has. Else that shows when it runs.
    """

    task = "ocr"
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    metadata: Mapping[str, str] = {}
    thread_safe = True
    device_arrays = None

    def __init__(
        self, engines: pipeline.Engines, options: DoctrOptions, device: str, name: str
    ) -> None:
        self.device = device
        self._name = name
        self._pages_at_once = options.detection_batch
        recogniser = engines.recognition
        classes = recogniser.runtime.get_outputs()[0].shape[-1]
        file = Path(recogniser.model_path).name
        self.call_options = (
            fitting_options(classes, file) if isinstance(classes, int) else CallOptions
        )
        self._pipeline: Callable[[CallOptions], Any] | None = functools.lru_cache(_KEPT)(
            lambda chosen: pipeline.build(engines, chosen, options)
        )

    def read(self, value: Any, options: Mapping[str, Any]) -> Document:
        """The text of one input.

        Args:
            value: what `read_pages` takes.
            options: all fields of `CallOptions`.

        Raises:
            InvalidInput: it can't be read, or a page isn't there.
            InvalidArgument: the vocabulary doesn't fit the recogniser.
            InvalidModel: a graph answers otherwise than such a part does.
            ModelClosed: the model was closed.
            InferenceError: onnxruntime or the pipeline failed.
        """
        if self._pipeline is None:
            raise ModelClosed(f"{self._name} was closed")
        chosen = self.call_options(**options)
        predictor = self._pipeline(chosen)
        # Of several inputs that are one document there are several pages of a number.
        numbers = repeat(None) if isinstance(value, tuple) else iter(chosen.pages or count(1))
        found: list[Page] = []
        with closing(pages.pages_of(value, chosen)) as pictures:
            while several := list(islice(pictures, self._pages_at_once)):
                document = self._run(predictor, several)
                found += [
                    to_page(page, chosen.confidence, number)
                    for page, number in zip(document.pages, numbers, strict=False)
                ]
        return Document(tuple(found))

    def _run(self, predictor: Any, several: list[Image]) -> Any:
        try:
            return predictor([each.pixels for each in several])
        except _ERRORS as error:
            kind = type(error) if isinstance(error, InferenceError) else InferenceError
            place = " and ".join(each.source for each in several)
            raise kind(f"{self._name} failed at {place}: {error}") from error

    def close(self) -> None:
        """Give back the graphs. Calling it again does nothing."""
        self._pipeline = None  # with what it keeps and encloses
