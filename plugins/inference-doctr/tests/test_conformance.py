"""The conformance kit of inference-core, run on this backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from inference_core import Document
from inference_core.testing import BackendConformance, Sample

from . import drawn
from .conftest import PARAMETERS, write_package

SIZE = 160


class TestConformance(BackendConformance):
    backend = "doctr"

    def make_sample(self, folder: Path) -> Sample:
        """A page with two words."""
        write_package(folder, size=SIZE)
        page = drawn.blank(SIZE, SIZE)
        drawn.write(page, "ha", 40, 30)
        drawn.write(page, "bee", 30, 100)
        options = {**PARAMETERS, "color_format": "rgb"}
        return Sample(folder, page, two_words, parameters=options)


def two_words(result: Document) -> None:
    assert result.text == "ha\nbee"
    for word, at in zip(result.words, (("ha", 40, 30), ("bee", 30, 100)), strict=True):
        np.testing.assert_allclose(word.xyxy, drawn.found_box(*at), atol=2)
