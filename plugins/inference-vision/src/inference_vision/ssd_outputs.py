"""The four outputs of detectors that TensorFlow Lite decodes and suppresses itself, told apart.

Its operator TFLite_Detection_PostProcess gives, in this order, boxes (batch, N, 4) as ymin, xmin, ymax,
xmax in fractions of the picture, class ids (batch, N), scores (batch, N), the best first, and how many
count (batch,); all of them floats. Exports of TensorFlow 1 keep the order, those of TensorFlow 2 mostly
turn it round. Light: numpy comes in with the first call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Names(NamedTuple):
    """Of three of the outputs, by what they hold."""

    boxes: str
    scores: str
    classes: str


class FourOutputs:
    """The outputs of one graph, as rows. Safe for threads.

    Which output is which, shapes tell; of classes and scores names, and where those don't values, the
    first that do for all that follow.

    Args:
        names: of the outputs, in the graph's order.
        scores: the one that holds the scores, if a setting names it.
    """

    def __init__(self, names: Sequence[str], scores: str | None) -> None:
        self._names = names
        self._scores = scores

    def rows(self, outputs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float32], Names]:
        """The boxes as other graphs with a suppression of their own give them, and whose they are.

        Args:
            outputs: of the graph. What is beyond the count may be anything: the operator leaves its
                memory as it was.

        Returns:
            float32 (batch, N, 6), x1, y1, x2, y2 in fractions of the input, score, class id, and
            zeros beyond the counts.

        Raises:
            InvalidModel: the shapes are others, or it isn't clear which output is which.
        """
        given = {name: outputs[name] for name in self._names}
        by_rank = [
            [name for name, each in given.items() if each.ndim == rank] for rank in (1, 2, 3)
        ]
        if [len(names) for names in by_rank] != [1, 2, 1] or (
            self._scores is not None and self._scores not in by_rank[1]
        ):
            shapes = ", ".join(f"{name} {each.shape}" for name, each in given.items())
            raise InvalidModel(
                f"the outputs have the shapes {shapes}; wanted are (batch, N, 4), twice (batch, N), "
                "the scores among them, and (batch,)"
            )
        (counts,), (one, other), (boxes,) = by_rank
        rows = embedded_nms.of_counted(given, (counts, boxes, other, one))
        told = (
            self._scores
            or _scores_by_name(boxes, (one, other), counts)
            or _scores_by_value(rows, one, other)
        )
        if told is not None:  # threads that ask at the same time are told the same
            self._scores = told
        # Before that both hold the same, so that it doesn't matter.
        scores = told or other
        columns = [1, 0, 3, 2, *((4, 5) if scores == other else (5, 4))]  # x before y
        return rows[..., columns], Names(boxes, scores, one if scores == other else other)


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


def _scores_by_value(rows: NDArray[np.float32], one: str, other: str) -> str | None:
    """Which of both holds the scores, 0 to 1 and descending, beside class ids, which are whole numbers;
    None where they hold the same, as where nothing was found.

    Args:
        rows: as above, with what `other` holds before what `one` does.
        one: name of an output.
        other: name of the one after it.
    """
    if (rows[..., 4] == rows[..., 5]).all():
        return None
    able = [
        name
        for scores, classes, name in ((4, 5, other), (5, 4, one))
        if _can_be_scores(rows[..., scores]) and _can_be_classes(rows[..., classes])
    ]
    if len(able) == 1:
        return able[0]
    raise InvalidModel(
        f"of the outputs {one!r} and {other!r} {'either can hold' if able else 'neither holds'} "
        "scores, 0 to 1 and the best first, beside class ids, which are whole numbers; their names "
        "don't tell them apart either. Write which one holds the scores into the processor's "
        f'settings in model.json: "scores": "{other}"'
    )


def _can_be_scores(values: NDArray[np.float32]) -> bool:
    from inference_vision.finite import HIGHEST

    descending = (values[:, 1:] <= values[:, :-1]).all()
    return bool(descending and ((values >= 0) & (values <= HIGHEST)).all())


def _can_be_classes(values: NDArray[np.float32]) -> bool:
    return bool(((values >= 0) & (values % 1 == 0)).all())
