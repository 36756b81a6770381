"""What several test files share: pictures made in code, and processors of made-up graphs."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from PIL import Image as Pillow


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """RGB, 90 wide and 60 high, smooth, without any symmetry."""
    y, x = np.mgrid[:60, :90]
    return np.stack([x * 2, y * 4, 200 - x - y], axis=2).astype(np.uint8)


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """`encode(pixels or PIL image, "JPEG", mode="L", **save options)` as the bytes of a file."""

    def encoded(picture: Any, kind: str, mode: str | None = None, **options: Any) -> bytes:
        image = picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)
        stream = io.BytesIO()
        (image.convert(mode) if mode else image).save(stream, kind, **options)
        return stream.getvalue()

    return encoded


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """`make(YoloProcessor, output shape, labels=…, settings=…, …)`: a processor of that graph."""

    def made(
        processor: type,
        output: tuple[int | None, ...] | None,
        labels: tuple[str, ...] = ("a", "b", "c"),
        settings: Mapping[str, Any] | None = None,
        image: tuple[int | None, ...] | None = (None, 3, 320, 320),
        dtype: str = "float32",
    ) -> Any:
        package = ModelPackage(
            "made", Path("made"), (), labels=labels, processor=ProcessorSpec("made", settings or {})
        )
        graph = Graph(
            (TensorSpec("images", dtype, image),), (TensorSpec("output0", "float32", output),)
        )
        return processor(package, {"model": graph})

    return made
