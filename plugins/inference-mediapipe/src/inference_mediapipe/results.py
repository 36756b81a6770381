"""From MediaPipe's results to core's. Nothing is computed anew: coordinates become pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from inference_core.errors import InferenceError
from inference_core.results import Classification, Detections, Embedding, Segmentation
from numpy.typing import NDArray

from inference_mediapipe import keypoints
from inference_mediapipe.options import MediapipeOptions

Size = tuple[int, int]
_FACE_MESH = 478
_BLENDSHAPES = 52
_DEFAULT_CLASSES = 5


def convert(
    task: str,
    native: Any,
    size: Size | None,
    options: Mapping[str, Any],
    labels: Sequence[str],
    asked: MediapipeOptions,
) -> Any:
    """One of core's results.

    Args:
        task: the name of the task.
        native: what MediaPipe's object returned.
        size: (width, height) of the picture in pixels; None for a text.
        options: per-call options of the task.
        labels: of the classes, as far as the file has them.
        asked: what the model was loaded with, which says what is in a result.

    Raises:
        InferenceError: there are several answers where one is expected.
    """
    if task in _CLASSIFIED:
        return _classification(native, size, options)
    if task in ("image-embedding", "text-embedding"):
        embedding = _only(native.embeddings, "embeddings").embedding
        return Embedding(np.asarray(embedding, np.float32))
    assert size is not None
    if task == "image-segmentation":
        return _segmentation(native, size, labels)
    found = (
        _objects(native, size, labels)
        if task == "object-detection"
        else _FOUND[task](native, size, asked)
    )
    sure = found.confidence >= options["confidence"]
    if not sure.all():  # mostly all are, and a copy costs as much as the rest of this
        found = found[sure]
    most = options["max_detections"]
    return found[:most] if len(found) > most else found


def _only(answers: Sequence[Any], what: str) -> Any:
    """The one answer of a model with one output."""
    if len(answers) != 1:
        names = ", ".join(str(each.head_name) for each in answers)
        raise InferenceError(f"the model gives {len(answers)} {what} ({names}), not one: split it")
    return answers[0]


_CLASSIFIED = ("image-classification", "text-classification")


def _classification(native: Any, size: Size | None, options: Mapping[str, Any]) -> Classification:
    categories = _only(native.classifications, "classifications").categories
    best = sorted(categories, key=lambda each: -each.score)
    threshold, most = options["threshold"], options["top_k"]
    if threshold is not None:
        best = [each for each in best if each.score >= threshold]
    elif most is None:
        most = _DEFAULT_CLASSES
    best = best[:most]
    return Classification(
        np.array([each.index for each in best], np.int64),
        np.array([each.score for each in best], np.float32),
        tuple(_label(each) for each in best),
        size,
    )


def _segmentation(native: Any, size: Size, labels: Sequence[str]) -> Segmentation:
    width, height = size
    classes = native.category_mask.numpy_view().reshape(height, width)
    masks = [mask.numpy_view().reshape(height, width) for mask in native.confidence_masks]
    if len(masks) == 1:
        # One channel says how likely class 0 is; MediaPipe marks the rest with 255.
        classes = np.where(classes == 0, np.uint8(0), np.uint8(1))
        likely = np.asarray(masks[0], np.float32)
        confidence = np.where(classes == 0, likely, 1 - likely)
        names: tuple[str, ...] = (*labels[:1], "background") if labels else ()
    else:
        confidence = np.take_along_axis(np.stack(masks), classes[None].astype(np.int64), 0)[0]
        names = tuple(labels)
    # Copies: MediaPipe's views are of memory that it frees.
    return Segmentation(np.array(classes, np.uint8), names, size, np.array(confidence, np.float32))


def _objects(native: Any, size: Size, labels: Sequence[str]) -> Detections:
    rows = sorted(native.detections, key=lambda each: -each.categories[0].score)
    return _detections([each.categories[0] for each in rows], _boxes(rows), size, labels)


def _faces(native: Any, size: Size, asked: MediapipeOptions) -> Detections:
    rows = sorted(native.detections, key=lambda each: -each.categories[0].score)
    points = np.array([[(p.x, p.y) for p in row.keypoints] for row in rows], np.float32)
    points = points.reshape(len(rows), len(keypoints.FACE), 2) * np.array(size, np.float32)
    scores = np.array([row.categories[0].score for row in rows], np.float32)
    return Detections(
        _boxes(rows),
        scores,
        np.zeros(len(rows), np.int64),
        ("face",) * len(rows),
        size,
        keypoints=_visible(points),
        keypoint_names=keypoints.FACE,
    )


def _face_landmarks(native: Any, size: Size, asked: MediapipeOptions) -> Detections:
    landmarks = native.face_landmarks
    count = len(landmarks[0]) if landmarks else _FACE_MESH
    attributes: dict[str, NDArray[Any]] = {"depth": _depth(landmarks, size, count)}
    if asked.blendshapes:
        scores = [[each.score for each in face] for face in native.face_blendshapes]
        attributes["blendshapes"] = np.array(scores, np.float32).reshape(-1, _BLENDSHAPES)
    if asked.transforms:
        matrices = native.facial_transformation_matrixes
        attributes["transforms"] = np.array(matrices, np.float32).reshape(-1, 4, 4)
    return _landmarks(landmarks, size, count, "face", attributes)


def _hands(native: Any, size: Size, asked: MediapipeOptions) -> Detections:
    sides = [each[0] for each in native.handedness]
    return _sided(native, size, sides, {})


def _gestures(native: Any, size: Size, asked: MediapipeOptions) -> Detections:
    sides = [each[0] for each in native.handedness]
    attributes = {
        "handedness": np.array([_label(side) for side in sides], dtype=str),
        "handedness_confidence": np.array([side.score for side in sides], np.float32),
    }
    return _sided(native, size, [each[0] for each in native.gestures], attributes)


def _sided(
    native: Any, size: Size, categories: Sequence[Any], attributes: dict[str, NDArray[Any]]
) -> Detections:
    """Hands, each of the category that it has."""
    count = len(keypoints.HAND)
    attributes |= {
        "depth": _depth(native.hand_landmarks, size, count),
        "world": _world(native.hand_world_landmarks, count),
    }
    points = _points(native.hand_landmarks, size, count)
    found = _detections(categories, _around(points, size), size)
    order = np.argsort(-found.confidence, kind="stable")
    return Detections(
        found.xyxy,
        found.confidence,
        found.class_id,
        found.labels,
        size,
        keypoints=_visible(points),
        keypoint_names=keypoints.HAND,
        attributes=attributes,
    )[order]


def _poses(native: Any, size: Size, asked: MediapipeOptions) -> Detections:
    landmarks, count = native.pose_landmarks, len(keypoints.POSE)
    presence = [[point.presence for point in pose] for pose in landmarks]
    attributes = {
        "depth": _depth(landmarks, size, count),
        "world": _world(native.pose_world_landmarks, count),
        "presence": np.array(presence, np.float32).reshape(-1, count),
    }
    masks = None
    if asked.masks:
        width, height = size
        views = [mask.numpy_view() for mask in native.segmentation_masks or ()]
        masks = np.array(views, np.float32).reshape(-1, height, width) >= 0.5
    visibility = [[point.visibility for point in pose] for pose in landmarks]
    return _landmarks(
        landmarks,
        size,
        count,
        "person",
        attributes,
        keypoints.POSE,
        np.array(visibility, np.float32).reshape(-1, count),
        masks,
    )


def _landmarks(
    landmarks: Sequence[Sequence[Any]],
    size: Size,
    count: int,
    label: str,
    attributes: dict[str, NDArray[Any]],
    names: tuple[str, ...] = (),
    visibility: NDArray[np.float32] | None = None,
    masks: NDArray[np.bool_] | None = None,
) -> Detections:
    """Faces or poses: MediaPipe gives no score of the whole, so each is 1."""
    points = _points(landmarks, size, count)
    found = len(landmarks)
    return Detections(
        _around(points, size),
        np.ones(found, np.float32),
        np.zeros(found, np.int64),
        (label,) * found,
        size,
        masks=masks,
        keypoints=_visible(points, visibility),
        keypoint_names=names,
        attributes=attributes,
    )


_FOUND: Mapping[str, Callable[[Any, Size, MediapipeOptions], Detections]] = {
    "face-detection": _faces,
    "face-landmarks": _face_landmarks,
    "hand-landmarks": _hands,
    "pose-landmarks": _poses,
    "gesture-recognition": _gestures,
}


def _detections(
    categories: Sequence[Any], boxes: NDArray[np.float32], size: Size, labels: Sequence[str] = ()
) -> Detections:
    return Detections(
        boxes,
        np.array([each.score for each in categories], np.float32),
        np.array([_class_id(each, labels) for each in categories], np.int64),
        tuple(_label(each) for each in categories),
        size,
    )


def _class_id(category: Any, labels: Sequence[str]) -> int:
    """MediaPipe gives no index where a detector's classes are named by their values; -1 if unknown."""
    if category.index is not None:
        return int(category.index)
    return labels.index(category.category_name) if category.category_name in labels else -1


def _label(category: Any) -> str:
    return str(category.display_name or category.category_name or category.index)


def _boxes(rows: Sequence[Any]) -> NDArray[np.float32]:
    edges = [
        (box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
        for box in (row.bounding_box for row in rows)
    ]
    return np.array(edges, np.float32).reshape(-1, 4)


def _points(landmarks: Sequence[Sequence[Any]], size: Size, count: int) -> NDArray[np.float32]:
    """(N, K, 2) in pixels."""
    points = np.array([[(p.x, p.y) for p in each] for each in landmarks], np.float32)
    return np.asarray(points.reshape(-1, count, 2) * np.array(size, np.float32), np.float32)


def _depth(landmarks: Sequence[Sequence[Any]], size: Size, count: int) -> NDArray[np.float32]:
    """(N, K) in pixels, as MediaPipe scales it: like x."""
    depth = np.array([[point.z for point in each] for each in landmarks], np.float32)
    return np.asarray(depth.reshape(-1, count) * np.float32(size[0]), np.float32)


def _world(landmarks: Sequence[Sequence[Any]], count: int) -> NDArray[np.float32]:
    """(N, K, 3) in metres."""
    points = [[(point.x, point.y, point.z) for point in each] for each in landmarks]
    return np.array(points, np.float32).reshape(-1, count, 3)


def _visible(
    points: NDArray[np.float32], visibility: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """(N, K, 3): where a model doesn't say how visible its points are, they are."""
    third = np.ones(points.shape[:2], np.float32) if visibility is None else visibility
    return np.concatenate([points, third[..., None]], axis=2)


def _around(points: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """(N, 4): the boxes around points, as far as they are in the picture."""
    limits = np.array(size, np.float32)
    low, high = points.min(axis=1, initial=np.inf), points.max(axis=1, initial=-np.inf)
    return np.concatenate([np.clip(low, 0, limits), np.clip(high, 0, limits)], axis=1)
