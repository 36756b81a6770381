"""Results as supervision's objects: the same values, of use to supervision's own functions.

supervision brings scipy, matplotlib and FFmpeg, so it is installed for these tests alone.
"""

from __future__ import annotations

from importlib import metadata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inference_core import (
    AutoModel,
    Classification,
    Depth,
    Detections,
    Embedding,
    InferenceError,
    Segmentation,
)

supervision = pytest.importorskip("supervision")
vision = pytest.importorskip("inference_vision")

LABELS = ("circle", "square", "triangle")


def detections(count=3, **more):
    corner = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    return Detections(
        xyxy=np.concatenate([corner, corner + 4], axis=1),
        confidence=np.linspace(0.9, 0.5, count, dtype=np.float32),
        class_id=np.arange(count)[::-1] % 3,
        labels=tuple(LABELS[i % 3] for i in range(count)[::-1]),
        image_size=(20, 12),
        **more,
    )


def check_same(converted, found):
    np.testing.assert_array_equal(converted.xyxy, found.xyxy)
    np.testing.assert_array_equal(converted.confidence, found.confidence)
    np.testing.assert_array_equal(converted.class_id, found.class_id)
    assert converted.data["class_name"].tolist() == list(found.labels)


def test_it_brings_no_opencv_beside_ours():
    """Two distributions that write the same folder break each other when one of them goes. MediaPipe
    brings one all the same, which its README tells."""
    found = set(metadata.packages_distributions()["cv2"])
    assert found - {"opencv-contrib-python"} == {"opencv-python-headless"}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_boxes_keep_their_values_and_their_names_when_supervision_filters_them(count):
    found = detections(count)
    converted = found.to_supervision()
    assert isinstance(converted, supervision.Detections)
    check_same(converted, found)
    assert converted.mask is None
    check_same(converted[converted.confidence < 0.8], found[found.confidence < 0.8])


@settings(max_examples=40, deadline=None)
@given(
    masks=arrays.arrays(bool, st.tuples(st.integers(0, 4), st.just(12), st.just(20))),
    form=st.sampled_from(["bitmap", "rle", "polygons"]),
)
def test_masks_of_any_form_become_the_same_pixels(masks, form):
    found = detections(len(masks), masks=masks).with_masks(form)
    converted = found.to_supervision()
    check_same(converted, found)
    np.testing.assert_array_equal(converted.mask, masks)
    assert converted.area.tolist() == masks.sum(axis=(1, 2)).tolist()


@pytest.mark.parametrize("count", [0, 3])
def test_corners_of_oriented_boxes_are_where_supervision_looks_for_them(count):
    corners = np.arange(8 * count, dtype=np.float32).reshape(count, 4, 2)
    found = detections(count, corners=corners)
    converted = found.to_supervision()
    check_same(converted, found)
    np.testing.assert_array_equal(converted.data["xyxyxyxy"], corners)


@pytest.mark.parametrize("count", [0, 3])
def test_keypoints_become_key_points_with_their_boxes(count):
    points = np.arange(count * 5 * 3, dtype=np.float32).reshape(count, 5, 3) / 50
    found = detections(count, keypoints=points)
    converted = found.to_supervision()
    assert isinstance(converted, supervision.KeyPoints)
    np.testing.assert_array_equal(converted.xy, points[..., :2])
    np.testing.assert_array_equal(converted.keypoint_confidence, points[..., 2])
    np.testing.assert_array_equal(converted.detection_confidence, found.confidence)
    np.testing.assert_array_equal(converted.class_id, found.class_id)
    np.testing.assert_array_equal(converted.data["xyxy"], found.xyxy)
    assert converted.data["class_name"].tolist() == list(found.labels)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_classification_keeps_ids_and_confidences(count):
    found = Classification(
        np.arange(count)[::-1].copy(),
        np.linspace(0.6, 0.1, count, dtype=np.float32),
        LABELS[:count][::-1],
        (20, 12),
    )
    converted = found.to_supervision()
    assert isinstance(converted, supervision.Classifications)
    np.testing.assert_array_equal(converted.class_id, found.class_id)
    np.testing.assert_array_equal(converted.confidence, found.confidence)


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 2), elements=st.integers(0, 2)))
def test_a_segmentation_is_a_mask_for_each_class_with_the_box_around_it(class_map):
    height, width = class_map.shape
    converted = Segmentation(class_map, LABELS, (width, height)).to_supervision()
    assert converted.class_id.tolist() == sorted(set(class_map.ravel().tolist()))
    for mask, (x1, y1, x2, y2), class_id, name in zip(
        converted.mask,
        converted.xyxy,
        converted.class_id,
        converted.data["class_name"],
        strict=True,
    ):
        np.testing.assert_array_equal(mask, class_map == class_id)
        assert name == LABELS[class_id]
        rows, columns = np.nonzero(mask)
        assert (x1, y1) == (columns.min(), rows.min())
        assert (x2, y2) == (columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize(
    "result", [Depth(np.ones((2, 3), np.float32), (3, 2)), Embedding(np.ones(3, np.float32))]
)
def test_what_supervision_has_no_place_for_is_refused_in_these_words(result):
    kind = type(result).__name__
    with pytest.raises(InferenceError, match=f"supervision has no place for a result like {kind}"):
        result.to_supervision()


def test_supervision_draws_what_the_bundled_model_finds(pictures):
    pytest.importorskip("onnxruntime")
    image = vision.read_image(pictures[0]).pixels
    with AutoModel.from_pretrained("shapes", backend="onnx", options={"threads": 1}) as model:
        found = model(image)
    assert len(found) > 0
    converted = found.to_supervision()
    check_same(converted, found)
    drawn = supervision.BoxAnnotator(thickness=1).annotate(image.copy(), converted)
    drawn = supervision.LabelAnnotator().annotate(drawn, converted)
    changed = (drawn != image).any(axis=2)
    for x1, y1, x2, y2 in found.xyxy.astype(int):
        middle = (y1 + y2) // 2, (x1 + x2) // 2
        assert changed[middle[0], x1 - 1 : x1 + 2].any()
        assert changed[y2 - 1 : y2 + 2, middle[1]].any()
