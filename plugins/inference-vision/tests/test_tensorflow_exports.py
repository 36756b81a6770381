"""Graphs as TensorFlow has them: fractions of the input as coordinates, and metadata of files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.classification import ClassificationOptions, ClassificationProcessor
from inference_vision.yolo import YoloProcessor
from inference_vision.yolo_keypoints import YoloKeypointsProcessor
from inference_vision.yolo_options import YoloOptions
from inference_vision.yolo_oriented import YoloOrientedProcessor
from inference_vision.yolo_segmentation import YoloSegmentationProcessor

HEIGHT, WIDTH = 64, 96
PICTURE = np.zeros((50, 120, 3), np.uint8)
LABELS = ("a", "b")
FRACTIONS = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)


def made(processor, outputs, labels=LABELS, last=True, **settings):
    package = ModelPackage(
        "made", Path("made"), (), labels=labels, processor=ProcessorSpec("x", settings)
    )
    shape = (1, HEIGHT, WIDTH, 3) if last else (1, 3, HEIGHT, WIDTH)
    specs = tuple(TensorSpec(name, "float32", each.shape) for name, each in outputs.items())
    return processor(package, {"model": Graph((TensorSpec("images", "float32", shape),), specs)})


def result(processor, outputs, options, **settings):
    one = made(processor, outputs, **settings)
    _, context = one.preprocess([PICTURE], options)
    return one.postprocess(outputs, context, options)[0]


def boxes_scores(extras: np.ndarray) -> np.ndarray:
    """(1, 4 + 2 + extras, 9): three objects among cells without any, in pixels of the input."""
    raw = np.zeros((1, 6 + extras.shape[1], 9), np.float32)
    raw[0, :4, :3] = np.array([[30, 32, 20, 16], [60, 30, 30, 12], [48, 40, 10, 10]]).T
    raw[0, 4:6, :3] = [[0.9, 0, 0.3], [0, 0.8, 0.6]]
    raw[0, 6:, :3] = extras.T
    return raw


RNG = np.random.default_rng(0)
POINTS = RNG.uniform(10, 60, (3, 17, 3)).astype(np.float32)
CASES = {
    "boxes": (YoloProcessor, np.zeros((3, 0), np.float32)),
    "points": (YoloKeypointsProcessor, POINTS.reshape(3, -1)),
    "angles": (YoloOrientedProcessor, np.array([[0.3], [-0.2], [1.0]], np.float32)),
}


@pytest.mark.parametrize("case", CASES)
def test_fractions_of_the_input_are_the_same_places_as_pixels(case):
    processor, extras = CASES[case]
    raw = boxes_scores(extras)
    wanted = result(processor, {"y": raw}, YoloOptions(), layout="boxes-scores")
    relative = raw.copy()
    relative[0, :4] /= FRACTIONS[:, None]
    if case == "points":
        inside = relative[0, 6:].reshape(17, 3, 9)
        inside[:, :2] /= FRACTIONS[:2, None]
    settings = {"layout": "boxes-scores", "coordinates": "relative"}
    got = result(processor, {"y": relative}, YoloOptions(), **settings)
    assert len(wanted) == 3
    assert got.labels == wanted.labels
    np.testing.assert_allclose(got.xyxy, wanted.xyxy, atol=1e-4)
    for field in ("keypoints", "corners"):
        one, other = getattr(got, field), getattr(wanted, field)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_boxes_that_are_suppressed_already_are_fractions_of_the_input_too():
    rows = np.array([[[10, 12, 40, 44, 0.9, 1], [0, 0, 0, 0, 0, 0]]], np.float32)
    wanted = result(YoloProcessor, {"y": rows}, YoloOptions(), layout="end-to-end")
    rows[..., :4] /= FRACTIONS
    settings = {"layout": "end-to-end", "coordinates": "relative"}
    got = result(YoloProcessor, {"y": rows}, YoloOptions(), **settings)
    np.testing.assert_allclose(got.xyxy, wanted.xyxy, atol=1e-4)


def test_a_box_of_enormous_fractions_covers_the_picture():
    raw = boxes_scores(CASES["boxes"][1])
    raw[0, :4] /= FRACTIONS[:, None]
    raw[0, 2:4, 0] = 3e38
    settings = {"layout": "boxes-scores", "coordinates": "relative"}
    found = result(YoloProcessor, {"y": raw}, YoloOptions(), **settings)
    width, height = found.image_size
    assert [0, 0, width, height] in found.xyxy.tolist()


@pytest.mark.parametrize("case", CASES)
def test_pixels_that_are_taken_for_fractions_are_an_error_that_names_the_setting(case):
    processor, extras = CASES[case]
    settings = {"layout": "boxes-scores", "coordinates": "relative"}
    with pytest.raises(InvalidModel, match='"coordinates": "pixels"'):
        result(processor, {"y": boxes_scores(extras)}, YoloOptions(), **settings)


OLD = boxes_scores(POINTS.reshape(3, -1))
OLD[0, :4] /= FRACTIONS[:, None]


@pytest.mark.parametrize("points", [[17, 3], [17, 2]])
def test_keypoints_in_pixels_beside_relative_boxes_are_refused(points):
    """As Ultralytics' first exports for TensorFlow Lite had them."""
    settings = {"layout": "boxes-scores", "coordinates": "relative", "keypoints": points}
    extras = OLD[:, 6:].reshape(1, 17, 3, 9)[:, :, : points[1]].reshape(1, -1, 9)
    raw = np.concatenate([OLD[:, :6], extras], axis=1)
    with pytest.raises(InvalidModel, match="Export the model again"):
        result(YoloKeypointsProcessor, {"y": raw}, YoloOptions(), **settings)
    nobody = raw * (np.arange(raw.shape[1]) != 4)[:, None] * (np.arange(raw.shape[1]) != 5)[:, None]
    assert len(result(YoloKeypointsProcessor, {"y": nobody}, YoloOptions(), **settings)) == 0


def test_a_relative_keypoint_may_lie_far_outside():
    raw = OLD.copy()
    inside = raw[0, 6:].reshape(17, 3, 9)
    inside[:, :2] /= FRACTIONS[:2, None]
    inside[3, 0] = 5
    settings = {"layout": "boxes-scores", "coordinates": "relative"}
    found = result(YoloKeypointsProcessor, {"y": raw}, YoloOptions(), **settings)
    assert found.keypoints[:, 3, 0].min() > 500


@pytest.mark.parametrize("case", CASES)
def test_fractions_that_nobody_stated_are_an_error_that_names_the_setting(case):
    processor, extras = CASES[case]
    raw = boxes_scores(extras)
    raw[0, :4] /= FRACTIONS[:, None]
    with pytest.raises(InvalidModel, match='"coordinates": "relative"'):
        result(processor, {"y": raw}, YoloOptions(), layout="boxes-scores")
    stated = {"layout": "boxes-scores", "coordinates": "pixels"}
    result(processor, {"y": raw}, YoloOptions(), **stated)
    raw[0, :4, 0] *= FRACTIONS  # one box is in pixels
    assert len(result(processor, {"y": raw}, YoloOptions(), layout="boxes-scores"))


def test_fractions_in_the_padding_are_noticed_too():
    rows = np.array([[[0.2, 0.01, 0.3, 0.02, 0.9, 1], [0, 0, 0, 0, 0, 0]]], np.float32)
    with pytest.raises(InvalidModel, match="fractions"):
        result(YoloProcessor, {"y": rows}, YoloOptions(), layout="end-to-end")


def test_a_list_without_boxes_says_nothing_of_coordinates():
    rows = np.zeros((1, 5, 6), np.float32)
    options = YoloOptions(confidence=0)
    assert len(result(YoloProcessor, {"y": rows}, options, layout="end-to-end")) == 0


def test_in_a_tiny_input_boxes_may_be_tiny(make):
    processor = make(YoloProcessor, (1, 5, 6), image=(1, 3, 16, 64))
    _, context = processor.preprocess([np.zeros((16, 64, 3), np.uint8)], YoloOptions())
    rows = np.array([[[0, 0, 1.2, 1.4, 0.9, 1]] * 5], np.float32)
    assert len(processor.postprocess({"output0": rows}, context, YoloOptions())[0]) == 5


def test_another_kind_of_coordinates_is_refused():
    with pytest.raises(InvalidModel, match="'coordinates' must be one of pixels, relative"):
        made(YoloProcessor, {"y": boxes_scores(CASES["boxes"][1])}, coordinates="percent")


METADATA = {"task": "detect", "names": "{0: 'a', 1: 'b'}", "stride": "32", "imgsz": "[64, 96]"}


def facts(image, output, task="detect", tflite=True, **entries):
    outputs = (TensorSpec("y", "float32", output),)
    if task == "segment":
        maps = (1, 16, 24, 8) if image[3] == 3 else (1, 8, 16, 24)
        outputs = (TensorSpec("p", "float32", maps), *outputs)
    seen = {"inputs": (TensorSpec("x", "float32", image),), "outputs": outputs}
    seen["metadata"] = {**METADATA, "task": task, **entries}
    return {**seen, "tflite.signatures": {}} if tflite else seen


LAST, FIRST = (1, HEIGHT, WIDTH, 3), (1, 3, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("seen", "coordinates"),
    [
        (facts(LAST, (1, 6, 200)), "relative"),
        (facts(FIRST, (1, 6, 200)), "relative"),  # through torch
        (facts(LAST, (1, 300, 6), end2end="True"), "relative"),
        (facts(FIRST, (1, 300, 6), end2end="True"), "pixels"),
        (facts(LAST, (1, 300, 6), args="{'nms': True}"), "relative"),
        (facts(FIRST, (1, 6, 200), tflite=False), "pixels"),
    ],
)
def test_exports_for_tensorflow_lite_are_known_to_have_fractions(seen, coordinates):
    recognition = YoloProcessor.recognise(seen)
    assert recognition.labels == LABELS
    assert recognition.settings["coordinates"] == coordinates


@pytest.mark.parametrize("image", [LAST, FIRST])
def test_a_segmentation_export_is_recognised_with_its_prototypes(image):
    seen = facts(image, (1, 14, 200), task="segment")
    recognition = YoloSegmentationProcessor.recognise(seen)
    assert recognition.settings["layout"] == "boxes-scores"
    assert recognition.settings["coordinates"] == "relative"


def classifier(**changes):
    """The facts of a classifier as TensorFlow Lite's metadata describe one."""
    return {
        "inputs": (TensorSpec("image", "uint8", (1, 8, 8, 3)),),
        "outputs": (TensorSpec("scores", "uint8", (1, 3)),),
        "metadata": {"name": "birds"},
        "tflite.signatures": {},
        "tflite.quantized": ("image", "scores"),
        "tflite.labels": ("robin", "wren", "owl"),
        "tflite.normalization": {"mean": (127.5,), "std": (127.5, 128.0, 127.0)},
        **changes,
    }


def recognised(seen, input_dtype):
    package = ModelPackage(
        "b", Path("b"), (), seen.task, seen.labels, ProcessorSpec("classification", seen.settings)
    )
    graph = Graph(
        (TensorSpec("image", input_dtype, (1, 8, 8, 3)),), (TensorSpec("s", "float32", (1, 3)),)
    )
    return ClassificationProcessor(package, {"model": graph})


# Dark, with a bright column at its left edge, which a crop would cut off; blue first.
MARKED = np.full((10, 20, 3), (30, 20, 10), np.uint8)
MARKED[:, :2] = (250, 240, 230)
STRETCHED = cv2.resize(MARKED, (8, 8), interpolation=cv2.INTER_LINEAR)[..., ::-1].astype(float)


def test_a_classifier_with_labels_and_a_normalisation_needs_no_manifest():
    seen = ClassificationProcessor.recognise(classifier())
    assert (seen.task, seen.labels) == ("image-classification", ("robin", "wren", "owl"))
    processor = recognised(seen, "float32")
    feeds, context = processor.preprocess([MARKED], ClassificationOptions())
    wanted = (STRETCHED - 127.5) / (127.5, 128, 127)
    np.testing.assert_allclose(feeds["image"][0], wanted, atol=1e-5)
    # Of a softmax that was quantised, and doesn't add up to 1.
    (result,) = processor.postprocess(
        {"s": np.float32([[0.5, 0.25, 0.125]])}, context, ClassificationOptions()
    )
    assert result.confidence.tolist() == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("normalisation", [{"mean": (127.5,), "std": (127.5,)}, {}])
def test_plain_uint8_takes_pixels_as_they_are_whatever_the_normalisation(normalisation):
    said = {"tflite.quantized": ("scores",), "tflite.normalization": normalisation}
    processor = recognised(ClassificationProcessor.recognise(classifier(**said)), "uint8")
    feeds, _ = processor.preprocess([MARKED], ClassificationOptions())
    np.testing.assert_array_equal(feeds["image"][0], STRETCHED)


PLAIN_INT8 = TensorSpec("image", "int8", (1, 8, 8, 3))


@pytest.mark.parametrize(
    "changes",
    [
        {"tflite.labels": ()},
        {"tflite.labels": ("robin",)},
        {"tflite.normalization": {}},
        {"tflite.normalization": {"mean": (0.0, 1.0), "std": (1.0,)}},
        {"tflite.normalization": {"mean": (), "std": ()}},
        {"tflite.normalization": {"mean": (0.0,), "std": (0.0,)}},
        {"inputs": (TensorSpec("tokens", "int32", (1, 128)),)},
        {"inputs": (PLAIN_INT8,), "tflite.quantized": ("scores",)},
        {"inputs": (TensorSpec("image", "float32", (1, None, None, 3)),)},
        {"tflite.quantized": ("image",)},  # scores of 0 to 255
        {"outputs": (TensorSpec("a", "uint8", (1, 3)), TensorSpec("b", "uint8", (1, 3)))},
    ],
)
def test_one_that_says_less_is_not_guessed(changes):
    assert ClassificationProcessor.recognise(classifier(**changes)) is None


def test_quantised_int8_and_scores_of_four_axes_are_recognised():
    specs = {
        "inputs": (PLAIN_INT8,),
        "outputs": (TensorSpec("scores", "int8", (1, 1, 1, 3)),),
    }
    seen = ClassificationProcessor.recognise(classifier(**specs))
    assert seen.settings["scale"] == 1


def test_ultralytics_classifiers_have_their_softmax_in_the_graph():
    metadata = {"task": "classify", "names": "{0: 'a', 1: 'b'}", "stride": "1"}
    outputs = (TensorSpec("s", "float32", (1, 2)),)
    seen = ClassificationProcessor.recognise(classifier(metadata=metadata, outputs=outputs))
    assert seen.settings == {"activation": "none"}
