"""Writes a picture to a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from inference_core.errors import InvalidInput
from numpy.typing import NDArray


def write_image(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a picture in the format of its suffix (".png", ".jpg", ".webp", …).

    Args:
        path: the file; its folder must exist. An existing file is replaced.
        pixels: uint8 (height, width, 3), blue first.

    Raises:
        InvalidInput: OpenCV can't write that format or those pixels.
        OSError: the file can't be written.
    """
    try:
        fine, data = cv2.imencode(path.suffix, pixels)
    except cv2.error as error:
        raise InvalidInput(
            f"{path} can't be written as {path.suffix or 'no format'}: {error}"
        ) from error
    if not fine:
        raise InvalidInput(f"{path} can't be written as {path.suffix}")
    # Renamed into place, so that an interrupted write leaves no half picture behind.
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # still there after an error or an interrupt
