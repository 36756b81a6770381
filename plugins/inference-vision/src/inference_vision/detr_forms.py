"""The three forms in which detection transformers give their answers, told apart by their outputs.

Also which column of their class scores stands for which label: COCO's ids have gaps, and most
families have a column for "no object" that is nobody's label. Light: standard library and
inference_core only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage
from inference_core.session import TensorSpec

Kind = Literal["joint", "pair", "postprocessed"]
Activation = Literal["sigmoid", "softmax", "none"]
ACTIVATIONS = ("sigmoid", "softmax", "none")
BACKGROUNDS = ("first", "last", "none")

BOX_NAMES = ("dets", "pred_boxes", "boxes")
SCORE_NAMES = ("labels", "logits", "pred_logits", "scores")
MASK_NAMES = ("masks", "pred_masks")

COCO_COLUMNS = 91
COCO_UNUSED = frozenset({0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
"""Of the ids 0 to 90 those that none of COCO's 80 categories has (COCO 2017, instances)."""
COCO_IDS = tuple(each for each in range(COCO_COLUMNS) if each not in COCO_UNUSED)


@dataclass(frozen=True, slots=True)
class Form:
    """Which output is what.

    Attributes:
        kind: "joint": (batch, queries, 4 + classes), boxes and scores in one, as Ultralytics exports
            RT-DETR. "pair": boxes (batch, queries, 4) and class scores (batch, queries, columns), as
            RF-DETR, DETR and transformers' exports have them. "postprocessed": labels (batch,
            queries) of integers, boxes (batch, queries, 4) and scores (batch, queries), as RT-DETR's
            own deployment has them. Boxes are cx, cy, w, h as fractions of the input, except for
            "postprocessed": x1, y1, x2, y2 times the size that was given as `orig_target_sizes`.
        boxes: name of the output with the boxes; that of the only one for "joint".
        scores: name of the output with the scores.
        classes: name of the output with the class ids of "postprocessed".
        masks: name of the output with one mask of logits per query, (batch, queries, h, w).
        columns: of the class scores; None if that isn't known.
    """

    kind: Kind
    boxes: str
    scores: str
    classes: str | None = None
    masks: str | None = None
    columns: int | None = None

    def ranks(self) -> dict[str, int]:
        """How many axes each of its outputs has."""
        scores_rank = 2 if self.kind == "postprocessed" else 3
        named = ((self.boxes, 3), (self.scores, scores_rank), (self.classes, 2), (self.masks, 4))
        return {name: rank for name, rank in named if name is not None}

    def check(self, shapes: Mapping[str, tuple[int, ...]], pictures: int) -> None:
        """Raise unless outputs of these shapes, by name, are of so many pictures.

        Raises:
            InvalidModel: an axis is missing or too many, or has another length than it must.
        """
        start = (pictures, *shapes[self.boxes][1:2])
        columns = shapes[self.boxes][2:]
        fits = columns > (4,) if self.kind == "joint" else columns == (4,)
        for name, rank in self.ranks().items():
            shape = shapes[name]
            fits = fits and len(shape) == rank and shape[:2] == start and 0 not in shape[2:]
        if not fits:
            given = ", ".join(f"{name} {shapes[name]}" for name in shapes)
            raise InvalidModel(
                f"the outputs have the shapes {given}, which aren't boxes and what belongs to them of "
                f"{pictures} pictures"
            )


def form_of(outputs: Sequence[TensorSpec], boxes_in: str | None = None) -> Form | None:
    """The form of these outputs, None if they are of none, or not clearly of one.

    Names count before shapes; outputs that are neither (hidden states) are passed over.

    Args:
        outputs: of the graph.
        boxes_in: name of the output with the boxes, where the settings say it.
    """
    of_rank = {rank: [each for each in outputs if _rank(each) == rank] for rank in (2, 3, 4)}
    names = (boxes_in,) if boxes_in else BOX_NAMES
    boxes = _pick(of_rank[3], names, [each for each in of_rank[3] if _last(each) in (4,)])
    mask = _pick(of_rank[4], MASK_NAMES, of_rank[4])
    masks = mask.name if mask else None
    if boxes is None:
        if len(of_rank[3]) != 1 or of_rank[2]:
            return None
        only = of_rank[3][0]
        columns = _last(only)
        if columns is not None and columns < 5:
            return None
        return Form("joint", only.name, only.name, None, masks, columns and columns - 4)
    ids = [each for each in of_rank[2] if "int" in each.dtype]
    scores = [each for each in of_rank[2] if "float" in each.dtype]
    if len(ids) == len(scores) == 1:
        return Form("postprocessed", boxes.name, scores[0].name, ids[0].name, masks)
    others = [each for each in of_rank[3] if each is not boxes]
    score = _pick(others, SCORE_NAMES, others)
    if score is None:
        return None
    return Form("pair", boxes.name, score.name, None, masks, _last(score))


def chosen_form(package: ModelPackage, outputs: Sequence[TensorSpec]) -> Form:
    """The form of a graph's outputs, with the help of the setting `boxes`.

    Raises:
        InvalidModel: they are of no form, or not clearly of one, or the setting names none of them.
    """
    names = [spec.name for spec in outputs]
    given = package.processor.settings.get("boxes") if package.processor else None
    if isinstance(given, int) and 0 <= given < len(names):
        given = names[given]
    if given is not None and given not in names:
        raise InvalidModel(
            f"{package.name}: processor setting 'boxes' must be an output's name or position, not "
            f"{given!r}; there are {', '.join(names)}"
        )
    form = form_of(outputs, given)
    if form is None:
        shapes = ", ".join(map(str, outputs)) or "none"
        raise InvalidModel(
            f"{package.name}: the outputs aren't clearly those of a detection transformer: {shapes}. "
            "Wanted are boxes (batch, queries, 4) and class scores (batch, queries, classes), both "
            "in one, or labels, boxes and scores. Where several can be the boxes, write into the "
            'processor\'s settings in model.json which one is: "boxes": 0 for the first output'
        )
    return form


def default_activation(form: Form, labels: int) -> Activation | None:
    """What turns the class scores into 0..1, as far as the form tells; None if it doesn't.

    "joint" and "postprocessed" are scores already. RF-DETR, known by its output `dets`, and
    everything with a column per label takes the sigmoid; one column more than labels is what DETR
    has, for "no object", under a softmax.
    """
    if form.kind != "pair":
        return "none"
    if form.boxes == "dets":
        return "sigmoid"
    if not labels or form.columns is None:
        return None
    if form.columns == labels or (labels, form.columns) == (80, COCO_COLUMNS):
        return "sigmoid"
    if form.columns == labels + 1 or (labels, form.columns) == (80, 92):
        return "softmax"
    return None


def label_columns(
    columns: int, labels: int, activation: str, background: str | None
) -> tuple[int, ...]:
    """The column of each label, in the order of class ids.

    Args:
        columns: how many class scores there are per query.
        labels: how many labels the model has; 0 if that isn't known.
        activation: of the scores; under a softmax one column is "no object", the last one unless
            `background` says otherwise.
        background: "first", "last" or "none", from the settings.

    Raises:
        InvalidModel: the numbers don't fit together, or leave it open which column is which.
    """
    if activation == "softmax" and background is None:
        background = "last"
    used = list(range(columns))
    if background == "first":
        used = used[1:]
    elif background == "last":
        used = used[:-1]
    if not labels or len(used) == labels:
        return tuple(used)
    if labels == 80 and columns in (91, 92):
        return COCO_IDS
    if background is None and columns == labels + 1:
        raise InvalidModel(
            f"the graph scores {columns} classes and there are {labels} labels: which column isn't "
            "one depends on what the model was trained with (RF-DETR counts COCO categories from 1, "
            "and then the first is nobody's; from 0, the last). Write it into the processor's "
            'settings in model.json: "background": "first" or "background": "last"'
        )
    raise InvalidModel(
        f"the graph scores {columns} classes, which doesn't fit {labels} labels"
        + (f' with "background": "{background}"' if background else "")
    )


def _rank(spec: TensorSpec) -> int | None:
    return None if spec.shape is None else len(spec.shape)


def _last(spec: TensorSpec) -> int | None:
    return cast(tuple[int | None, ...], spec.shape)[-1]


def _pick(
    among: Sequence[TensorSpec], names: Sequence[str], fitting: Sequence[TensorSpec]
) -> TensorSpec | None:
    """The one of `among` with the first of `names` there is, else the only one of `fitting`."""
    for name in names:
        for spec in among:
            if spec.name == name:
                return spec
    return fitting[0] if len(fitting) == 1 else None
