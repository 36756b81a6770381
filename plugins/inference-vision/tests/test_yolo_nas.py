"""YOLO-NAS: boxes and scores in two outputs, with and without the graph's own suppression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.yolo_nas import YoloNasProcessor
from inference_vision.yolo_options import YoloOptions

from .geometry import to_input

LABELS = ("a", "b", "c")
OPTIONS = YoloOptions()
SIDE = 96
RAW = ((1, 30, 4), (1, 30, 3))


def spec(name, shape, dtype="float32"):
    return TensorSpec(name, dtype, shape)


SUPPRESSED = (
    spec("num_predictions", (1, 1), "int64"),
    spec("pred_boxes", (1, 9, 4)),
    spec("pred_scores", (1, 9)),
    spec("pred_classes", (1, 9), "int64"),
)


def made(outputs=None, labels=LABELS, **settings_given):
    package = ModelPackage(
        "made", Path("made"), (), labels=labels, processor=ProcessorSpec("x", settings_given)
    )
    outputs = outputs or (spec("913", RAW[0]), spec("904", RAW[1]))
    graph = Graph((spec("images", (1, 3, SIDE, SIDE)),), outputs)
    return YoloNasProcessor(package, {"model": graph})


def found(processor, outputs, size=(SIDE, SIDE), options=OPTIONS):
    _, context = processor.preprocess([np.zeros((size[1], size[0], 3), np.uint8)], options)
    return processor.postprocess(outputs, context, options)[0]


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(0, 9),
    seed=st.integers(0, 9999),
    size=st.tuples(st.integers(20, 200), st.integers(20, 200)),
    fit=st.sampled_from(["letterbox", "fit", "stretch"]),
    form=st.sampled_from(["raw", "suppressed", "flat"]),
    confidence=st.floats(0.05, 0.95),
)
def test_boxes_come_back_to_the_picture(count, seed, size, fit, form, confidence):
    """Boxes in a grid of 3 x 3 in the picture, which don't overlap, as they lie in the input."""
    generator = np.random.default_rng(seed)
    place = np.stack(np.divmod(np.arange(9), 3), axis=1)
    corner = (place + generator.uniform(0.05, 0.3, (9, 2))) * np.divide(size, 3)
    source = np.stack(
        [corner, corner + generator.uniform(0.2, 0.6, (9, 2)) * np.divide(size, 3)], 1
    )
    boxes = to_input(source, size, (SIDE, SIDE), fit).reshape(-1, 4).astype(np.float32)
    best, ids = generator.permutation(np.linspace(0.3, 0.9, 9)), generator.integers(0, 3, 9)
    assume(abs(best - confidence).min() > 1e-6)
    if form == "suppressed":
        processor = made(SUPPRESSED, resize=fit)
        outputs = {
            "num_predictions": np.array([[count]]),
            "pred_boxes": boxes[None],
            "pred_scores": best[None].astype(np.float32),  # what is beyond the count is garbage
            "pred_classes": ids[None],
        }
    elif form == "flat":
        processor = made((spec("flat", (None, 7)),), resize=fit)
        rows = np.column_stack([np.zeros(9), boxes, best, ids])
        outputs = {"flat": rows[:count].astype(np.float32)}
    else:
        processor = made(resize=fit)
        padded, scores = np.zeros((30, 4), np.float32), np.full((30, 3), 0.02, np.float32)
        padded[:9] = boxes
        scores[np.arange(count), ids[:count]] = best[:count]
        outputs = {"913": padded[None], "904": scores[None]}
    result = found(processor, outputs, size, YoloOptions(confidence=confidence))
    order = np.argsort(-best[:count])
    order = order[best[order] >= confidence]
    assert result.class_id.tolist() == ids[order].tolist()
    np.testing.assert_allclose(result.confidence, best[order], atol=1e-6)
    np.testing.assert_allclose(result.xyxy, source[order].reshape(-1, 4), atol=0.01)
    assert result.labels == tuple(LABELS[i] for i in result.class_id)


def test_flat_boxes_go_to_their_pictures():
    processor = made((spec("flat", (None, 7)),))
    rows = [[1, 9, 9, 30, 30, 0.4, 2], [0, 5, 5, 20, 20, 0.8, 1], [1, 40, 40, 60, 60, 0.9, 0]]
    _, context = processor.preprocess([np.zeros((SIDE, SIDE, 3), np.uint8)] * 3, OPTIONS)
    outputs = {"flat": np.array(rows, np.float32)}
    results = processor.postprocess(outputs, context, OPTIONS)
    assert [each.labels for each in results] == [("b",), ("a", "c"), ()]
    np.testing.assert_allclose(results[1].xyxy, [[40, 40, 60, 60], [9, 9, 30, 30]], atol=1e-4)
    outputs["flat"][0, 6] = np.nan
    with pytest.raises(InvalidModel, match="NaN"):
        processor.postprocess(outputs, context, OPTIONS)


def test_overlaps_are_suppressed_and_options_honoured():
    processor = made()
    boxes, scores = np.zeros((1, 30, 4), np.float32), np.zeros((1, 30, 3), np.float32)
    boxes[0, :3] = [[10, 10, 50, 50], [11, 10, 50, 50], [12, 10, 50, 50]]
    scores[0, [0, 1, 2], [0, 0, 1]] = 0.9, 0.8, 0.7
    outputs = {"913": boxes, "904": scores}
    assert found(processor, outputs).labels == ("a", "b")
    for given_options, labels in [
        ({"iou": 1.0}, ("a", "a", "b")),
        ({"class_agnostic": True}, ("a",)),
        ({"classes": "b"}, ("b",)),
        ({"confidence": {"a": 0.95}}, ("b",)),
        ({"max_detections": 1}, ("a",)),
    ]:
        assert found(processor, outputs, options=YoloOptions(**given_options)).labels == labels
    assert found(made(labels=()), outputs).labels == ("0", "1")


def test_classes_of_a_model_without_labels_do_not_depend_on_the_picture():
    outputs = {
        "num_predictions": np.array([[2]]),
        "pred_boxes": np.tile(np.array([10, 10, 50, 50], np.float32), (1, 9, 1)),
        "pred_scores": np.full((1, 9), 0.9, np.float32),
        "pred_classes": np.array([[0, 2, 0, 0, 0, 0, 0, 0, 0]]),
    }
    processor = made(SUPPRESSED, labels=())
    for options, labels in [
        ({"classes": 2}, ("2",)),
        ({"classes": 7}, ()),
        ({"confidence": {0: 0.95}}, ("2",)),
        ({"confidence": {7: 0.95}}, ("0", "2")),
    ]:
        assert found(processor, outputs, options=YoloOptions(**options)).labels == labels


def test_outputs_that_are_not_clearly_boxes_and_scores_are_refused():
    four = ("a", "b", "c", "d")
    twins = (spec("x", (1, 30, 4)), spec("y", (1, 30, 4)))
    for outputs, labels in [
        (twins, four),
        ((spec("x", (1, 30, 4)), spec("y", (1, 30, 5))), LABELS),
        ((spec("x", (1, 30, 4)),), LABELS),
        ((spec("x", (1, 30, 7)), spec("y", (1, 30, 3))), LABELS),
    ]:
        with pytest.raises(InvalidModel, match='"boxes": 0'):
            made(outputs, labels)
    boxes = np.tile(np.array([10, 10, 50, 50], np.float32), (1, 30, 1))
    scores = np.zeros((1, 30, 4), np.float32)
    scores[0, 0, 3] = 0.9
    for which in (1, "y"):
        assert found(made(twins, four, boxes=which), {"y": boxes, "x": scores}).labels == ("d",)


def test_garbage_is_an_error():
    boxes, scores = np.zeros((1, 30, 4), np.float32), np.full((1, 30, 3), 0.9, np.float32)
    for damaged in (boxes, scores):
        before = damaged[0, 0, 0]
        damaged[0, 0, 0] = np.nan
        with pytest.raises(InvalidModel, match="NaN"):
            found(made(), {"913": boxes, "904": scores})
        damaged[0, 0, 0] = before
    with pytest.raises(InvalidModel, match="1 pictures"):
        found(made(), {"913": boxes, "904": scores[:, :7]})
    outputs = {
        "num_predictions": np.array([[1]]),
        "pred_boxes": boxes[:, :9],
        "pred_scores": np.ones((1, 9)),
        "pred_classes": np.full((1, 9), 3),
    }
    with pytest.raises(InvalidModel, match="class id 3"):
        found(made(SUPPRESSED), outputs)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"num_predictions": np.array([[-1]])}, "counts -1 boxes of the 9"),
        ({"num_predictions": np.array([[10]])}, "counts 10 boxes of the 9"),
        ({"num_predictions": np.array([[np.nan]])}, "counts nan boxes of the 9"),
        ({"num_predictions": np.zeros((0, 1))}, r"num_predictions \(0, 1\)"),
        ({"pred_scores": np.ones((1, 8))}, r"pred_scores \(1, 8\)"),
        ({"pred_classes": np.ones((1, 9, 1))}, r"pred_classes \(1, 9, 1\)"),
        ({"pred_classes": np.full((1, 9), np.nan)}, "NaN or infinite class ids"),
    ],
)
def test_damaged_tables_of_boxes_are_refused(damage, words):
    outputs = {
        "num_predictions": np.array([[1]]),
        "pred_boxes": np.ones((1, 9, 4)),
        "pred_scores": np.ones((1, 9)),
        "pred_classes": np.zeros((1, 9)),
    }
    with pytest.raises(InvalidModel, match=words):
        found(made(SUPPRESSED), {**outputs, **damage})


def test_tables_of_another_number_of_pictures_are_refused():
    outputs = {spec.name: np.zeros((2, *spec.shape[1:])) for spec in SUPPRESSED}
    with pytest.raises(InvalidModel, match="of 2 pictures, and 1 were given"):
        found(made(SUPPRESSED), outputs)


def test_scores_of_no_class_are_refused():
    processor = made((spec("913", (1, 30, 4)), spec("904", (1, 30, None))), labels=(), boxes=0)
    outputs = {"913": np.ones((1, 30, 4)), "904": np.ones((1, 30, 0))}
    with pytest.raises(InvalidModel, match=r"\(1, 30, 0\), which aren't boxes and scores"):
        found(processor, outputs)


def test_only_exports_with_suppression_are_recognised():
    recognise = YoloNasProcessor.recognise
    assert recognise({"outputs": SUPPRESSED}).task == "object-detection"
    assert recognise({"outputs": (spec("913", RAW[0]), spec("904", RAW[1]))}) is None
    assert recognise({}) is None
