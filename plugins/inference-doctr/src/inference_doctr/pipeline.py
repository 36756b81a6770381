"""onnxtr's pipeline, put together for one set of options around graphs that are loaded already.

What depends on the options (thresholds, decoding, whether pages are straight) belongs to copies of the
models here, which share the graphs, so that calls with different options don't disturb each other.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from onnxtr.models.classification.predictor.base import OrientationPredictor
from onnxtr.models.classification.zoo import crop_orientation_predictor, page_orientation_predictor
from onnxtr.models.detection.postprocessor.base import GeneralDetectionPostProcessor
from onnxtr.models.detection.zoo import detection_predictor
from onnxtr.models.predictor import OCRPredictor
from onnxtr.models.recognition.zoo import recognition_predictor

from inference_doctr.families import FAMILIES
from inference_doctr.options import CallOptions, DoctrOptions


@dataclass(frozen=True)
class Engines:
    """The loaded graphs, each in a model class of onnxtr; None for a part that the artifact lacks."""

    detection: Any
    recognition: Any
    crop_orientation: Any = None
    page_orientation: Any = None


class _CropOrientations(OrientationPredictor):
    """onnxtr's, which makes an IndexError of no crops at all, as blank pages give."""

    def __call__(self, inputs: list[Any]) -> list[Any]:
        return super().__call__(inputs) if inputs else [[], [], []]


def build(engines: Engines, options: CallOptions, load: DoctrOptions) -> OCRPredictor:
    """The pipeline for these options. It takes a list of pages, uint8 (height, width, 3) in RGB."""
    turned = not options.assume_straight_pages
    predictor = OCRPredictor(
        _detector(engines.detection, options, load),
        _recogniser(engines.recognition, options, load),
        assume_straight_pages=options.assume_straight_pages,
        straighten_pages=options.straighten_pages,
        preserve_original_coords=True,
        preserve_aspect_ratio=options.preserve_aspect_ratio,
        symmetric_pad=options.symmetric_pad,
        detect_orientation=options.detect_orientation,
        # This keeps onnxtr from downloading both classifiers; the artifact's are put in below.
        disable_crop_orientation=True,
        # And this, with onnxtr, says how turned crops are cut: as if all lay nearly horizontally, where
        # nothing tells how they lie.
        disable_page_orientation=engines.crop_orientation is None,
        resolve_lines=options.resolve_lines,
        resolve_blocks=options.resolve_blocks,
        paragraph_break=options.paragraph_break,
        keep_reading_order=options.keep_reading_order,
    )
    if engines.crop_orientation is not None and turned:
        classifier = crop_orientation_predictor(
            engines.crop_orientation, _batch(engines.crop_orientation, load.recognition_batch)
        )
        predictor.crop_orientation_predictor = _CropOrientations(
            classifier.pre_processor, classifier.model
        )
    if engines.page_orientation is not None and predictor.page_orientation_predictor is not None:
        predictor.page_orientation_predictor = page_orientation_predictor(
            engines.page_orientation, _batch(engines.page_orientation, load.detection_batch)
        )
    return predictor


def _detector(engine: Any, options: CallOptions, load: DoctrOptions) -> Any:
    model = copy.copy(engine)
    model.postprocessor = GeneralDetectionPostProcessor(
        bin_thresh=options.bin_threshold, box_thresh=options.box_threshold
    )
    return detection_predictor(
        model,
        assume_straight_pages=options.assume_straight_pages,
        preserve_aspect_ratio=options.preserve_aspect_ratio,
        symmetric_pad=options.symmetric_pad,
        batch_size=_batch(engine, load.detection_batch),
    )


def _recogniser(engine: Any, options: CallOptions, load: DoctrOptions) -> Any:
    assert options.recognition is not None  # which the options have checked
    decoder, _ = FAMILIES[options.recognition]
    model = copy.copy(engine)
    model.vocab, model.family = options.vocabulary, options.recognition
    model.postprocessor = decoder(options.vocabulary)
    return recognition_predictor(model, batch_size=_batch(engine, load.recognition_batch))


def _batch(engine: Any, wanted: int) -> int:
    """How many go through the graph at once, which may allow one only."""
    return 1 if engine.fixed_batch_size == 1 else wanted
