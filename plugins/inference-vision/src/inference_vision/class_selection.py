"""What a caller says about classes, as numbers: which are wanted, and how sure each must be."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps

import numpy as np
from inference_core.arguments import did_you_mean
from inference_core.call_options import wrong_parameters
from inference_core.errors import InvalidArgument
from inference_core.package import ModelPackage
from numpy.typing import NDArray

UNREACHABLE = 2.0
"""The threshold of a class that isn't wanted: no score is above 1."""

Classes = tuple[int | str, ...] | int | str | None
Confidence = float | Mapping[int | str, float]

UNLABELLED = 65536
"""How many class ids there may be where neither labels nor the shape of an output say."""


def thresholds(
    labels: tuple[str, ...],
    count: int,
    confidence: Confidence,
    default: float,
    classes: Classes,
) -> NDArray[np.float32]:
    """The least score of each class, `UNREACHABLE` for those that aren't wanted: (count,).

    Args:
        labels: of the model, () if it has none.
        count: how many classes there are.
        confidence: one number, or one by label or class id; `default` for those it leaves out.
        default: see there.
        classes: labels or class ids; None for all.

    Raises:
        InvalidArgument: `confidence` or `classes` names a class that the model doesn't have.
    """
    if isinstance(confidence, Mapping):
        least = np.full(count, default, np.float32)
        for named, value in confidence.items():
            least[class_ids(labels, count, named, "confidence")] = value
    else:
        least = np.full(count, confidence, np.float32)
    if classes is not None:
        given = classes if isinstance(classes, tuple) else (classes,)
        unwanted = np.ones(count, bool)
        for each in given:
            unwanted[class_ids(labels, count, each, "classes")] = False
        least[unwanted] = UNREACHABLE
    return least


def check_parameters(package: ModelPackage) -> None:
    """Refuse a package whose own `classes` or `confidence` name a class that it doesn't have, before
    the first call would. Without labels only the graph knows.

    Raises:
        InvalidModel: see there.
    """
    if not package.labels:
        return
    classes, confidence = map(package.parameters.get, ("classes", "confidence"))
    named = {
        "classes": classes if isinstance(classes, list) else [classes],
        "confidence": confidence if isinstance(confidence, Mapping) else (),
    }
    for option, values in named.items():
        for value in values:
            if isinstance(value, (int, str)):  # the rest is refused for its type
                try:
                    class_ids(package.labels, len(package.labels), value, option)
                except InvalidArgument as error:
                    raise wrong_parameters(package, error) from error


def class_ids(labels: tuple[str, ...], count: int, value: int | str, option: str) -> list[int]:
    """The class ids that a label, or an id, stands for: several classes may share a name.

    A decimal number as text that is no label is an id: JSON has no other keys than text.

    Raises:
        InvalidArgument: there is none; the message names `option` and what there is.
    """
    if isinstance(value, int):
        if 0 <= value < count:
            return [value]
        raise InvalidArgument(f"{option}: there is no class id {value}{_known(labels)}")
    named = [index for index, label in enumerate(labels) if label == value]
    if named:
        return named
    if _is_id(value):
        return class_ids(labels, count, int(value), option)
    parts = [part.strip() for part in value.split(",")]
    meant = [int(part) if part not in labels and _is_id(part) else part for part in parts]
    if len(parts) > 1 and any(isinstance(each, int) or each in labels for each in meant):
        raise InvalidArgument(
            f"{option}: {value!r} are several classes; they are given one by one: "
            f"{dumps(meant, ensure_ascii=False)}"
        )
    hint = did_you_mean(value, labels) or _known(labels)
    raise InvalidArgument(f"{option}: the model has no label {value!r}{hint}")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _known(labels: tuple[str, ...]) -> str:
    shown = ", ".join(f"{i} {label}" for i, label in enumerate(labels[:10]))
    more = ", …" if len(labels) > 10 else ""
    return f"; it has {shown}{more}" if shown else "; it has no labels"
