"""Detection and segmentation as a careful user writes them: cv2.dnn, numpy, and a bare session.

What `detection_overhead.py` compares with. It takes one kind of export and has no checks. "Tight" is
the same with what most such code lacks: classes are looked for only where the best score passes, which
saves the argmax of the whole matrix, and each mask is enlarged only where its box lies, before the
sigmoid, which its threshold then makes unnecessary.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE, CLASSES, CONFIDENCE, IOU = 640, 80, 0.25, 0.45


class PlainDetector:
    """A YOLOv8 export of 640 x 640 with 80 classes, and its masks if it has a second output."""

    def __init__(self, session: Any, tight: bool = False) -> None:
        self._session = session
        self._tight = tight

    def __call__(self, picture: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Boxes x1, y1, x2, y2 (N, 4), scores (N,), class ids (N,), and masks (N, h, w) if any."""
        blob, ratio, left, top = _letterboxed(picture)
        raw, *prototypes = self._session.run(None, {"images": blob})
        found, scores, class_ids = _candidates(raw[0], self._tight)
        corner = found[:, :2] - found[:, 2:4] / 2
        # Boxes of different classes are moved apart, so that they don't compete.
        apart = np.concatenate([corner + class_ids[:, None] * 4096, found[:, 2:4]], axis=1)
        kept = np.array(cv2.dnn.NMSBoxes(apart.tolist(), scores.tolist(), CONFIDENCE, IOU), int)
        boxes = np.concatenate([corner[kept], corner[kept] + found[kept, 2:4]], axis=1)
        boxes = (boxes - [left, top, left, top]) / ratio
        boxes[:, ::2] = boxes[:, ::2].clip(0, picture.shape[1])
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, picture.shape[0])
        answer = boxes, scores[kept], class_ids[kept]
        if not prototypes:
            return answer
        masks_of = _tight_masks if self._tight else _masks
        masks = masks_of(found[kept, 4 + CLASSES :], prototypes[0][0], boxes, picture.shape[:2])
        return (*answer, masks)


def _candidates(raw: NDArray[Any], tight: bool) -> tuple[NDArray[Any], ...]:
    """Rows of the boxes that count, their scores and class ids."""
    scores = raw[4 : 4 + CLASSES]
    if tight:
        best = scores.max(axis=0)
        found = raw[:, best > CONFIDENCE].T
        return found, best[best > CONFIDENCE], found[:, 4 : 4 + CLASSES].argmax(axis=1)
    class_ids = scores.argmax(axis=0)
    best = scores[class_ids, np.arange(scores.shape[1])]
    keep = best > CONFIDENCE
    return raw[:, keep].T, best[keep], class_ids[keep]


def _letterboxed(picture: NDArray[Any]) -> tuple[NDArray[Any], float, int, int]:
    height, width = picture.shape[:2]
    ratio = min(SIDE / height, SIDE / width)
    inner = round(width * ratio), round(height * ratio)
    if inner != (width, height):
        picture = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
    left, top = round((SIDE - inner[0]) / 2 - 0.1), round((SIDE - inner[1]) / 2 - 0.1)
    right, bottom = SIDE - inner[0] - left, SIDE - inner[1] - top
    if left or top or right or bottom:
        grey = (114, 114, 114)
        picture = cv2.copyMakeBorder(
            picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=grey
        )
    blob = cv2.dnn.blobFromImage(picture, 1 / 255, swapRB=True)
    return np.asarray(blob), ratio, left, top


def _masks(
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    boxes: NDArray[Any],
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    channels, rows, columns = prototypes.shape
    sums = (coefficients @ prototypes.reshape(channels, -1)).reshape(-1, rows, columns)
    probabilities = 1 / (1 + np.exp(-sums))
    ratio = min(SIDE / size[0], SIDE / size[1])
    top, left = ((SIDE - side * ratio) / 2 / SIDE for side in size)
    y, x = round(top * rows), round(left * columns)
    inner = probabilities[:, y : rows - y, x : columns - x]
    masks = np.stack([cv2.resize(one, (size[1], size[0])) for one in inner]) > 0.5
    across, down = np.arange(size[1]) + 0.5, np.arange(size[0])[:, None] + 0.5
    for index, (x1, y1, x2, y2) in enumerate(boxes):
        masks[index] &= (across > x1) & (across < x2) & (down > y1) & (down < y2)
    return masks


def _tight_masks(
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    boxes: NDArray[Any],
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    channels, rows, columns = prototypes.shape
    sums = (coefficients @ prototypes.reshape(channels, -1)).reshape(-1, rows, columns)
    ratio = min(SIDE / size[0], SIDE / size[1])
    top, left = ((SIDE - side * ratio) / 2 for side in size)
    masks = np.zeros((len(boxes), *size), bool)
    # A pixel of the picture is so many cells wide, and the first one's centre lies there.
    cell = ratio * columns / SIDE, ratio * rows / SIDE
    begin = (left + ratio / 2) * columns / SIDE - 0.5, (top + ratio / 2) * rows / SIDE - 0.5
    for mask, logits, box in zip(masks, sums, boxes.round().astype(int).tolist(), strict=True):
        x1, y1, x2, y2 = box
        places = [[cell[0], 0, begin[0] + x1 * cell[0]], [0, cell[1], begin[1] + y1 * cell[1]]]
        enlarged = cv2.warpAffine(
            logits,
            np.array(places),
            (x2 - x1, y2 - y1),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mask[y1:y2, x1:x2] = enlarged > 0
    return masks
