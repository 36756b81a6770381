"""Reading what an Ultralytics export says of itself in its metadata.

The text comes from an untrusted file, so it is scanned for the few forms that Ultralytics writes
and never evaluated. Light: standard library and inference_core only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Literal

from inference_core.errors import InvalidModel
from inference_core.package import Facts

from inference_vision.settings import pictures_last

MAX_TEXT = 1_000_000  # characters; the names of 20,000 classes take half of it

_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_NAME = re.compile(rf"\s*(\d{{1,6}})\s*:\s*({_QUOTED})\s*(,|$)", re.DOTALL)
_QUOTED_TEXT = re.compile(rf"\s*({_QUOTED})\s*(,|$)", re.DOTALL)
_POINTS = re.compile(r"\s*[\[(]\s*(\d{1,4})\s*,\s*([23])\s*[\])]\s*")
_POINT_NAMES = re.compile(r"\s*\{\s*0\s*:\s*\[(.*?)\]\s*[,}]", re.DOTALL)
_SIZE = re.compile(r"\[\s*(\d{1,5})\s*,\s*(\d{1,5})\s*\]|(\d{1,5})")


def labels_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Class names in the order of their ids, from `names`: the text of a dict {0: 'person', …}, or
    of a list ['person', …], as YOLOv5's exporter writes for models that keep one.

    Raises:
        InvalidModel: the text is anything else, or the ids aren't 0, 1, 2, …
    """
    text = metadata["names"].strip()
    if len(text) <= MAX_TEXT and text.startswith("[") and text.endswith("]"):
        names = _quoted_texts(text[1:-1].strip())
        if not names:
            raise _damaged("names", text, "a list of quoted names, ['person', 'car']")
        return tuple(names)
    if len(text) > MAX_TEXT or not (text.startswith("{") and text.endswith("}")):
        raise _damaged("names", text, "a dict of names by class id, {0: 'person', 1: 'car'}")
    body = text[1:-1].strip()
    labels: dict[int, str] = {}
    position = 0
    while position < len(body):
        item = _NAME.match(body, position)
        if item is None or int(item[1]) in labels:
            raise _damaged(
                "names", body[position:], "one name per class id, {0: 'person', 1: 'car'}"
            )
        labels[int(item[1])] = _unquoted(item[2])
        position = item.end()
    if not labels or sorted(labels) != list(range(len(labels))):
        raise _damaged("names", text, "names for the class ids 0, 1, 2, … without a gap")
    return tuple(labels[index] for index in range(len(labels)))


def open_image_size(facts: Facts) -> list[int] | None:
    """[height, width] in pixels from `imgsz`, "[320, 320]" or "320", if the graph doesn't fix it.

    None if it does, or if the metadata doesn't say.

    Raises:
        InvalidModel: the text is anything else.
    """
    text = facts["metadata"].get("imgsz")
    shapes = [spec.shape for spec in facts.get("inputs", ())]
    if text is None or not any(shape is None or None in shape[2:] for shape in shapes):
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise _damaged("imgsz", text, "[height, width]")
    height, width, both = match.groups()
    return [int(both or height), int(both or width)]


def stride_of(metadata: Mapping[str, str]) -> int | None:
    """What height and width must be a multiple of, from `stride`; None if it isn't there.

    Raises:
        InvalidModel: the text isn't a whole number above zero.
    """
    text = metadata.get("stride")
    if text is None:
        return None
    match = re.fullmatch(r"\s*([1-9]\d{0,3})(?:\.0)?\s*", text)
    if match is None:
        raise _damaged("stride", text, "a whole number above 0")
    return int(match[1])


def is_end_to_end(metadata: Mapping[str, str]) -> bool:
    """Whether the graph itself suppresses overlapping boxes: an end2end model, or nms=True."""
    nms = re.search(r"'nms'\s*:\s*True", metadata.get("args", ""))
    return metadata.get("end2end", "").strip().lower() == "true" or nms is not None


def coordinates_of(facts: Facts) -> Literal["pixels", "relative"]:
    """Whether boxes and keypoints are pixels of the input, or fractions of its width and height.

    Exports for TensorFlow Lite have fractions, which quantise better. Only end-to-end models that
    came through torch (their pictures have the channels first) have pixels there, too.
    """
    if "tflite.signatures" not in facts:
        return "pixels"
    last = any(pictures_last(spec.shape) for spec in facts.get("inputs", ()))
    return "relative" if last or not is_end_to_end(facts["metadata"]) else "pixels"


def is_transformer(metadata: Mapping[str, str]) -> bool:
    """Whether it is an RT-DETR, which Ultralytics exports, too, and whose boxes are relative."""
    named = f"{metadata.get('head', '')} {metadata.get('description', '')}"
    return "rtdetr" in named.lower().replace("-", "")


def keypoint_shape_of(metadata: Mapping[str, str]) -> tuple[int, int]:
    """(number of keypoints, numbers per point) from `kpt_shape`, "[17, 3]".

    Raises:
        InvalidModel: the text is anything else, or it isn't there.
    """
    match = _POINTS.fullmatch(metadata.get("kpt_shape", ""))
    if match is None or int(match[1]) == 0:
        text = metadata.get("kpt_shape", "")
        raise _damaged("kpt_shape", text, "[keypoints, 2] or [keypoints, 3]")
    return int(match[1]), int(match[2])


def keypoint_names_of(metadata: Mapping[str, str], points: int) -> tuple[str, ...] | None:
    """Names of the keypoints of class 0 from `kpt_names`, "{0: ['nose', …]}"; None without them.

    Raises:
        InvalidModel: the text is anything else, or there are other than `points` names.
    """
    text = metadata.get("kpt_names")
    if text is None:
        return None
    match = _POINT_NAMES.match(text) if len(text) <= MAX_TEXT else None
    body = match[1].strip() if match else ""
    names = _quoted_texts(body)
    if names is None or len(names) != points:
        raise _damaged("kpt_names", text, f"{points} names by class id, {{0: ['nose', …]}}")
    return tuple(names)


def _quoted_texts(body: str) -> list[str] | None:
    """The texts between the brackets of a list, 'a', 'b'; None if anything else is there."""
    texts, position = [], 0
    while position < len(body):
        item = _QUOTED_TEXT.match(body, position)
        if item is None:
            return None
        texts.append(_unquoted(item[1]))
        position = item.end()
    return texts


def _unquoted(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        # One string token without any nesting, hence safe whatever it holds.
        return str(ast.literal_eval(quoted))
    except (SyntaxError, ValueError) as error:
        raise _damaged("names", quoted, "names as Python writes strings") from error


def _damaged(key: str, text: str, wanted: str) -> InvalidModel:
    return InvalidModel(
        f"the model's metadata looks like Ultralytics', but {key!r} isn't {wanted}: {text[:60]!r}. "
        "Export the model again, or write a model.json beside it"
    )
