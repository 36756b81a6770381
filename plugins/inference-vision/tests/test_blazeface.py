"""MediaPipe's face detectors: anchors, decoding, averaging, and which graphs they are."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.blazeface import FORMS, KEYPOINT_NAMES, BlazefaceOptions, BlazefaceProcessor
from inference_vision.blazeface_decode import anchors
from inference_vision.image import Image
from inference_vision.square_input import write_square

OPTIONS = BlazefaceOptions()
SHORT, FULL = FORMS


def spec(name, *shape):
    return TensorSpec(name, "float32", shape)


def graph(form=SHORT, batch=1, last=True, turned=False):
    sides = (form.side, form.side)
    ends = [spec("boxes", batch, form.boxes, 16), spec("scores", batch, form.boxes, 1)]
    image = spec("input", batch, *sides, 3) if last else spec("input", batch, 3, *sides)
    return Graph((image,), tuple(ends[::-1] if turned else ends))


def made(of=None):
    return BlazefaceProcessor(ModelPackage("face", Path("face"), ()), {"model": of or graph()})


def outputs(faces, form=SHORT, pictures=1):
    """The raw output for faces at anchors: {anchor: (score, cx, cy, w, h)} in pixels of the input,
    with all keypoints in the centre of the box."""
    boxes = np.zeros((pictures, form.boxes, 16), np.float32)
    scores = np.full((pictures, form.boxes, 1), -50, np.float32)
    centres = anchors(form)
    for anchor, (score, cx, cy, w, h) in faces.items():
        x, y = centres[anchor]
        boxes[:, anchor] = [cx - x, cy - y, w, h, *[cx - x, cy - y] * 6]
        scores[:, anchor] = math.log(score / (1 - score))
    return {"boxes": boxes, "scores": scores}


def found(raw, size=(128, 128), options=OPTIONS, processor=None):
    processor = processor or made()
    width, height = size
    _, context = processor.preprocess([np.zeros((height, width, 3), np.uint8)], options)
    return processor.postprocess(raw, context, options)[0]


def test_grids_of_one_stride_share_their_cells():
    centres = anchors(SHORT)
    assert centres.shape == (896, 2) == (SHORT.boxes, 2)
    np.testing.assert_array_equal(centres[:4], [[4, 4], [4, 4], [12, 4], [12, 4]])
    np.testing.assert_array_equal(centres[511:513], [[124, 124], [8, 8]])
    np.testing.assert_array_equal(centres[512:519], [[8, 8]] * 6 + [[24, 8]])
    assert anchors(FULL).shape == (2304, 2)
    np.testing.assert_array_equal(anchors(FULL)[48], [2, 6])


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(8, 400), st.integers(8, 400)),
    centre=st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8)),
    side=st.floats(0.05, 0.4),
    anchor=st.integers(0, 895),
)
def test_a_face_comes_back_where_it_was_in_the_picture(size, centre, side, anchor):
    width, height = size
    scale = 128 / max(size)
    left, top = (128 - width * scale) / 2, (128 - height * scale) / 2
    cx, cy, length = centre[0] * width, centre[1] * height, side * min(size)
    at = (cx * scale + left, cy * scale + top, length * scale, length * scale)
    result = found(outputs({anchor: (0.8, *at)}), size)
    wanted = [cx - length / 2, cy - length / 2, cx + length / 2, cy + length / 2]
    np.testing.assert_allclose(result.xyxy[0], wanted, atol=1e-3)
    np.testing.assert_allclose(result.keypoints[0, :, :2], [[cx, cy]] * 6, atol=1e-3)
    assert result.image_size == size
    assert result.labels == ("face",)
    assert result.keypoint_names == KEYPOINT_NAMES
    np.testing.assert_allclose(result.confidence, [0.8], atol=1e-6)


def test_boxes_of_one_face_are_averaged_by_score_and_others_stay():
    faces = {
        0: (0.6, 40, 40, 20, 20),
        1: (0.9, 42, 40, 20, 20),
        2: (0.8, 100, 100, 30, 30),
        3: (0.4, 41, 40, 20, 20),  # below the confidence
    }
    result = found(outputs(faces))
    x = (0.9 * 42 + 0.6 * 40) / 1.5
    np.testing.assert_allclose(
        result.xyxy, [[x - 10, 30, x + 10, 50], [85, 85, 115, 115]], rtol=1e-6
    )
    np.testing.assert_allclose(result.keypoints[0, 0], [x, 40, 1], rtol=1e-6)
    np.testing.assert_allclose(result.confidence, [0.9, 0.8], rtol=1e-6)


def test_averaging_compares_with_the_best_box_and_not_with_the_average():
    # In a chain each overlaps the next: the third has too little in common with the first.
    chain = {n: (0.9 - n / 10, 40 + 8 * n, 40, 20, 20) for n in range(3)}
    assert len(found(outputs(chain))) == 2
    assert len(found(outputs(chain), options=BlazefaceOptions(iou=0.1))) == 1
    assert len(found(outputs(chain), options=BlazefaceOptions(iou=0.9))) == 3
    assert len(found(outputs(chain), options=BlazefaceOptions(iou=0.9, max_detections=2))) == 2


def test_an_overlap_of_exactly_the_iou_is_another_face():
    """MediaPipe averages where the overlap is above its threshold, and not at it."""
    halves = {0: (0.9, 40, 40, 30, 20), 1: (0.8, 50, 40, 30, 20)}
    assert len(found(outputs(halves), options=BlazefaceOptions(iou=0.5))) == 2
    assert len(found(outputs(halves), options=BlazefaceOptions(iou=0.49))) == 1
    same = {0: (0.9, 40, 40, 30, 20), 1: (0.8, 40, 40, 30, 20)}
    assert len(found(outputs(same), options=BlazefaceOptions(iou=1))) == 2


def test_a_score_of_exactly_the_confidence_is_a_face():
    """MediaPipe passes over what is below its threshold, and not what is at it."""
    raw = outputs({7: (0.5, 40, 40, 20, 20)})
    assert raw["scores"][0, 7] == 0
    assert len(found(raw, options=BlazefaceOptions(confidence=0.5))) == 1
    assert len(found(raw, options=BlazefaceOptions(confidence=0.5001))) == 0


def test_confidence_decides_what_is_a_face():
    raw = outputs({7: (0.5001, 40, 40, 20, 20), 9: (0.2, 90, 90, 20, 20)})
    assert len(found(raw)) == 1
    assert len(found(raw, options=BlazefaceOptions(confidence=0.1))) == 2
    assert len(found(raw, options=BlazefaceOptions(confidence=0.9))) == 0
    empty = found(outputs({}))
    assert empty.keypoints.shape == (0, 6, 3)


def test_boxes_are_clipped_to_the_picture_and_keypoints_are_not():
    result = found(outputs({0: (0.9, 2, 64, 20, 20)}))
    np.testing.assert_allclose(result.xyxy, [[0, 54, 12, 74]])
    assert len(found(outputs({0: (0.9, 64, 4, 8, 8)}), size=(128, 64))) == 0  # in the padding
    raw = outputs({0: (0.9, 20, 64, 20, 20)})
    raw["boxes"][0, 0, 4] = -30
    np.testing.assert_allclose(found(raw).keypoints[0, 0], [-26, 64, 1])


def test_boxes_that_are_none_take_no_place_and_weigh_nothing():
    face = (0.8, 64, 64, 20, 20)
    none = [
        (0.9, 64, 4, 8, 8),
        (0.9, 64, 64, 0, 0),
        (0.9, 64, 64, -20, -20),
        (0.9, 64, 64, 1e-30, 9),
    ]
    raw = outputs({300: face, **dict(enumerate(none))})
    for most in (1, 300):  # the first lies in the padding
        (seen,) = found(raw, (128, 64), BlazefaceOptions(max_detections=most))
        np.testing.assert_allclose(seen.xyxy, [54, 22, 74, 42], atol=1e-4)
        assert seen.confidence == pytest.approx(0.8)


def test_enormous_boxes_cover_the_picture_and_leave_the_others_alone():
    raw = outputs({0: (0.9, 64, 64, 10, 10), 1: (0.8, 64, 64, 10, 10)})
    raw["boxes"][0, 0, 2:4] = 3e38
    result = found(raw)
    np.testing.assert_allclose(result.xyxy, [[0, 0, 128, 128], [59, 59, 69, 69]])
    raw["boxes"][0, 0, 4] = 3e38
    with pytest.raises(InvalidModel, match="infinite keypoints"):
        found(raw, size=(9000, 9000))


def test_extreme_scores_are_scores():
    raw = outputs({0: (0.9, 64, 64, 10, 10)})
    raw["scores"][0, :2, 0] = [1e30, -1e30]
    assert found(raw).confidence.tolist() == [1.0]


@pytest.mark.parametrize(("name", "what"), [("scores", "scores"), ("boxes", "boxes")])
def test_numbers_that_are_none_are_an_error(name, what):
    raw = outputs({0: (0.9, 64, 64, 10, 10)})
    raw[name][0, 0, 0] = np.nan
    with pytest.raises(InvalidModel, match=f"output {name!r} holds NaN or infinite {what}"):
        found(raw)


def test_outputs_of_another_shape_are_an_error():
    raw = outputs({})
    with pytest.raises(InvalidModel, match=r"\(1, 896, 16\) and \(1, 895, 1\); wanted are"):
        found({**raw, "scores": raw["scores"][:, 1:]})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [1, None])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_the_detectors_are_recognised_by_their_shapes(form, batch, last, turned):
    one = graph(form, batch, last, turned)
    seen = BlazefaceProcessor.recognise({"inputs": one.inputs, "outputs": one.outputs})
    assert (seen.task, seen.labels) == ("keypoint-detection", ("face",))
    processor = made(one)
    tensor, _ = processor.preprocess([np.zeros((9, 9, 3), np.uint8)] * 2, OPTIONS)
    assert tensor["input"].shape == (2, *one.inputs[0].shape[1:])
    centre = form.side / 2
    raw = outputs({5: (0.7, centre, centre, 10, 10)}, form)
    (found_there,) = found(raw, (form.side, form.side), processor=processor)
    np.testing.assert_allclose(found_there.keypoints[2, :2], [centre, centre])


@pytest.mark.parametrize(
    ("inputs", "ends"),
    [
        ((spec("i", 1, 256, 256, 3),), graph().outputs),
        (graph().inputs, graph(FULL).outputs),
        (graph().inputs, graph().outputs[:1]),
        (graph().inputs, (graph().outputs[0], TensorSpec("s", "float32", None))),
        (graph().inputs * 2, graph().outputs),
        ((spec("i", 1, 128),), graph().outputs),
        ((), ()),
    ],
)
def test_other_graphs_are_not(inputs, ends):
    assert BlazefaceProcessor.recognise({"inputs": inputs, "outputs": ends}) is None


def test_a_graph_that_a_manifest_calls_so_and_is_none_is_refused():
    with pytest.raises(InvalidModel, match=r"gives \(batch, 896, 16\) and \(batch, 896, 1\) for"):
        made(Graph(graph().inputs, (spec("y", 1, 10, 16), spec("z", 1, 10, 1))))


@pytest.mark.parametrize("wrong", [{"confidence": 2}, {"iou": -1}, {"max_detections": 0}])
def test_options_out_of_range_are_an_error(wrong):
    with pytest.raises(InvalidArgument, match=next(iter(wrong))):
        BlazefaceOptions(**wrong)


@pytest.mark.parametrize("color_format", ["rgb", "bgr"])
@pytest.mark.parametrize("size", [(53, 37), (20, 61), (300, 201), (32, 32), (1, 1)])
def test_pixels_are_sampled_corner_on_corner_in_the_middle_of_black(size, color_format):
    """Against bilinear interpolation written out."""
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    planes = np.empty((3, 32, 32), np.float32)
    square = write_square(Image(pixels, color_format, "x"), planes)
    side = max(size)
    black = np.zeros((height + 2, width + 2, 3))
    black[1:-1, 1:-1] = pixels
    x = np.clip(np.arange(32) * side / 32 + (width - side) / 2, -1, width) + 1
    y = np.clip(np.arange(32) * side / 32 + (height - side) / 2, -1, height) + 1
    left, top = np.minimum(x.astype(int), width), np.minimum(y.astype(int), height)
    across, down = (x - left)[None, :, None], (y - top)[:, None, None]
    upper = black[top][:, left] * (1 - across) + black[top][:, left + 1] * across
    lower = black[top + 1][:, left] * (1 - across) + black[top + 1][:, left + 1] * across
    wanted = (upper * (1 - down) + lower * down) / 127.5 - 1
    if color_format == "bgr":
        wanted = wanted[..., ::-1]
    # OpenCV knows places to 1/32 of a pixel.
    assert np.abs(planes - wanted.transpose(2, 0, 1)).max() <= 2 / 32 + 1 / 255
    assert square.source == size


@pytest.mark.parametrize(("pixel", "wanted"), [(0, -1), (255, 1), (51, -0.6)])
def test_pixels_are_minus_one_to_one(pixel, wanted):
    planes = np.empty((3, 32, 32), np.float32)
    write_square(Image(np.full((32, 32, 3), pixel, np.uint8), "rgb", "x"), planes)
    np.testing.assert_allclose(planes, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(40_000, 10), (3, 70_000), (131_068, 4), (2, 400_000)])
def test_pictures_of_any_length_are_sampled(size, monkeypatch):
    width, height = size
    warp = cv2.warpAffine

    def limited(pixels, *arguments):
        assert max(pixels.shape) < 2**15 - 1  # what OpenCV 4 takes
        return warp(pixels, *arguments)

    monkeypatch.setattr(cv2, "warpAffine", limited)
    planes = np.empty((3, 128, 128), np.float32)
    square = write_square(Image(np.full((height, width, 3), 255, np.uint8), "rgb", "x"), planes)
    assert square.source == size
    line = planes[:, 64, :] if width > height else planes[:, :, 64]
    assert (line > -1).all()  # the middle of the picture is there from end to end
    np.testing.assert_allclose(
        square.points_to_source(np.float32([[64, 64]])), [np.divide(size, 2)]
    )
