"""onnxtr's models around loaded graphs, each of which checks what its graph answers.

What graphs state of their outputs is checked before they are loaded; many state nothing, and some
things show in the values only. onnxtr would make nonsense or nothing of such answers, without a word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from inference_core.errors import InferenceError, InvalidModel
from onnxtr.models.classification.models.mobilenet import MobileNetV3
from onnxtr.models.detection.models.differentiable_binarization import DBNet
from onnxtr.models.recognition.models.crnn import CRNN

from inference_doctr.families import check_vocabulary

ORIENTATIONS = 4
"""Classes of the orientation parts: 0, -90, 180 and 90 degrees."""


class _Checked:
    """What the models below share; before a class of onnxtr, whose `run` it calls."""

    part = ""
    axes = 0
    model_path: str

    def run(self, inputs: Any) -> Any:
        """The graph's answer, channels last.

        Raises:
            InferenceError: it isn't finite.
            InvalidModel: it isn't what such a part answers.
        """
        found = super().run(inputs)  # type: ignore[misc]
        if found.ndim != self.axes:
            raise self._unfit(f"answers with {found.ndim} axes, and should with {self.axes}")
        if not np.isfinite(found).all():
            raise InferenceError(
                f"{self.model_path}, the {self.part}, gives NaN or infinite numbers"
            )
        self.check(found)
        return found

    def check(self, found: Any) -> None:
        """Raise InvalidModel if such a part doesn't answer so."""
        raise NotImplementedError

    def _unfit(self, what: str) -> InvalidModel:
        return InvalidModel(f"{self.model_path}, the {self.part}, {what}: export it as docTR does")


class Detector(_Checked, DBNet):
    """DBNet, LinkNet and FAST alike: they differ in their thresholds, which each call states."""

    part = "detector"
    axes = 4

    def check(self, found: Any) -> None:
        if found.shape[-1] != 1:
            raise self._unfit(f"gives {found.shape[-1]} maps of a page, and should one")
        # The logit of paper is far below 0, and of no page are all between 0 and 1.
        if found.size and found.min() >= 0 and found.max() <= 1:
            raise self._unfit(
                "gives probabilities, and should give logits (the graph ends in a sigmoid)"
            )


class Recogniser(_Checked, CRNN):
    """All families: `pipeline` sets for a call how the output is decoded, and the vocabulary."""

    part = "recogniser"
    axes = 3
    family = ""

    def check(self, found: Any) -> None:
        check_vocabulary(self.vocab, self.family, found.shape[-1], self.model_path)


class Orientation(_Checked, MobileNetV3):
    """A classifier of how crops or pages are turned."""

    part = "classifier of orientations"
    axes = 2

    def check(self, found: Any) -> None:
        if found.shape[-1] != ORIENTATIONS:
            raise self._unfit(f"tells {found.shape[-1]} orientations, and should {ORIENTATIONS}")
