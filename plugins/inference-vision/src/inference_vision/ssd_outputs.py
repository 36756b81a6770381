"""The four outputs of detectors that TensorFlow Lite decodes and suppresses itself, told apart.

Its operator TFLite_Detection_PostProcess gives, in this order, boxes (batch, N, 4) as ymin, xmin, ymax,
xmax in fractions of the picture, class ids (batch, N), scores (batch, N), the best first, and how many
count (batch,); all of them floats. Exports of TensorFlow 1 keep the order, those of TensorFlow 2 mostly
turn it round. Light: numpy comes in with the first call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inference_core.errors import InvalidModel
from inference_core.session import TensorSpec

from inference_vision import embedded_nms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUMBERED = re.compile(r"(.*?)(?:[:_](\d{1,3}))?", re.DOTALL)


def fits(outputs: Sequence[TensorSpec]) -> bool:
    """Whether these may be the four, as far as their shapes are known."""
    shapes = [spec.shape for spec in outputs]
    if len(shapes) != 4 or None in shapes:
        return len(shapes) == 4
    ranked = sorted((shape for shape in shapes if shape is not None), key=len)
    return [len(shape) for shape in ranked] == [1, 2, 2, 3] and ranked[3][2] in (4, None)


def rows_of(outputs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float32], str]:
    """The boxes as other graphs with a suppression of their own give them, and the name of the output
    that has their places.

    Which output is which, shapes tell; of classes and scores names, and where those don't values.

    Args:
        outputs: of the graph, in its order. What is beyond the count may be anything: the operator
            leaves its memory as it was.

    Returns:
        float32 (batch, N, 6), x1, y1, x2, y2 in fractions of the input, score, class id, and zeros
        beyond the counts.

    Raises:
        InvalidModel: the shapes are others, or it isn't clear which output is which.
    """
    by_rank = [[name for name, each in outputs.items() if each.ndim == rank] for rank in (1, 2, 3)]
    if [len(names) for names in by_rank] != [1, 2, 1]:
        shapes = ", ".join(f"{name} {each.shape}" for name, each in outputs.items())
        raise InvalidModel(
            f"the outputs have the shapes {shapes}; wanted are (batch, N, 4), twice (batch, N), and "
            "(batch,)"
        )
    (counts,), (one, other), (boxes,) = by_rank
    rows = embedded_nms.of_counted(outputs, (counts, boxes, other, one))
    scores = _scores_by_name(boxes, (one, other), counts) or _scores_by_value(rows, one, other)
    x_before_y = [1, 0, 3, 2]
    return rows[..., x_before_y + ([4, 5] if scores == other else [5, 4])], boxes


def _scores_by_name(boxes: str, both: tuple[str, str], counts: str) -> str | None:
    """Which of both holds the scores: the one that is called so, or where they are numbered with the
    others, the one that is farther from the boxes."""
    called = [name for name in both if "score" in name.lower()]
    if len(called) == 1:
        return called[0]
    numbers = _numbers((boxes, *both, counts))
    if numbers is None:
        return None
    order = sorted(numbers, key=lambda name: numbers[name])
    if order[0] == boxes and order[3] == counts:
        return order[2]
    return order[1] if order[0] == counts and order[3] == boxes else None


def _numbers(names: Iterable[str]) -> dict[str, int] | None:
    """The number at the end of each, none being 0; None if they differ in more, or not in that."""
    parts = {name: _NUMBERED.fullmatch(name) for name in names}
    found = {name: (part[1], int(part[2] or 0)) for name, part in parts.items() if part}
    numbers = {name: number for name, (_, number) in found.items()}
    stems = {stem for stem, _ in found.values()}
    return numbers if len(stems) == 1 and len(set(numbers.values())) == 4 else None


def _scores_by_value(rows: NDArray[np.float32], one: str, other: str) -> str:
    """Scores are 0 to 1 and descend, class ids are whole numbers. Where both are either (nothing was
    found, or surely), classes come first, as the operator has it.

    Args:
        rows: as above, with what `other` holds before what `one` does.
        one: name of an output.
        other: name of the one after it.
    """
    for scores, classes, name in ((4, 5, other), (5, 4, one)):
        if _can_be_scores(rows[..., scores]) and _can_be_classes(rows[..., classes]):
            return name
    raise InvalidModel(
        f"of the outputs {one!r} and {other!r} neither holds scores, 0 to 1 and the best first, beside "
        "class ids, which are whole numbers; their names don't tell them apart either"
    )


def _can_be_scores(values: NDArray[np.float32]) -> bool:
    from inference_vision.finite import HIGHEST

    descending = (values[:, 1:] <= values[:, :-1]).all()
    return bool(descending and ((values >= 0) & (values <= HIGHEST)).all())


def _can_be_classes(values: NDArray[np.float32]) -> bool:
    return bool(((values >= 0) & (values % 1 == 0)).all())
