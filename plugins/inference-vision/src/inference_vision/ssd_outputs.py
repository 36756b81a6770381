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

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERED = re.compile(r"(.*?)(?:[:_](\d{1,3}))?", re.DOTALL)


class Roles(NamedTuple):
    """Names of the outputs."""

    boxes: str
    classes: str
    scores: str
    counts: str


def fits(outputs: Sequence[TensorSpec]) -> bool:
    """Whether these may be the four, as far as their shapes are known."""
    shapes = [spec.shape for spec in outputs]
    if len(shapes) != 4 or None in shapes:
        return len(shapes) == 4
    ranked = sorted((shape for shape in shapes if shape is not None), key=len)
    return [len(shape) for shape in ranked] == [1, 2, 2, 3] and ranked[3][2] in (4, None)


def roles_of(outputs: Mapping[str, NDArray[Any]]) -> Roles:
    """Which is which: by shapes; classes and scores by names, and where those don't tell by values.

    Args:
        outputs: of the graph, in its order.

    Raises:
        InvalidModel: the shapes are others, or it isn't clear.
    """
    by_rank = [[name for name, each in outputs.items() if each.ndim == rank] for rank in (1, 2, 3)]
    if [len(names) for names in by_rank] != [1, 2, 1]:
        raise InvalidModel(
            f"the outputs have the shapes {_shapes(outputs)}; wanted are (batch, N, 4), twice (batch, "
            "N), and (batch,)"
        )
    (counts,), (one, other), (boxes,) = by_rank
    scores = _scores_by_name(boxes, (one, other), counts) or _scores_by_value(outputs, one, other)
    return Roles(boxes, other if scores == one else one, scores, counts)


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


def _scores_by_value(outputs: Mapping[str, NDArray[Any]], one: str, other: str) -> str:
    """Scores are 0 to 1 and descend, class ids are whole numbers. Where both are either (nothing was
    found, or surely), classes come first, as the operator has it."""
    for scores, classes in ((other, one), (one, other)):
        if _can_be_scores(outputs[scores]) and _can_be_classes(outputs[classes]):
            return scores
    raise InvalidModel(
        f"of the outputs {one!r} and {other!r} neither holds scores, 0 to 1 and the best first, beside "
        "class ids, which are whole numbers; their names don't tell them apart either"
    )


def _can_be_scores(values: NDArray[Any]) -> bool:
    from inference_vision.finite import HIGHEST

    descending = (values[:, 1:] <= values[:, :-1]).all()
    return bool(descending and ((values >= 0) & (values <= HIGHEST)).all())


def _can_be_classes(values: NDArray[Any]) -> bool:
    return bool(((values >= 0) & (values % 1 == 0)).all())


def _shapes(outputs: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {each.shape}" for name, each in outputs.items())
