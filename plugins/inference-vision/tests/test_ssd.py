"""Detectors that end in TensorFlow Lite's own suppression: which output is which, and what it says."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.ssd import SsdOptions, SsdProcessor

OPTIONS = SsdOptions()
LABELS = ("cat", "dog", "owl")
TF1 = ("P", "P:1", "P:2", "P:3")  # boxes, classes, scores, count
TF2 = tuple(f"StatefulPartitionedCall:{number}" for number in (3, 2, 1, 0))
SIGNATURE = tuple(f"output_{number}" for number in (3, 2, 1, 0))
WORDS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
SAY_NOTHING = ("a", "b", "c", "d")
SHAPES = ((1, 4, 4), (1, 4), (1, 4), (1,))

# ymin, xmin, ymax, xmax; beyond the count is what was in the memory before.
BOXES = np.array(
    [[[0.1, 0.2, 0.5, 0.4], [0.5, 0.5, 1.1, 0.75], [0, 0, 0.9, 0.9], [0, 0, 1, np.nan]]]
)
CLASSES, SCORES, COUNT = (
    np.array([[2, 0, 1, 0.3]]),
    np.array([[0.9, 0.6, 0.3, -1e26]]),
    np.array([3]),
)


def named(names=TF1, classes=CLASSES, scores=SCORES, order=range(4), boxes=BOXES):
    arrays = [np.asarray(each, np.float32) for each in (boxes, classes, scores, COUNT)]
    return {names[index]: arrays[index] for index in order}


def made(names=TF1, labels=LABELS, shapes=SHAPES, image=(1, 30, 50, 3), dtype="float32", **given):
    package = ModelPackage("m", Path("m"), (), labels=labels, processor=ProcessorSpec("x", given))
    outputs = tuple(
        TensorSpec(name, "float32", shape) for name, shape in zip(names, shapes, strict=True)
    )
    return SsdProcessor(package, {"model": Graph((TensorSpec("x", dtype, image),), outputs)})


def found(raw, size=(200, 100), options=OPTIONS, processor=None, **given):
    processor = processor or made(tuple(raw), shapes=[each.shape for each in raw.values()], **given)
    width, height = size
    _, context = processor.preprocess([np.zeros((height, width, 3), np.uint8)], options)
    return processor.postprocess(raw, context, options)[0]


@pytest.mark.parametrize("names", [TF1, TF2, SIGNATURE, WORDS, SAY_NOTHING])
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_outputs_are_told_apart_in_any_order(names, order):
    result = found(named(names, order=order))
    assert result.labels == ("owl", "cat", "dog")
    np.testing.assert_allclose(result.confidence, [0.9, 0.6, 0.3], rtol=1e-6)
    wanted = [[40, 10, 80, 50], [100, 50, 150, 100], [0, 0, 180, 90]]
    np.testing.assert_allclose(result.xyxy, wanted, rtol=1e-5)
    assert result.image_size == (200, 100)


@pytest.mark.parametrize("names", [TF1, TF2, SIGNATURE, WORDS])
def test_names_tell_where_values_do_not(names):
    """Scores of 1, and a class id that looks like one."""
    values = named(names, classes=[[1, 0, 0, 0]], scores=[[1, 1, 1, 0]], order=[0, 2, 1, 3])
    assert found(values).labels == ("dog", "cat", "cat")


EITHER = {"classes": [[1, 0, 0, 0]], "scores": [[1, 1, 1, 0]]}
TURNED = [3, 2, 1, 0]  # the scores before the classes, unlike the operator


@pytest.mark.parametrize("order", [range(4), TURNED])
def test_where_neither_tells_a_setting_must(order):
    values = named(SAY_NOTHING, **EITHER, order=order)
    with pytest.raises(InvalidModel, match=r'either can hold scores.*"scores": "'):
        found(values)
    assert found(values, scores="c").labels == ("dog", "cat", "cat")
    with pytest.raises(InvalidModel, match="'scores' must be one of"):
        found(values, scores="a")
    unknown = made(SAY_NOTHING, shapes=[None] * 4, scores="a")
    with pytest.raises(InvalidModel, match="the scores among them"):
        found(values, processor=unknown)


@pytest.mark.parametrize("order", [range(4), TURNED])
def test_the_first_picture_that_tells_tells_for_all(order):
    nothing = named(SAY_NOTHING, classes=[[0] * 4], scores=[[0] * 4], order=order)
    processor = made(tuple(nothing), shapes=[each.shape for each in nothing.values()])
    assert len(found(nothing, processor=processor)) == 0
    assert found(named(SAY_NOTHING, order=order), processor=processor).labels[0] == "owl"
    either = named(SAY_NOTHING, **EITHER, order=order)
    assert found(either, processor=processor).labels == ("dog", "cat", "cat")


def test_outputs_that_nothing_tells_apart_are_an_error():
    with pytest.raises(InvalidModel, match="neither holds scores"):
        found(named(SAY_NOTHING, classes=[[0.5, 7, 1, 0]]))
    with pytest.raises(InvalidModel, match='"scores": "c"'):
        found(named(SAY_NOTHING, classes=[[0.5, 7, 1, 0]]))
    for wrong in (0.1, 7):  # not the best first, and above 1
        with pytest.raises(InvalidModel, match="neither holds scores"):
            found(named(SAY_NOTHING, scores=[[wrong, 0.6, 0.3, 0]]))
    # Numbered, but in no order that an exporter writes.
    for names in (
        ("P:1", "P", "P:2", "P:3"),
        ("P", "P:1", "P:3", "P:2"),
        ("P:2", "P:1", "P:3", "P"),
        ("P", "Q:1", "P:2", "P:3"),
    ):
        with pytest.raises(InvalidModel, match="neither holds scores"):
            found(named(names, scores=[[0.2, 0.9, 0, 0]]))


def test_options_choose_what_counts():
    def labels(**options):
        built = build_options(SsdOptions, options, "predict")
        return found(named(), options=built).labels

    assert labels(confidence=0.5) == ("owl", "cat")
    assert labels(confidence={"owl": 0.95}) == ("cat", "dog")
    assert labels(classes=["dog"]) == ("dog",)
    assert labels(max_detections=1) == ("owl",)
    assert labels(confidence=0) == ("owl", "cat", "dog")
    for wrong in ({"confidence": 2}, {"max_detections": 0}, {"iou": 0.5}):
        with pytest.raises(InvalidArgument, match=next(iter(wrong))):
            labels(**wrong)


def test_a_package_that_names_a_class_it_does_not_have_is_refused():
    package = ModelPackage("m", Path("m"), (), labels=LABELS, parameters={"classes": ["cow"]})
    outputs = tuple(map(TensorSpec, TF1, ["float32"] * 4, SHAPES))
    graph = Graph((TensorSpec("x", "float32", (1, 30, 50, 3)),), outputs)
    with pytest.raises(InvalidModel, match="cow"):
        SsdProcessor(package, {"model": graph})


def test_the_first_label_may_have_the_class_id_1():
    assert found(named(classes=[[3, 1, 2, 0]]), background="first").labels == ("owl", "cat", "dog")
    nothing = SsdOptions(confidence=0)
    assert len(found(named(classes=[[3, 1, 2, 0]]), options=nothing, background="first")) == 3
    assert found(named(), labels=()).labels == ("2", "0", "1")
    with pytest.raises(InvalidModel, match=r"'P:1' holds class id 2; .* from 0 to 1"):
        found(named(), labels=("cat", "dog"))
    with pytest.raises(InvalidModel, match=r"'P:1' holds class id 0; .* from 1 to 3"):
        found(named(), background="first")
    with pytest.raises(InvalidModel, match=r"'P:1' holds class id 4; .* from 1 to 3"):
        found(named(classes=[[3, 4, 2, 0]]), background="first")
    with pytest.raises(InvalidModel, match="'background' must be one of first, none"):
        made(background="last")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scores": [[np.nan, 0.6, 0.3, 0]]}, "'P:2' holds NaN"),
        ({"boxes": BOXES + np.inf}, "'P' holds NaN or infinite boxes"),
        ({"scores": [[7, 0.6, 0.3, 0]]}, "'P:2' holds a score of 7; scores must be between"),
        ({"classes": [[0.5, 0, 1, 0]]}, "'P:1' holds class id 0.5; .* whole numbers"),
        ({"classes": [[np.nan, 0, 1, 0]]}, "'P:1' holds class id nan"),
        ({"classes": [[0, 1, 2]]}, "wanted are"),
        ({"boxes": BOXES[0]}, "wanted are"),
    ],
)
def test_numbers_that_make_no_sense_are_errors(changes, words):
    with pytest.raises(InvalidModel, match=words):
        found(named(**changes), processor=made())


def test_a_box_in_the_padding_is_dropped():
    boxes = BOXES.copy()
    boxes[0, 0] = [0, 0.1, 0.05, 0.3]
    assert found(named(boxes=boxes), resize="letterbox").labels == ("cat", "dog")
    best = SsdOptions(max_detections=1)
    assert found(named(boxes=boxes), options=best, resize="letterbox").labels == ("cat",)


def test_a_box_of_enormous_fractions_covers_the_picture():
    boxes = BOXES.copy()
    boxes[0, 0] = [-3e38, -3e38, 3e38, 3e38]
    assert found(named(boxes=boxes)).xyxy[0].tolist() == [0, 0, 200, 100]


@pytest.mark.parametrize(
    "shapes", [SHAPES[:3], SHAPES[:3] + SHAPES[:1], (*SHAPES[:3], (1, 1)), ((1, 4, 5), *SHAPES[1:])]
)
def test_a_graph_with_other_outputs_is_refused(shapes):
    with pytest.raises(InvalidModel, match="expected four outputs"):
        made(TF1[: len(shapes)], shapes=shapes)


def test_outputs_of_another_batch_are_an_error():
    processor = made()
    _, context = processor.preprocess([np.zeros((9, 9, 3), np.uint8)] * 2, OPTIONS)
    with pytest.raises(InvalidModel, match="of 1 pictures, and 2 were given"):
        processor.postprocess(named(), context, OPTIONS)


@pytest.mark.parametrize(("dtype", "left", "right"), [("float32", -1, 1), ("uint8", 0, 255)])
def test_the_whole_picture_goes_in_as_minus_one_to_one_or_as_it_is(dtype, left, right):
    picture = np.zeros((60, 50, 3), np.uint8)
    picture[:, 25:, 2] = 255  # blue first
    feeds, _ = made(dtype=dtype).preprocess([picture], OPTIONS)
    assert feeds["x"].shape == (1, 30, 50, 3)
    np.testing.assert_allclose(feeds["x"][0, :, :25, 0], left, atol=1e-6)
    np.testing.assert_allclose(feeds["x"][0, :, 25:, 0], right, atol=1e-6)
    np.testing.assert_allclose(feeds["x"][0, ..., 1:], left, atol=1e-6)


def facts(dtype="uint8", **changes):
    return {
        "inputs": (TensorSpec("x", dtype, (1, 300, 300, 3)),),
        "outputs": tuple(map(TensorSpec, TF1, ["float32"] * 4, SHAPES)),
        "tflite.custom_operators": ("TFLite_Detection_PostProcess",),
        "tflite.quantized": ("x",),
        "tflite.labels": ("cat", "dog"),
        "tflite.normalization": {"mean": (128.0,), "std": (127.0,)},
        **changes,
    }


NORMALISED = {"mean": [128.0] * 3, "std": [127.0] * 3, "scale": 1}


@pytest.mark.parametrize(
    ("seen", "settings"),
    [
        (facts(), NORMALISED),
        (facts("int8"), NORMALISED),
        (facts("float32", **{"tflite.quantized": ()}), NORMALISED),
        (facts("float32", **{"tflite.normalization": {}}), {}),
        (facts(**{"tflite.quantized": ()}), {}),
        (facts(outputs=tuple(TensorSpec(name, "float32", None) for name in TF1)), NORMALISED),
    ],
)
def test_files_are_recognised_by_their_operator(seen, settings):
    recognition = SsdProcessor.recognise(seen)
    assert (recognition.task, recognition.labels) == ("object-detection", ("cat", "dog"))
    assert recognition.settings == settings
    quantised = bool(seen["tflite.quantized"])
    dtype = "float32" if quantised else seen["inputs"][0].dtype
    made(labels=recognition.labels, dtype=dtype, **recognition.settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"tflite.custom_operators": ()},
        {"tflite.custom_operators": ("Other",)},
        {"outputs": facts()["outputs"][:3]},
        {"outputs": (*facts()["outputs"][:3], TensorSpec("d", "float32", (1, 4)))},
        {"inputs": (TensorSpec("x", "int8", (1, 300, 300, 3)),), "tflite.quantized": ()},
        {"inputs": (TensorSpec("x", "float32", (1, 300)),)},
        {"inputs": ()},
    ],
)
def test_other_files_are_not(changes):
    assert SsdProcessor.recognise(facts(**changes)) is None


def test_a_graph_of_another_format_says_nothing():
    assert SsdProcessor.recognise({"inputs": facts()["inputs"], "outputs": ()}) is None
