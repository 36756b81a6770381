"""Drawing results that have something to say of every pixel: classes and depths."""

from __future__ import annotations

import cv2
import numpy as np
from inference_core.results import Depth, Segmentation

from inference_vision.drawing_tools import Pen, colour_of, draw_label
from inference_vision.image import Pixels

OPACITY = 0.5


def draw_segmentation(picture: Pixels, result: Segmentation) -> None:
    """Mix each class's colour into its pixels, and list the classes that occur."""
    ids = result.class_ids
    palette = np.zeros((max(ids, default=0) + 1, 3), np.uint8)
    for class_id in ids:
        palette[class_id] = colour_of(class_id)
    mixed = cv2.addWeighted(picture, 1 - OPACITY, palette[result.class_map], OPACITY, 0)
    picture[...] = np.asarray(mixed, np.uint8)
    pen, top = Pen.of(picture), 0
    for class_id in ids:
        label = result.label(class_id)
        top = draw_label(picture, label, (0, top), colour_of(class_id), pen, below=True)


def draw_depth(picture: Pixels, result: Depth) -> None:
    """Replace the picture by its depth: small numbers dark, large ones bright."""
    levels = np.rint(result.scaled() * 255).astype(np.uint8)
    picture[...] = np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), np.uint8)
