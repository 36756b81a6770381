"""What all results share: checking their arrays, JSON, drawing, and optional libraries.

Not a public base class: a third party's result type needs nothing from here.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_core.errors import InferenceError
from inference_core.optional import import_optional


class Result:
    """Methods that every result has."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, as JSON has them."""
        raise NotImplementedError

    def to_json(self, *, indent: int | None = None) -> str:
        """`to_dict` as JSON text, on one line unless `indent` is given."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def to_supervision(self) -> Any:
        """The same as an object of the library supervision, where that has one for it.

        Raises:
            InferenceError: supervision isn't installed, or has no place for such a result.
        """
        raise InferenceError(f"supervision has no place for a result like {type(self).__name__}")

    def annotate(self, image: Any, *, color_format: str = "bgr") -> NDArray[np.uint8]:
        """The picture with this result drawn on a copy of it.

        Args:
            image: the picture this result came from, in any form that `predict` takes.
            color_format: "bgr" or "rgb", the channel order of `image` if it is an array.

        Returns:
            uint8 (height, width, 3), blue first, as `cv2.imwrite` takes it.

        Raises:
            InvalidInput: the picture can't be read or has another size.
            InvalidArgument: there is nothing to draw of such a result.
            InferenceError: inference-vision, which draws, isn't installed.
        """
        drawing = import_optional("inference_vision.drawing", "inference-vision", "annotate()")
        drawn: NDArray[np.uint8] = drawing.annotate(image, self, color_format=color_format)
        return drawn


def check_array(
    owner: str, name: str, array: Any, dtype: type, shape: tuple[int | None, ...]
) -> None:
    """Raise unless `array` is an ndarray of that dtype and shape (None: any length), and finite.

    Raises:
        TypeError: not an array, or of another dtype.
        ValueError: of another shape, or it holds NaN or infinity, which no JSON can tell.
    """
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"{owner}.{name} must be an array of {np.dtype(dtype)}, not {found}")
    fits = len(array.shape) == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("?" if axis is None else str(axis) for axis in shape)
        raise ValueError(f"{owner}.{name} must have the shape ({wanted}), not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise ValueError(
            f"{owner}.{name} holds NaN or infinite numbers, first in row {row}; leave such rows "
            "out, or find out why the model gives them"
        )


def check_labels(owner: str, labels: Any) -> None:
    """Raise TypeError unless `labels` is a tuple of strings."""
    if not isinstance(labels, tuple) or not all(isinstance(label, str) for label in labels):
        raise TypeError(f"{owner}.labels must be a tuple of str, one per row, not {labels!r:.60}")


def plain(values: NDArray[np.float32]) -> list[float]:
    """float32 values as the shortest floats that mean the same: 0.93, not 0.9300000071525574."""
    return [float(str(value)) for value in values]


def listing(name: str, labels: tuple[str, ...], confidence: NDArray[np.float32]) -> str:
    """`Detections(3: circle 0.93, square 0.88, triangle 0.80)`, at most ten of them."""
    shown = [f"{label} {score:.2f}" for label, score in zip(labels[:10], confidence, strict=False)]
    more = ["…"] if len(labels) > len(shown) else []
    return f"{name}({len(labels)}: {', '.join(shown + more)})" if shown else f"{name}(0)"
