"""The yolo processor: known boxes in, the same boxes out, for each layout."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.class_selection import class_ids
from inference_vision.letterbox import Placement
from inference_vision.yolo import YoloOptions, YoloProcessor

from .geometry import to_input

LABELS = ("a", "b", "c")
BOXES = 40  # more than classes, so that shapes tell the layout
SHAPES = {
    "boxes-scores": (None, 7, BOXES),
    "objectness": (None, BOXES, 8),
    "end-to-end": (None, BOXES, 6),
}


def raw_output(layout, boxes, scores, class_ids):
    """One picture's output tensor that holds these boxes (x1, y1, x2, y2 of the input)."""
    rows = np.zeros(
        (BOXES, {"boxes-scores": 7, "objectness": 8, "end-to-end": 6}[layout]), np.float32
    )
    count = len(boxes)
    if layout == "end-to-end":
        rows[:count] = np.column_stack([boxes, scores, class_ids])
        return rows
    rows[:count, :2] = (boxes[:, :2] + boxes[:, 2:]) / 2
    rows[:count, 2:4] = boxes[:, 2:] - boxes[:, :2]
    first = 4
    if layout == "objectness":
        rows[:count, 4] = 0.95
        scores, first = scores / 0.95, 5
    rows[np.arange(count), first + class_ids] = scores
    return rows.T if layout == "boxes-scores" else rows


@st.composite
def scenes(draw):
    """Where a picture lies in the input, boxes of it (x1, y1, x2, y2) far apart in a grid of cells
    and the same boxes in the input, with scores and classes."""
    source = draw(st.tuples(st.integers(64, 4000), st.integers(64, 4000)))
    fit = draw(st.sampled_from(["letterbox", "fit", "stretch"]))
    cells = draw(st.lists(st.integers(0, 15), unique=True, max_size=16))
    shares = np.random.default_rng(draw(st.integers(0, 999))).uniform(0.05, 0.45, (len(cells), 4))
    step = np.divide(source, 4)
    corners = np.array([[cell % 4, cell // 4] for cell in cells]).reshape(-1, 2) * step
    drawn = np.stack([corners + shares[:, :2] * step, corners + (1 - shares[:, 2:]) * step], axis=1)
    boxes = to_input(drawn, source, (320, 320), fit).reshape(-1, 4)
    scores = draw(
        st.lists(
            st.floats(2**-6, 0.9375, width=32),
            min_size=len(cells),
            max_size=len(cells),
            unique=True,
        )
    )
    classes = draw(st.lists(st.integers(0, 2), min_size=len(cells), max_size=len(cells)))
    placement = Placement.of(source, (320, 320), fit)
    answer = boxes.astype(np.float32), np.array(scores, np.float32), np.array(classes, np.int64)
    return placement, drawn.reshape(-1, 4), *answer


def sure(scores, confidence):
    """The threshold, unless a score is so close that it may fall on either side by rounding."""
    return confidence if np.all(np.abs(scores - confidence) > 1e-4) else 0.005


@pytest.mark.parametrize("layout", SHAPES)
@settings(max_examples=60, deadline=None)
@given(scene=scenes(), confidence=st.floats(0.05, 0.95))
def test_the_boxes_of_a_scene_come_back(layout, scene, confidence):
    placement, drawn, boxes, scores, classes = scene
    confidence = sure(scores, confidence)
    processor = processor_of(layout)
    outputs = {"output0": raw_output(layout, boxes, scores, classes)[None]}
    (found,) = processor.postprocess(outputs, (placement,), YoloOptions(confidence=confidence))

    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= confidence]
    np.testing.assert_allclose(found.xyxy, drawn[order], atol=0.02)
    np.testing.assert_allclose(found.confidence, scores[order], atol=1e-6)
    assert found.class_id.tolist() == classes[order].tolist()
    assert found.labels == tuple(LABELS[i] for i in classes[order])
    assert found.image_size == placement.source


def processor_of(layout, **changes):
    graph = Graph(
        (TensorSpec("images", "float32", (None, 3, 320, 320)),),
        (TensorSpec("output0", "float32", changes.pop("shape", SHAPES[layout])),),
    )
    spec = ProcessorSpec("yolo", changes.pop("settings", {}))
    package = ModelPackage("m", Path("m"), (), labels=changes.pop("labels", LABELS), processor=spec)
    return YoloProcessor(package, {"model": graph})


SQUARE = Placement.of((320, 320), (320, 320), "letterbox")


def detect(layout, boxes, scores, class_ids, **options):
    raw = raw_output(layout, np.array(boxes, float), np.array(scores), np.array(class_ids, int))
    return processor_of(layout).postprocess(
        {"output0": raw[None]}, (SQUARE,), YoloOptions(**options)
    )[0]


@pytest.mark.parametrize("layout", ["boxes-scores", "objectness"])
def test_overlapping_boxes_are_suppressed_per_class(layout):
    boxes = [[10, 10, 60, 60], [12, 10, 62, 60], [11, 10, 61, 60]]
    found = detect(layout, boxes, [0.9, 0.8, 0.7], [0, 0, 1])
    assert [(d.label, round(d.confidence, 2)) for d in found] == [("a", 0.9), ("b", 0.7)]
    assert len(detect(layout, boxes, [0.9, 0.8, 0.7], [0, 0, 1], class_agnostic=True)) == 1
    assert len(detect(layout, boxes, [0.9, 0.8, 0.7], [0, 0, 1], iou=1.0)) == 3


def test_an_end_to_end_graph_is_not_suppressed_again():
    boxes = [[10, 10, 60, 60], [12, 10, 62, 60]]
    assert len(detect("end-to-end", boxes, [0.8, 0.9], [0, 0])) == 2


@pytest.mark.parametrize("layout", SHAPES)
def test_only_the_wanted_classes_and_so_many_are_returned(layout):
    boxes = [[0, 0, 10, 10], [50, 0, 60, 10], [100, 0, 110, 10]]
    given_scores = [0.5, 0.6, 0.7]
    assert detect(layout, boxes, given_scores, [0, 1, 2], classes=("a", 2)).labels == ("c", "a")
    assert detect(layout, boxes, given_scores, [0, 1, 2], classes="b").labels == ("b",)
    assert len(detect(layout, boxes, given_scores, [0, 1, 2], classes=())) == 0
    assert detect(layout, boxes, given_scores, [0, 1, 2], max_detections=1).labels == ("c",)


@settings(max_examples=60, deadline=None)
@given(
    scene=scenes(),
    form=st.sampled_from(["flat", "counted"]),
    labelled=st.booleans(),
    confidence=st.floats(0.01, 0.95),
)
def test_lists_of_suppressed_boxes_are_split_by_picture(scene, form, labelled, confidence):
    """The scene is the second picture of three, among another's boxes and those that fill up."""
    placement, drawn, boxes, scores, classes = scene
    confidence, count = sure(scores, confidence), len(boxes)
    if form == "flat":
        rows = np.column_stack([np.ones(count), boxes, classes, scores])
        others = np.array([[0, 0, 0, 320, 320, 2, 0.99], [3, 0, 0, 320, 320, 1, 0.99]])
        rows = np.insert(rows, count // 2, others, axis=0).astype(np.float32)
        outputs, specs = {"output": rows}, (TensorSpec("output", "float32", (None, 7)),)
    else:
        outputs, specs = counted_outputs(3, 20)
        outputs["num_dets"][:, 0] = 0, count, 0
        outputs["det_boxes"][1, :count] = boxes
        outputs["det_scores"][1, :count] = scores
        outputs["det_classes"][1, :count] = classes
    processor = processor_of_outputs(specs, LABELS if labelled else ())
    results = processor.postprocess(outputs, (placement,) * 3, YoloOptions(confidence=confidence))
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= confidence]
    assert [len(result) for result in results] == [int(form == "flat"), len(order), 0]
    np.testing.assert_allclose(results[1].xyxy, drawn[order], atol=0.02)
    np.testing.assert_array_equal(results[1].confidence, scores[order])
    names = LABELS if labelled else ("0", "1", "2")
    assert results[1].labels == tuple(names[i] for i in classes[order])


def counted_outputs(batch, rows):
    """Outputs of TensorRT's suppression; what isn't counted is garbage there."""
    outputs = {
        "num_dets": np.zeros((batch, 1), np.int32),
        "det_boxes": np.full((batch, rows, 4), np.nan, np.float32),
        "det_scores": np.full((batch, rows), 0.99, np.float32),
        "det_classes": np.full((batch, rows), -1, np.int32),
    }
    specs = [TensorSpec(name, str(each.dtype), each.shape) for name, each in outputs.items()]
    return outputs, tuple(specs)


def processor_of_outputs(specs, labels=LABELS, **given_settings):
    graph = Graph((TensorSpec("images", "float32", (None, 3, 320, 320)),), specs)
    spec = ProcessorSpec("yolo", given_settings)
    package = ModelPackage("m", Path("m"), (), labels=labels, processor=spec)
    return YoloProcessor(package, {"model": graph})


def test_damaged_lists_of_boxes_are_errors():
    processor = processor_of_outputs((TensorSpec("output", "float32", (None, 7)),))
    good = np.array([[0, 0, 0, 9, 9, 1, 0.9]], np.float32)
    for column, value, words in [
        (0, -1, "picture -1"), (0, 0.5, "picture 0.5"), (0, np.nan, "picture nan"),
        (1, np.inf, "boxes"), (5, 3, "class id 3"), (6, np.nan, "scores"),
    ]:  # fmt: skip
        damaged = good.copy()
        damaged[0, column] = value
        with pytest.raises(InvalidModel, match=words):
            processor.postprocess({"output": damaged}, (SQUARE,), YoloOptions())
    with pytest.raises(InvalidModel, match=r"\(boxes, 7\)"):
        processor.postprocess({"output": good[:, :6]}, (SQUARE,), YoloOptions())
    assert len(processor.postprocess({"output": good[:0]}, (SQUARE,), YoloOptions())[0]) == 0
    outputs, specs = counted_outputs(1, 4)
    outputs["num_dets"][0] = 5
    with pytest.raises(InvalidModel, match="counts 5 boxes of the 4"):
        processor_of_outputs(specs).postprocess(outputs, (SQUARE,), YoloOptions())
    outputs["det_scores"] = outputs["det_scores"][:, :3]
    with pytest.raises(InvalidModel, match=r"det_scores \(1, 3\)"):
        processor_of_outputs(specs).postprocess(outputs, (SQUARE,), YoloOptions())
    for layout, given_specs in [("flat", specs), ("counted", specs[:3])]:
        with pytest.raises(InvalidModel, match=f"layout {layout}"):
            processor_of_outputs(given_specs, layout=layout)


def test_only_suppression_for_tensorrt_is_recognised_by_the_names_of_its_outputs():
    specs = counted_outputs(1, 4)[1]
    found = YoloProcessor.recognise({"outputs": specs})
    assert (found.task, found.labels, found.settings) == (
        "object-detection",
        (),
        {"layout": "counted"},
    )
    assert YoloProcessor.recognise({"outputs": (TensorSpec("o", "float32", (None, 7)),)}) is None


def one_box(layout):
    boxes = np.array([[10, 10, 60, 60]])
    return raw_output(layout, boxes, np.array([0.9]), np.array([1]))


def answer(layout, raw, **options):
    processor = processor_of(layout, settings={"coordinates": "pixels"})
    return processor.postprocess({"output0": raw[None]}, (SQUARE,), YoloOptions(**options))[0]


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_graph_that_overflowed_is_an_error_and_no_empty_picture(layout, bad):
    with pytest.raises(InvalidModel, match=r"'output0' holds NaN or infinite scores.*fp32"):
        answer(layout, np.full(SHAPES[layout][1:], bad, np.float16))


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_nan_or_infinite_score_is_an_error(layout, bad):
    raw = one_box(layout)
    rows = raw.T if layout == "boxes-scores" else raw
    rows[7, 4] = bad  # of a box that is none
    with pytest.raises(InvalidModel, match="NaN or infinite scores"):
        answer(layout, raw)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_class_score_of_a_box_with_objectness_is_an_error(bad):
    raw = one_box("objectness")
    raw[0, 7] = bad
    with pytest.raises(InvalidModel, match="NaN or infinite scores"):
        answer("objectness", raw)


@pytest.mark.parametrize("layout", SHAPES)
def test_logits_in_the_place_of_scores_are_an_error(layout):
    raw = one_box(layout)
    rows = raw.T if layout == "boxes-scores" else raw
    scores = rows[:, 4:5] if layout == "end-to-end" else rows[:, 4:]
    scores *= 4
    with pytest.raises(InvalidModel, match=r"'output0' holds a score of .*logits.*sigmoid"):
        answer(layout, raw)


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_detection_without_a_finite_box_is_an_error_and_not_dropped(layout, bad):
    raw = one_box(layout)
    rows = raw.T if layout == "boxes-scores" else raw
    rows[0, 2] = bad
    with pytest.raises(InvalidModel, match="NaN or infinite boxes"):
        answer(layout, raw)
    rows[0, 4:] = 0  # below the confidence nothing is said of a box
    assert len(answer(layout, raw)) == 0


@pytest.mark.parametrize("layout", SHAPES)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bad=st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -3e38]),
    share=st.floats(0, 0.02),
)
def test_whatever_the_numbers_a_detection_is_finite(layout, seed, bad, share):
    rng = np.random.default_rng(seed)
    shape = SHAPES[layout][1:]
    raw = rng.random(shape, np.float32)
    raw[rng.random(shape) < share] = bad
    if layout == "end-to-end":
        raw[:, 5] = 1
    # 3e38 is finite, but its box may overflow on the way from centre and size to corners.
    sound = np.isfinite(raw).all() and (abs(raw) < 1e9).all()
    refused = contextlib.nullcontext() if sound else contextlib.suppress(InvalidModel)
    with refused:
        found = answer(layout, raw, confidence=0.0)
        assert np.isfinite(found.xyxy).all()
        assert np.isfinite(found.confidence).all()


@pytest.mark.parametrize("layout", SHAPES)
def test_no_detections_are_proper_empty_ones(layout):
    found = detect(layout, np.empty((0, 4)), [], [])
    assert (len(found), found.xyxy.shape, found.labels) == (0, (0, 4), ())
    assert found.to_dict()["detections"] == []


def test_boxes_are_clipped_to_the_picture_and_those_in_the_padding_dropped():
    placement = Placement.of((320, 160), (320, 320), "letterbox")  # padded by 80 above and below
    boxes = np.array([[-20, 60, 50, 400], [100, 0, 200, 79]], np.float32)
    raw = raw_output("boxes-scores", boxes, np.array([0.9, 0.8]), np.array([0, 1]))
    (found,) = processor_of("boxes-scores").postprocess(
        {"output0": raw[None]}, (placement,), YoloOptions()
    )
    np.testing.assert_allclose(found.xyxy, [[0, 0, 50, 160]], atol=1e-3)


def test_fp16_outputs_are_read():
    raw = raw_output("boxes-scores", np.array([[10, 10, 60, 60]]), np.array([0.9]), np.array([1]))
    (found,) = processor_of("boxes-scores").postprocess(
        {"output0": raw[None].astype(np.float16)}, (SQUARE,), YoloOptions()
    )
    assert found.labels == ("b",)
    assert found.confidence.dtype == np.float32


def test_a_batch_keeps_its_order(make, picture):
    processor = make(YoloProcessor, (None, 7, BOXES))
    feeds, context = processor.preprocess([picture, picture[:30]], YoloOptions())
    assert feeds["images"].shape == (2, 3, 320, 320)
    one = raw_output("boxes-scores", np.array([[0, 100, 320, 200]]), np.array([0.9]), np.array([1]))
    none = np.zeros_like(one)
    results = processor.postprocess({"output0": np.stack([none, one])}, context, YoloOptions())
    assert [len(found) for found in results] == [0, 1]
    assert [found.image_size for found in results] == [(90, 60), (90, 30)]


def test_without_labels_the_class_id_is_the_label(make):
    processor = make(YoloProcessor, (None, 7, BOXES), labels=())
    raw = raw_output("boxes-scores", np.array([[10, 10, 60, 60]]), np.array([0.9]), np.array([2]))
    assert processor.postprocess({"output0": raw[None]}, (SQUARE,), YoloOptions())[0].labels == (
        "2",
    )


@pytest.mark.parametrize("class_id", [3, -1, 1e30])
def test_a_class_id_without_a_label_is_an_error(class_id):
    raw = np.zeros((1, BOXES, 6), np.float32)
    raw[0, 0] = [10, 10, 60, 60, 0.9, class_id]
    with pytest.raises(InvalidModel, match="3 labels"):
        processor_of("end-to-end").postprocess({"output0": raw}, (SQUARE,), YoloOptions())


def test_a_fractional_class_id_is_an_error():
    raw = one_box("end-to-end")
    raw[0, 5] = 0.5
    with pytest.raises(InvalidModel, match=r"holds 0\.5 as a class id, which is no whole number"):
        answer("end-to-end", raw)


def test_what_fills_an_end_to_end_list_up_is_no_detection():
    raw = one_box("end-to-end")
    raw[1:] = [0, 0, 0, 0, 0, -1]
    assert len(answer("end-to-end", raw, confidence=0)) == 1


def test_a_nan_class_id_is_an_error_and_the_box_not_dropped():
    raw = one_box("end-to-end")
    raw[0, 5] = np.nan
    with pytest.raises(InvalidModel, match="NaN or infinite class ids"):
        answer("end-to-end", raw)


@pytest.mark.parametrize(
    ("output", "labels", "layout"),
    [
        ((1, 84, 8400), 80, "boxes-scores"),
        ((None, 84, None), 80, "boxes-scores"),
        ((1, 25200, 85), 80, "objectness"),
        ((1, 300, 6), 80, "end-to-end"),
        ((1, 84, 8400), 0, "boxes-scores"),
        ((1, 25200, 85), 0, "objectness"),
        ((1, 5, 8400), 1, "boxes-scores"),
    ],
)
def test_the_layout_follows_from_the_shape(make, output, labels, layout):
    processor = make(YoloProcessor, output, labels=tuple(map(str, range(labels))))
    assert processor._layout == layout


@pytest.mark.parametrize(
    ("output", "labels"), [((1, 300, 6), 1), (None, 80), ((None, None, None), 3)]
)
def test_an_ambiguous_layout_is_an_error_with_the_line_to_write(make, output, labels):
    names = tuple(map(str, range(labels)))
    with pytest.raises(InvalidModel, match=r'"settings": \{"layout": "end-to-end"\}'):
        make(YoloProcessor, output, labels=names)
    processor = make(YoloProcessor, output, labels=names, settings={"layout": "end-to-end"})
    assert processor._layout == "end-to-end"


@pytest.mark.parametrize("output", [(1, 116, 8400), (1, 3), (1, 56, 8400), (1, 4, 80, 80)])
def test_an_output_that_fits_no_layout_is_an_error(make, output):
    with pytest.raises(InvalidModel, match="no output fits"):
        make(YoloProcessor, output)


@pytest.mark.parametrize("settings_given", [{}, {"layout": "boxes-scores"}])
def test_without_labels_a_graph_that_may_segment_is_refused(settings_given):
    graph = Graph(
        (TensorSpec("images", "float32", (1, 3, 320, 320)),),
        (
            TensorSpec("output0", "float32", (1, 39, 2100)),
            TensorSpec("output1", "float32", (1, 32, 80, 80)),
        ),
    )
    spec = ProcessorSpec("yolo", settings_given)
    package = ModelPackage("m", Path("m"), (), processor=spec)
    with pytest.raises(InvalidModel, match=r'whether the graph segments.*"labels"'):
        YoloProcessor(package, {"model": graph})
    labels = tuple(map(str, range(35)))  # as many as there are columns: it detects after all
    YoloProcessor(replace(package, labels=labels), {"model": graph})


def test_an_output_that_contradicts_the_graph_is_an_error(make):
    processor = make(YoloProcessor, (None, 7, None))
    for shape in [(1, 8, 100), (2, 7, 100), (1, 7)]:
        with pytest.raises(InvalidModel, match="shape"):
            processor.postprocess(
                {"output0": np.zeros(shape, np.float32)}, (SQUARE,), YoloOptions()
            )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layuot": "objectness"}, "did you mean 'layout'"),
        ({"layout": "yolov8"}, "one of boxes-scores"),
        ({"imgsz": "320"}, "height, width"),
        ({"imgsz": [320, 0]}, "height, width"),
        ({"imgsz": True}, "height, width"),
        ({"imgsz": 330}, 'set "imgsz": 320'),
        ({"stride": 0}, "above 0"),
        ({"resize": "squash"}, "letterbox"),
        ({"layout": ["boxes-scores"]}, "one of"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(make, settings, words):
    with pytest.raises(InvalidModel, match=words):
        make(YoloProcessor, (None, 7, None), settings=settings, image=(None, 3, None, None))


def test_the_input_size_comes_from_the_graph_then_the_settings_then_640(make, picture):
    def size(image, **settings):
        processor = make(YoloProcessor, (None, 7, None), settings=settings, image=image)
        return processor.preprocess([picture], YoloOptions())[0]["images"].shape[2:]

    assert size((1, 3, 256, 320)) == (256, 320)
    assert size((1, 3, None, None), imgsz=[96, 128]) == (96, 128)
    assert size((1, 3, 64, None), imgsz=[64, 128]) == (64, 128)
    assert size(None) == (640, 640)
    with pytest.raises(InvalidModel, match="imgsz"):
        size((1, 3, 256, 320), imgsz=640)


@pytest.mark.parametrize("image", [(1, 2, 320, 320), (1, 320, 320, 4), (1, 3, 320)])
def test_an_input_that_takes_no_picture_is_an_error(make, image):
    with pytest.raises(InvalidModel, match="expected an input"):
        make(YoloProcessor, (None, 7, None), image=image)


def test_stretching_maps_back_too(make):
    processor = make(YoloProcessor, (None, 7, BOXES), settings={"resize": "stretch"})
    pixels = np.zeros((100, 640, 3), np.uint8)
    _, context = processor.preprocess([pixels], YoloOptions())
    raw = raw_output(
        "boxes-scores", np.array([[160, 160, 320, 320]]), np.array([0.9]), np.array([0])
    )
    (found,) = processor.postprocess({"output0": raw[None]}, context, YoloOptions())
    np.testing.assert_allclose(found.xyxy, [[320, 50, 640, 100]])


@pytest.mark.parametrize(
    "options",
    [
        {"confidence": -0.1},
        {"confidence": 1.5},
        {"confidence": float("nan")},
        {"iou": 2},
        {"max_detections": 0},
        {"confidnce": 0.5},
        {"color_format": "gbr"},
    ],
)
def test_an_option_out_of_range_is_an_error_that_names_it(options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        build_options(YoloOptions, options, "predict")


def test_options_are_built_from_what_callers_write():
    assert build_options(YoloOptions, {"classes": ["a", 2]}, "predict").classes == ("a", 2)
    assert build_options(YoloOptions, {"classes": "a"}, "predict").classes == "a"
    assert build_options(YoloOptions, {"confidence": "0.5"}, "predict").confidence == 0.5


def test_class_ids_may_be_text_as_json_has_keys():
    ids = [0, 1, 2]
    boxes = np.array([[10, 10, 60, 60], [80, 10, 130, 60], [150, 10, 200, 60]])
    least = build_options(YoloOptions, {"confidence": {"1": 0.95}}, "predict").confidence
    found = detect("boxes-scores", boxes, [0.9] * 3, ids, confidence=least)
    assert sorted(found.class_id) == [0, 2]
    assert detect("boxes-scores", boxes, [0.9] * 3, ids, classes=("1",)).class_id == [1]
    assert class_ids(("a", "0"), 2, "0", "classes") == [1]  # a label comes first


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("aa",), "did you mean 'a'|has 0 a"),
        ((3,), "id 3"),
        ((-1,), "id -1"),
        (("3",), "id 3"),
        ("0,2", r"one by one: \[0, 2\]"),
        ("7,8", r"one by one: \[7, 8\]"),
        ("a, 2", r'one by one: \["a", 2\]'),
        pytest.param("9" * 5000, "no label", id="digits"),
    ],
)
def test_a_class_the_model_does_not_have_is_an_error(classes, words):
    with pytest.raises(InvalidArgument, match=words):
        detect("boxes-scores", np.empty((0, 4)), [], [], classes=classes)
