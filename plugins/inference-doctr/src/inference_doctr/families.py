"""The families of recognisers, and how many classes each has for a vocabulary."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from inference_core.errors import InvalidArgument
from onnxtr.models.recognition.models.crnn import CRNNPostProcessor
from onnxtr.models.recognition.models.master import MASTERPostProcessor
from onnxtr.models.recognition.models.parseq import PARSeqPostProcessor
from onnxtr.models.recognition.models.sar import SARPostProcessor
from onnxtr.models.recognition.models.viptr import VIPTRPostProcessor
from onnxtr.models.recognition.models.vitstr import ViTSTRPostProcessor

from inference_doctr.options import CallOptions

# How each family's output becomes text, and its classes besides the vocabulary, as python-doctr 0.7 to
# 1.1 exports them: the blank of CTC, or the end of the text; with MASTER also its start and padding.
FAMILIES: dict[str, tuple[Any, int]] = {
    "crnn": (CRNNPostProcessor, 1),
    "viptr": (VIPTRPostProcessor, 1),
    "sar": (SARPostProcessor, 1),
    "master": (MASTERPostProcessor, 3),
    "parseq": (PARSeqPostProcessor, 1),
    "vitstr": (ViTSTRPostProcessor, 1),
}


def check_vocabulary(vocabulary: str, family: str, classes: int, name: str) -> None:
    """Raise unless a recogniser of that family with so many classes has such a vocabulary.

    Args:
        vocabulary: its characters.
        family: a key of `FAMILIES`.
        classes: the last axis of its output.
        name: its file, for the message.

    Raises:
        InvalidArgument: it has another number of characters.
    """
    wanted = classes - FAMILIES[family][1]
    if len(vocabulary) != wanted:
        raise InvalidArgument(
            f"the vocabulary has {len(vocabulary)} characters, and {name} with its {classes} classes "
            f'wants {wanted} for recognition="{family}": state the vocabulary and the family that it '
            "was trained with"
        )


@functools.cache  # a class for each load would stay in memory for ever, with what checks its fields
def fitting_options(classes: int, name: str) -> type[CallOptions]:
    """`CallOptions` that refuse a vocabulary which doesn't fit, the manifest's when it is loaded.

    Args:
        classes: how many the recogniser has.
        name: its file, for the message.
    """

    @dataclass(frozen=True, slots=True)
    class FittingOptions(CallOptions):
        def __post_init__(self) -> None:
            CallOptions.__post_init__(self)
            assert self.recognition is not None  # which that has checked
            check_vocabulary(self.vocabulary, self.recognition, classes, name)

    return FittingOptions
