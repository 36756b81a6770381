"""Segmentation, keypoints and oriented boxes: what a tensor was made to say comes back."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.letterbox import Placement
from inference_vision.oriented import corners_of, oriented_suppression, probabilistic_iou
from inference_vision.yolo import YoloOptions, YoloProcessor
from inference_vision.yolo_keypoints import COCO_NAMES, YoloKeypointsProcessor
from inference_vision.yolo_options import YoloMaskOptions
from inference_vision.yolo_oriented import YoloOrientedProcessor
from inference_vision.yolo_segmentation import YoloSegmentationProcessor

from .geometry import placed, to_source

LABELS = ("a", "b", "c")
BOXES, SIDE, CELLS = 100, 320, 80
LAYOUTS = ["boxes-scores", "objectness", "end-to-end"]
SQUARE = Placement.of((SIDE, SIDE), (SIDE, SIDE), "letterbox")
ONE_BOX = np.array([[160, 160, 50, 50]], float)


def written(layout, cxcywh, scores, class_ids, extras, oriented=False):
    """One picture's tensor (1, …) as each layout is defined, from boxes by centre and size."""
    count, width = len(cxcywh), extras.shape[1]
    rows = np.zeros((BOXES, {"end-to-end": 6, "boxes-scores": 7, "objectness": 8}[layout] + width))
    if layout == "end-to-end":
        corners = np.hstack([cxcywh[:, :2] - cxcywh[:, 2:] / 2, cxcywh[:, :2] + cxcywh[:, 2:] / 2])
        boxes = cxcywh if oriented else corners
        rows[:count] = np.column_stack([boxes, scores, class_ids, extras])
    else:
        rows[:count, :4] = cxcywh
        first = 4
        if layout == "objectness":
            rows[:count, 4], first = 0.5, 5
            scores = scores / 0.5
        rows[np.arange(count), first + class_ids] = scores
        rows[:count, first + 3 :] = extras
    rows = rows.astype(np.float32)
    return (rows.T if layout == "boxes-scores" else rows)[None]


def processor_of(cls, layout, extras, settings=None, labels=LABELS, prototypes=None):
    width = extras + {"end-to-end": 6, "boxes-scores": 7, "objectness": 8}[layout]
    shape = (None, width, BOXES) if layout == "boxes-scores" else (None, BOXES, width)
    outputs = [TensorSpec("output0", "float32", shape)]
    if prototypes is not None:
        outputs.append(TensorSpec("output1", "float32", prototypes))
    spec = ProcessorSpec("made", settings or {})
    package = ModelPackage("m", Path("m"), (), labels=labels, processor=spec)
    image = TensorSpec("images", "float32", (None, 3, SIDE, SIDE))
    return cls(package, {"model": Graph((image,), tuple(outputs))})


@st.composite
def scenes(draw):
    """A picture's size and fit, boxes of the input (centre and size) apart from each other, scores
    below 0.5, classes, and a threshold."""
    source = draw(st.tuples(st.integers(40, 3000), st.integers(40, 3000)))
    fit = draw(st.sampled_from(["letterbox", "fit", "stretch"]))
    scale, offset = placed(source, (SIDE, SIDE), fit)
    cells = draw(st.lists(st.integers(0, 8), unique=True, min_size=1, max_size=9))
    step = source * scale / 3
    centre = np.array([[cell % 3 + 0.5, cell // 3 + 0.5] for cell in cells]) * step
    share = draw(st.lists(st.floats(0.3, 0.7), min_size=len(cells), max_size=len(cells)))
    boxes = np.hstack([centre + offset, step * np.array(share)[:, None]])
    order = draw(st.permutations(range(len(cells))))
    scores = 0.3 + np.array(order) / 64
    classes = draw(st.lists(st.integers(0, 2), min_size=len(cells), max_size=len(cells)))
    confidence = 0.3 + (draw(st.integers(-2, 9)) + 0.5) / 64  # between two scores
    return Scene(source, fit, boxes, scores, np.array(classes), confidence)


class Scene(NamedTuple):
    source: tuple[int, int]
    fit: str
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    confidence: float

    @property
    def placement(self):
        return Placement.of(self.source, (SIDE, SIDE), self.fit)

    @property
    def order(self):
        """Rows that are sure enough, best first."""
        order = np.argsort(-self.scores)
        return order[self.scores[order] >= self.confidence]

    def to_source(self, points):
        return to_source(points, self.source, (SIDE, SIDE), self.fit)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("numbers", [2, 3])
@settings(max_examples=25, deadline=None)
@given(scene=scenes(), seed=st.integers(0, 2**32 - 1))
def test_keypoints_come_back_where_they_are_in_the_source(layout, numbers, scene, seed):
    boxes, order = scene.boxes, scene.order
    rng = np.random.default_rng(seed)
    points = rng.random((len(boxes), 5, 3)) * [SIDE, SIDE, 1]
    extras = points[..., :numbers].reshape(len(boxes), -1)
    raw = written(layout, boxes, scene.scores, scene.classes, extras)
    settings_given = {"keypoints": [5, numbers], "keypoint_names": list("vwxyz")}
    processor = processor_of(YoloKeypointsProcessor, layout, 5 * numbers, settings_given)
    options = YoloOptions(confidence=scene.confidence)
    (found,) = processor.postprocess({"output0": raw}, (scene.placement,), options)

    assert found.class_id.tolist() == scene.classes[order].tolist()
    np.testing.assert_allclose(found.confidence, scene.scores[order], atol=1e-6)
    corners = np.stack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    np.testing.assert_allclose(
        found.xyxy, scene.to_source(corners)[order].reshape(-1, 4), atol=0.02
    )
    expected = scene.to_source(points[order][..., :2])
    np.testing.assert_allclose(found.keypoints[..., :2], expected, atol=0.02)
    visible = points[order][..., 2] if numbers == 3 else 1
    np.testing.assert_allclose(found.keypoints[..., 2], visible + np.zeros((len(order), 5)), 1e-5)
    assert found.keypoint_names == tuple("vwxyz")


def test_seventeen_keypoints_have_the_names_of_coco():
    processor = processor_of(YoloKeypointsProcessor, "boxes-scores", 51)
    raw = written("boxes-scores", np.empty((0, 4)), np.empty(0), np.empty(0, int), np.ones((0, 51)))
    (found,) = processor.postprocess({"output0": raw}, (SQUARE,), YoloOptions())
    assert found.keypoint_names == COCO_NAMES
    assert found.keypoints.shape == (0, 17, 3)


@pytest.mark.parametrize(
    ("given_settings", "words"),
    [
        ({"keypoints": [17, 4]}, r"\[points, 2\]"),
        ({"keypoints": [17]}, "2 whole numbers"),
        ({"keypoints": [17, 3], "keypoint_names": ["nose"]}, "1 names for 17"),
        ({"keypoint_names": "nose"}, "a list of names"),
        ({"keypoints": [5, 3]}, "no output fits.*15 more numbers"),
    ],
)
def test_wrong_settings_of_keypoints_are_errors_that_name_them(given_settings, words):
    with pytest.raises(InvalidModel, match=words):
        processor_of(YoloKeypointsProcessor, "boxes-scores", 51, given_settings)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=25, deadline=None)
@given(scene=scenes(), seed=st.integers(0, 2**32 - 1))
def test_oriented_boxes_come_back_as_their_corners(layout, scene, seed):
    boxes, order = scene.boxes, scene.order
    angles = np.random.default_rng(seed).uniform(-np.pi / 4, 3 * np.pi / 4, (len(boxes), 1))
    raw = written(layout, boxes, scene.scores, scene.classes, angles, oriented=True)
    processor = processor_of(YoloOrientedProcessor, layout, 1)
    # Turned, the boxes may overlap.
    options = YoloOptions(iou=1.0, confidence=scene.confidence)
    (found,) = processor.postprocess({"output0": raw}, (scene.placement,), options)

    expected = []
    for (cx, cy, w, h), (angle,) in zip(boxes, angles, strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        local = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
        expected.append(scene.to_source([cx, cy] + local @ turn.T))
    np.testing.assert_allclose(found.corners, np.array(expected)[order], atol=0.02)
    assert found.class_id.tolist() == scene.classes[order].tolist()
    around = np.concatenate([found.corners.min(axis=1), found.corners.max(axis=1)], axis=1)
    limits = np.tile(scene.source, 2)
    np.testing.assert_allclose(found.xyxy, np.clip(around, 0, limits), atol=1e-3)
    x, y = np.moveaxis(found.corners, 2, 0).astype(float)
    turned = (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1)
    assert (turned > 0).all()  # clockwise, with y downwards


def gaussian_iou(one, other):
    """1 - Hellinger distance, with matrices: Llerena et al., arXiv:2106.06072."""
    moments = []
    for cx, cy, w, h, angle in (one, other):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moments.append((np.array([cx, cy]), turn @ np.diag([w * w / 12, h * h / 12]) @ turn.T))
    (mean, spread), (mean_, spread_) = moments
    middle, apart = (spread + spread_) / 2, mean - mean_
    distance = apart @ np.linalg.inv(middle) @ apart / 8
    dets = np.linalg.det(spread) * np.linalg.det(spread_)
    distance += np.log(np.linalg.det(middle) / np.sqrt(dets)) / 2
    return 1 - np.sqrt(max(0, 1 - np.exp(-max(distance, 0))))


box_numbers = st.tuples(
    *[st.floats(0, 60)] * 2, *[st.floats(1, 50)] * 2, st.floats(-np.pi, np.pi)
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(box_numbers, box_numbers)
def test_probabilistic_iou_is_the_hellinger_distance_of_gaussians(one, other):
    found = probabilistic_iou(np.array([one]), np.array([other]))[0, 0]
    assert found == pytest.approx(gaussian_iou(one, other), abs=1e-5)
    assert probabilistic_iou(np.array([one]), np.array([one]))[0, 0] > 0.9999


def test_oriented_suppression_agrees_with_the_greedy_algorithm():
    rng = np.random.default_rng(0)
    for _ in range(150):
        count = int(rng.integers(1, 12))
        low, high = [0, 0, 5, 5, 0], [40, 40, 30, 30, np.pi]
        boxes = rng.uniform(low, high, (count, 5)).astype(np.float32)
        scores, classes = rng.integers(0, 6, count) / 6, rng.integers(0, 2, count)
        expected = []
        for index in sorted(range(count), key=lambda i: (-scores[i], i)):
            rivals = [kept for kept in expected if classes[kept] == classes[index]]
            alike = [gaussian_iou(boxes[index], boxes[rival]) for rival in rivals]
            if max(alike, default=0) <= 0.3:
                expected.append(index)
        found = oriented_suppression(boxes, scores, classes, iou=0.3, max_detections=300)
        assert found.tolist() == expected


def polygon_iou(one, other):
    """Intersection over union of two oriented boxes as areas, by OpenCV's clipping of polygons."""
    rectangles = [((cx, cy), (w, h), np.degrees(angle)) for cx, cy, w, h, angle in (one, other)]
    _, polygon = cv2.rotatedRectangleIntersection(*rectangles)
    shared = 0 if polygon is None else cv2.contourArea(cv2.convexHull(polygon))
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def test_oriented_suppression_leaves_of_each_object_what_its_area_says():
    """The probabilistic IoU isn't that of areas, but where those leave no doubt (near copies of an
    object, and other objects apart) both have to say the same; a wrong sense or unit of the angle,
    or width for height, doesn't survive this."""
    rng = np.random.default_rng(3)
    pairs = 0
    for _ in range(300):
        objects = int(rng.integers(1, 7))
        places = rng.permutation(9)[:objects]
        truth = np.column_stack(
            [
                100 * np.stack(np.divmod(places, 3), axis=1) + rng.uniform(-10, 10, (objects, 2)),
                rng.uniform([60, 14], [80, 22], (objects, 2)),
                rng.uniform(-np.pi, np.pi, objects),
            ]
        )
        copies = rng.integers(1, 5, objects)
        boxes = np.repeat(truth, copies, axis=0)
        boxes += rng.uniform(-1, 1, boxes.shape) * [0.5, 0.5, 2, 1, 0.02]
        # Along the box, which would be across it if angles ran the other way.
        along = np.stack([np.cos(boxes[:, 4]), np.sin(boxes[:, 4])], axis=1)
        boxes[:, :2] += along * rng.uniform(-7, 7, (len(boxes), 1))
        half_turn = rng.integers(0, 2, len(boxes))
        boxes[:, 4] += half_turn * np.pi  # which is the same box
        boxes = boxes.astype(np.float32)
        scores = rng.integers(0, 4, len(boxes)) / 4
        expected = []
        for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
            overlaps = [polygon_iou(boxes[index], boxes[kept]) for kept in expected]
            assert all(overlap < 0.05 or overlap > 0.55 for overlap in overlaps)
            pairs += sum(overlap > 0.55 for overlap in overlaps)
            if max(overlaps, default=0) <= 0.3:
                expected.append(index)
        found = oriented_suppression(
            boxes, scores, np.zeros(len(boxes), int), iou=0.3, max_detections=300
        )
        assert found.tolist() == expected
        assert len(found) == objects
    assert pairs > 300


def test_flat_and_enormous_oriented_boxes_are_no_trouble():
    boxes = np.array([[5, 5, 0, 0, 0], [5, 5, 1e5, 0, 0.1], [3e38, 0, 3e38, 3e38, 1]], np.float32)
    alike = probabilistic_iou(boxes, boxes)
    assert np.isfinite(alike).all()
    assert np.allclose(alike.diagonal(), 1, atol=1e-3)
    assert corners_of(np.empty((0, 5))).shape == (0, 4, 2)


@st.composite
def blobs(draw):
    """Prototypes that are one rectangle of cells each: +1 inside, -1 outside."""
    count = draw(st.integers(1, 4))
    edges = st.tuples(st.integers(5, 35), st.integers(45, 75))
    return [(draw(edges), draw(edges)) for _ in range(count)]


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=25, deadline=None)
@given(
    source=st.tuples(st.integers(200, 1500), st.integers(200, 1500)),
    fit=st.sampled_from(["letterbox", "fit", "stretch"]),
    rectangles=blobs(),
    mask_format=st.sampled_from(["bitmap", "rle", "polygons"]),
)
def test_masks_are_the_enlarged_prototypes_within_their_boxes(
    layout, source, fit, rectangles, mask_format
):
    scale, offset = placed(source, (SIDE, SIDE), fit)
    count = len(rectangles)
    prototypes = np.full((1, 4, CELLS, CELLS), -1, np.float32)
    for plane, ((x1, x2), (y1, y2)) in zip(prototypes[0], rectangles, strict=False):
        plane[y1:y2, x1:x2] = 1
    # The box covers the middle half of the picture, so it cuts the rectangles.
    half = source * scale / 2
    boxes = np.tile(np.concatenate([offset + half, half]), (count, 1))
    scores = 0.45 - np.arange(count) / 64
    raw = written(layout, boxes, scores, np.zeros(count, int), 3 * np.eye(4)[:count])
    processor = processor_of(
        YoloSegmentationProcessor, layout, 4, prototypes=(None, 4, CELLS, CELLS)
    )
    options = YoloMaskOptions(iou=1.0, mask_format=mask_format)
    outputs = {"output0": raw, "output1": prototypes}
    placement = Placement.of(source, (SIDE, SIDE), fit)
    (found,) = processor.postprocess(outputs, (placement,), options)

    middle = np.tile(source, 2) * [0.25, 0.25, 0.75, 0.75]
    np.testing.assert_allclose(found.xyxy, np.tile(middle, (count, 1)), atol=0.02)
    masks = found.with_masks("bitmap").masks
    assert masks.shape == (count, source[1], source[0])
    x, y = np.arange(source[0]) + 0.5, np.arange(source[1])[:, None] + 0.5
    for mask, ((x1, x2), (y1, y2)), (left, top, right, bottom) in zip(
        masks, rectangles, found.xyxy, strict=True
    ):
        near = 1e-3  # centres that lie on an edge of the box
        around = (x > left - near) & (x < right + near) & (y > top - near) & (y < bottom + near)
        assert not mask[~around].any()
        inside = (x > left + near) & (x < right - near) & (y > top + near) & (y < bottom - near)
        # A cell is SIDE / CELLS pixels of the input; what lies half a cell from an edge is certain.
        cell, margin = SIDE / CELLS, 0.6
        for grow, wanted in ((-margin, True), (margin, False)):
            columns = [(edge * cell - offset[0]) / scale[0] for edge in (x1 - grow, x2 + grow)]
            rows = [(edge * cell - offset[1]) / scale[1] for edge in (y1 - grow, y2 + grow)]
            within = (x > columns[0]) & (x < columns[1]) & (y > rows[0]) & (y < rows[1])
            certain = within if wanted else ~within
            assert (mask[certain & inside] == wanted).all()


def test_masks_are_exact_where_a_prototype_is_a_plane():
    """Bilinear interpolation reproduces a slope, so its zero is known to a fraction of a pixel."""
    source = (640, 480)
    placement = Placement.of(source, (SIDE, SIDE), "letterbox")
    centres = np.arange(CELLS) + 0.5
    prototypes = np.empty((1, 2, CELLS, CELLS), np.float32)
    prototypes[0, 0] = centres * (SIDE / CELLS)  # x in the input
    prototypes[0, 1] = 1
    boxes = np.array([[160, 160, 200, 200]], float)
    raw = written("boxes-scores", boxes, np.array([0.9]), np.array([0]), np.array([[1, -150.5]]))
    processor = processor_of(
        YoloSegmentationProcessor, "boxes-scores", 2, prototypes=(1, 2, CELLS, CELLS)
    )
    outputs = {"output0": raw, "output1": prototypes}
    (found,) = processor.postprocess(outputs, (placement,), YoloMaskOptions())
    columns = np.flatnonzero(found.masks[0].any(axis=0))
    assert columns[0] == 301  # the first whose centre is right of x = 150.5 in the input
    assert columns[-1] + 1 == found.xyxy[0, 2] == 520


def test_prototypes_that_overflow_are_an_error():
    processor = processor_of(
        YoloSegmentationProcessor, "boxes-scores", 4, prototypes=(1, 4, CELLS, CELLS)
    )
    boxes = np.array([[160, 160, 50, 50]], float)
    raw = written("boxes-scores", boxes, np.array([0.9]), np.array([0]), np.ones((1, 4)))
    bad = np.full((1, 4, CELLS, CELLS), np.nan, np.float32)
    with pytest.raises(InvalidModel, match="prototypes"):
        processor.postprocess({"output0": raw, "output1": bad}, (SQUARE,), YoloMaskOptions())
    with pytest.raises(InvalidModel, match=r"isn't \(pictures, 4, height, width\)"):
        processor.postprocess({"output0": raw, "output1": bad[:, :3]}, (SQUARE,), YoloMaskOptions())


def test_prototypes_without_cells_are_an_error():
    processor = processor_of(
        YoloSegmentationProcessor, "boxes-scores", 4, prototypes=(1, 4, None, None)
    )
    raw = written("boxes-scores", ONE_BOX, np.array([0.9]), np.array([0]), np.ones((1, 4)))
    outputs = {"output0": raw, "output1": np.zeros((1, 4, 0, CELLS), np.float32)}
    with pytest.raises(InvalidModel, match=r"\(1, 4, 0, 80\), which isn't \(pictures, 4,"):
        processor.postprocess(outputs, (SQUARE,), YoloMaskOptions())


@pytest.mark.parametrize("sign", [1, -1])
def test_finite_numbers_whose_masks_are_not_are_an_error(sign):
    processor = processor_of(
        YoloSegmentationProcessor, "boxes-scores", 2, prototypes=(1, 2, CELLS, CELLS)
    )
    coefficients = np.array([[3e38, sign * 3e38]])
    raw = written("boxes-scores", ONE_BOX, np.array([0.9]), np.array([0]), coefficients)
    outputs = {"output0": raw, "output1": np.full((1, 2, CELLS, CELLS), 9, np.float32)}
    with pytest.raises(InvalidModel, match="prototypes of masks"):
        processor.postprocess(outputs, (SQUARE,), YoloMaskOptions())


def test_a_keypoint_that_is_finite_in_the_input_alone_is_an_error():
    processor = processor_of(YoloKeypointsProcessor, "boxes-scores", 2, {"keypoints": [1, 2]})
    raw = written("boxes-scores", ONE_BOX, np.array([0.9]), np.array([0]), np.array([[3e38, 0]]))
    large = Placement.of((3200, 3200), (SIDE, SIDE), "letterbox")
    with pytest.raises(InvalidModel, match="infinite keypoints"):
        processor.postprocess({"output0": raw}, (large,), YoloOptions())


@pytest.mark.parametrize("mask_format", ["bitmap", "rle", "polygons"])
def test_boxes_in_the_padding_go_and_a_picture_of_one_pixel_has_a_mask_of_one(mask_format):
    processor = processor_of(
        YoloSegmentationProcessor, "boxes-scores", 1, prototypes=(1, 1, CELLS, CELLS)
    )
    boxes = np.array([[160, 20, 60, 30], [160, 160, 300, 60], [160, 300, 60, 30]], float)
    raw = written("boxes-scores", boxes, np.array([0.9, 0.8, 0.7]), np.arange(3), np.ones((3, 1)))
    outputs = {"output0": raw, "output1": np.ones((1, 1, CELLS, CELLS), np.float32)}
    options = YoloMaskOptions(mask_format=mask_format)
    wide = Placement.of((80, 20), (SIDE, SIDE), "letterbox")
    (found,) = processor.postprocess(outputs, (wide,), options)
    assert found.labels == ("b",)
    assert found.with_masks("bitmap").masks.sum() == 75 * 15
    (found,) = processor.postprocess(
        outputs, (Placement.of((1, 1), (SIDE, SIDE), "stretch"),), options
    )
    assert found.with_masks("bitmap").masks.tolist() == [[[False]], [[True]], [[False]]]


def test_a_graph_without_prototypes_does_not_segment():
    with pytest.raises(InvalidModel, match="expected one output"):
        processor_of(YoloSegmentationProcessor, "boxes-scores", 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_keypoint_or_an_angle_that_is_no_number_is_an_error(bad):
    boxes = np.array([[160, 160, 50, 50]], float)
    for cls, extras in ((YoloKeypointsProcessor, 51), (YoloOrientedProcessor, 1)):
        more = np.zeros((1, extras))
        more[0, -1] = bad
        raw = written("boxes-scores", boxes, np.array([0.9]), np.array([0]), more)
        with pytest.raises(InvalidModel, match="NaN or infinite"):
            processor_of(cls, "boxes-scores", extras).postprocess(
                {"output0": raw}, (SQUARE,), YoloOptions()
            )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_class_may_have_a_confidence_of_its_own(layout):
    boxes = np.array([[40, 40, 20, 20], [140, 40, 20, 20], [240, 40, 20, 20]], float)
    raw = written(layout, boxes, np.full(3, 0.4), np.arange(3), np.ones((3, 0)))
    processor = processor_of(YoloProcessor, layout, 0)

    def labels(confidence, **more):
        options = build_options(YoloOptions, {"confidence": confidence, **more}, "predict")
        (found,) = processor.postprocess({"output0": raw}, (SQUARE,), options)
        return sorted(found.labels)

    assert labels(0.3) == ["a", "b", "c"]
    assert labels({"a": 0.5}) == ["b", "c"]
    assert labels({"a": 0.1, "b": 0.45, "c": 0.39}) == ["a", "c"]
    assert labels({"a": 0.1, "b": 0.1}, classes=["b"]) == ["b"]
    with pytest.raises(InvalidArgument, match="confidence: the model has no label 'd'"):
        labels({"d": 0.5})
    with pytest.raises(InvalidArgument, match="between 0 and 1"):
        labels({"a": 1.5})
