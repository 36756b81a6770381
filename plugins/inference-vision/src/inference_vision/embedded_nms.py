"""Boxes that a graph has suppressed itself, in forms other than (batch, boxes, 6), brought into that.

- flat: (N, 7), the boxes of all pictures one after the other, each with the index of its picture.
  Columns index, x1, y1, x2, y2, class id, score (YOLOv7's `--end2end --max-wh`), or score before
  class id (YOLO-NAS).
- counted: `num_dets` (batch, 1), `det_boxes` (batch, n, 4), `det_scores` and `det_classes` (batch,
  n), as TensorRT's EfficientNMS gives them and YOLOv6 and v7 name them; YOLO-NAS has other names. Rows
  beyond the count are undefined.

Light: numpy comes in with the first call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from inference_core.errors import InvalidModel
from inference_core.session import TensorSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Form = Literal["flat", "counted"]
FORMS: tuple[Form, ...] = ("flat", "counted")
COUNTED = ("num_dets", "det_boxes", "det_scores", "det_classes")
YOLO_NAS_COUNTED = ("num_predictions", "pred_boxes", "pred_scores", "pred_classes")

YOLOV7_COLUMNS = (1, 2, 3, 4, 6, 5)
YOLO_NAS_COLUMNS = (1, 2, 3, 4, 5, 6)
"""Where x1, y1, x2, y2, score and class id are in a flat row."""


def form_of(outputs: Sequence[TensorSpec], counted: Sequence[str] = COUNTED) -> Form | None:
    """The form of these outputs; None if it is neither."""
    if set(counted) <= {spec.name for spec in outputs}:
        return "counted"
    if len(outputs) != 1 or (shape := outputs[0].shape) is None:
        return None
    return "flat" if len(shape) == 2 and shape[1] == 7 else None


def of_flat(
    raw: NDArray[Any], pictures: int, columns: Sequence[int], output: str
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Boxes by picture, in the order they come in, and how many each has.

    Args:
        raw: (N, 7). Boxes of pictures from `pictures` on are passed over: with those a batch was
            filled up.
        pictures: how many there are.
        columns: one of the above.
        output: name of the output, for messages.

    Returns:
        float32 (pictures, n, 6), x1, y1, x2, y2, score, class id, and zeros where a picture has
        fewer boxes than another.

    Raises:
        InvalidModel: the shape is another, or an index isn't a whole number from 0 on.
    """
    import numpy as np

    if raw.ndim != 2 or raw.shape[1] != 7:
        raise InvalidModel(
            f"the output {output!r} has the shape {raw.shape}, which isn't (boxes, 7)"
        )
    index = raw[:, 0].astype(np.float64)
    wrong = ~((index >= 0) & (index == np.floor(index)) & np.isfinite(index))
    if wrong.any():
        raise InvalidModel(
            f"the output {output!r} says that a box is of picture {index[wrong][0]:g}; the first "
            "column must be the position of a picture in the batch"
        )
    rows = raw[index < pictures]
    picture = rows[:, 0].astype(np.intp)
    counts = np.bincount(picture, minlength=pictures)
    order = np.argsort(picture, kind="stable")
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    boxes = np.zeros((pictures, counts.max(initial=0), 6), np.float32)
    boxes[picture[order], place] = rows[order][:, list(columns)]
    return boxes, counts


def of_counted(
    outputs: Mapping[str, NDArray[Any]], names: Sequence[str] = COUNTED
) -> NDArray[np.float32]:
    """float32 (batch, n, 6), x1, y1, x2, y2, score, class id, and zeros beyond the counts.

    Args:
        outputs: of the graph.
        names: of the four, in the order above.

    Raises:
        InvalidModel: the shapes don't fit together, or a count is more than there are rows.
    """
    import numpy as np

    counts, boxes, scores, ids = (outputs[name] for name in names)
    counts = counts.reshape(-1)
    fits = boxes.ndim == 3 and boxes.shape[2] == 4 and counts.shape == boxes.shape[:1]
    if not fits or scores.shape != boxes.shape[:2] or ids.shape != boxes.shape[:2]:
        shapes = ", ".join(f"{name} {outputs[name].shape}" for name in names)
        raise InvalidModel(
            f"the outputs have the shapes {shapes}; wanted are (batch, 1), (batch, n, 4), (batch, n) "
            "and (batch, n)"
        )
    counted = (counts >= 0) & (counts <= boxes.shape[1])  # NaN is neither
    if not counted.all():
        raise InvalidModel(
            f"the output {names[0]!r} counts {counts[~counted][0]} boxes of the {boxes.shape[1]} "
            "there are"
        )
    joined = np.concatenate([boxes, scores[..., None], ids[..., None]], axis=2, dtype=np.float32)
    joined[np.arange(boxes.shape[1]) >= counts[:, None]] = 0
    return joined
