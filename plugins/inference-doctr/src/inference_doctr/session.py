"""A loaded OCR model: a picture or PDF in, a `Document` out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import cv2
from inference_core.errors import InferenceError, ModelClosed
from inference_core.results import Document, Page
from inference_core.session import TensorSpec
from inference_onnx.session import ORT_ERRORS

from inference_doctr import pages, pipeline
from inference_doctr.conversion import to_page
from inference_doctr.options import CallOptions, DoctrOptions

_ERRORS: tuple[type[Exception], ...] = (*ORT_ERRORS, cv2.error)
# Sets of options whose pipelines are kept; calls nearly always share one.
_KEPT = 4


class DoctrSession:
    """A detector and a recogniser on one device. Several threads may call `read` at once.

    Attributes:
        device: where the graphs run, as onnxruntime reports it.
    """

    task = "ocr"
    call_options = CallOptions
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
        self._pipeline: Callable[[CallOptions], Any] | None = functools.lru_cache(_KEPT)(
            lambda chosen: pipeline.build(engines, chosen, options)
        )

    def read(self, value: Any, options: Mapping[str, Any]) -> Document:
        """The text of one input.

        Args:
            value: what `pages.read_pages` takes.
            options: all fields of `CallOptions`.

        Raises:
            InvalidInput: it can't be read.
            InvalidArgument: the vocabulary doesn't fit the recogniser, or a page isn't there.
            ModelClosed: the model was closed.
            InferenceError: onnxruntime or the pipeline failed.
        """
        if self._pipeline is None:
            raise ModelClosed(f"{self._name} was closed")
        chosen = CallOptions(**options)
        predictor = self._pipeline(chosen)
        found: list[Page] = []
        pictures = pages.read_pages(value, chosen)
        while several := list(islice(pictures, self._pages_at_once)):
            try:
                document = predictor(several)
            except _ERRORS as error:
                first = len(found) + 1
                raise InferenceError(
                    f"{self._name}: reading page {first} and what follows failed: {error}"
                ) from error
            found += [to_page(page, chosen.confidence) for page in document.pages]
        return Document(tuple(found))

    def close(self) -> None:
        """Give back the graphs. Calling it again does nothing."""
        self._pipeline = None  # with what it keeps and encloses
