"""Where graphs have their channels, first or last: in pictures, in prototypes of masks, in maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.depth import DepthOptions, DepthProcessor
from inference_vision.layouts import prototypes_of
from inference_vision.outputs import channels_last
from inference_vision.semantic_segmentation import (
    SegmentationOptions,
    SemanticSegmentationProcessor,
)
from inference_vision.settings import pictures_last
from inference_vision.yolo_options import YoloMaskOptions
from inference_vision.yolo_segmentation import YoloSegmentationProcessor

from .test_tensorflow_exports import LABELS, RNG, boxes_scores, made, result


@pytest.mark.parametrize(
    ("shape", "last"),
    [
        ((1, 3, 224, 224), False),
        ((1, 224, 224, 3), True),
        ((None, None, None, 3), True),
        ((1, None, None, 1), True),
        ((1, None, 224, 3), True),
        ((None, 3, None, None), False),
        ((None, 1, None, None), False),
        ((1, 224, 224, None), True),
        ((1, None, 224, 224), False),
        ((1, 3, 224, 3), None),
        ((None, None, None, None), None),
        ((1, 7, 224, 224), None),
        ((1, 224, 3), None),
        (None, None),
    ],
)
def test_a_stated_three_or_one_tells_where_pictures_have_their_channels(shape, last):
    assert pictures_last(shape) is last


@pytest.mark.parametrize(
    ("shape", "settings", "tensor"),
    [
        ((None, None, None, 3), {"imgsz": [16, 24]}, (1, 16, 24, 3)),
        ((None, None, None, 1), {"imgsz": [16, 24]}, (1, 16, 24, 1)),
        ((None, None, None, 3), {}, (1, 512, 512, 3)),
        # ONNX and TorchScript files that leave everything open have the channels first.
        ((None, None, None, None), {"imgsz": [16, 24]}, (1, 3, 16, 24)),
        ((None, None, None, None), {"imgsz": [16, 24], "channels": "last"}, (1, 16, 24, 3)),
    ],
)
def test_pictures_go_into_open_sizes_with_their_channels_where_the_graph_has_them(
    shape, settings, tensor
):
    package = ModelPackage("m", Path("m"), (), processor=ProcessorSpec("x", settings))
    graph = Graph((TensorSpec("x", "float32", shape),), (TensorSpec("y", "float32", None),))
    processor = SemanticSegmentationProcessor(package, {"model": graph})
    feeds, _ = processor.preprocess([np.zeros((9, 9, 3), np.uint8)], SegmentationOptions())
    assert feeds["x"].shape == tensor


def test_prototypes_of_masks_may_have_their_channels_last():
    coefficients = RNG.normal(0, 1, (3, 8)).astype(np.float32)
    prototypes = RNG.normal(0, 1, (1, 8, 16, 24)).astype(np.float32)
    raw = boxes_scores(coefficients)
    options = YoloMaskOptions()
    first = {"p": prototypes, "y": raw}
    wanted = result(YoloSegmentationProcessor, first, options, last=False)
    turned = {"p": prototypes.transpose(0, 2, 3, 1), "y": raw}
    got = result(YoloSegmentationProcessor, turned, options)
    assert wanted.masks.any()
    np.testing.assert_array_equal(got.masks, wanted.masks)


def segmenting(height, width, maps, rows, last=False, layout="boxes-scores"):
    """What an Ultralytics export for segmentation says of itself: 2 classes, 32 prototypes."""
    boxes = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
    shapes = {
        "boxes-scores": (1, rows, boxes),
        "objectness": (1, boxes, rows),
        "end-to-end": (1, 300, rows),
    }
    image = (1, height, width, 3) if last else (1, 3, height, width)
    return {
        "inputs": (TensorSpec("images", "float32", image),),
        "outputs": (
            TensorSpec("output0", "float32", shapes[layout]),
            TensorSpec("output1", "float32", maps),
        ),
        "metadata": {"task": "segment", "names": "{0: 'a', 1: 'b'}", "stride": "32"},
    }


@pytest.mark.parametrize(
    ("seen", "last"),
    [
        # The height of prototypes is their number, their width, or both.
        (segmenting(128, 256, (1, 32, 32, 64), 38), False),
        (segmenting(256, 128, (1, 32, 64, 32), 38), False),
        (segmenting(160, 256, (1, 32, 40, 64), 38), False),
        (segmenting(128, 128, (1, 32, 32, 32), 38), False),
        (segmenting(128, 256, (1, 32, 64, 32), 38, last=True), True),
        (segmenting(128, 128, (1, 32, 32, 32), 38, last=True), True),
        # The order of the maps isn't that of the pictures.
        (segmenting(640, 640, (1, 160, 160, 32), 38), True),
        (segmenting(640, 640, (1, 32, 160, 160), 38, last=True), False),
        (segmenting(160, 256, (1, 40, 64, 32), 38), True),
        (segmenting(160, 256, (1, 40, 64, 32), 38, layout="end-to-end"), True),
        (segmenting(160, 256, (1, 40, 64, 32), 39, layout="objectness"), True),
    ],
)
def test_the_rows_of_boxes_tell_where_prototypes_have_their_channels(seen, last):
    if seen["outputs"][0].shape[2] == 39:  # YOLOv5's own exporter states no task
        del seen["metadata"]["task"]
    found = prototypes_of(seen["outputs"], seen["inputs"], 2)
    assert found[1:] == (32, last)
    recognition = YoloSegmentationProcessor.recognise(seen)
    assert recognition.labels == LABELS
    package = ModelPackage(
        "m", Path("m"), (), labels=LABELS, processor=ProcessorSpec("x", recognition.settings)
    )
    YoloSegmentationProcessor(package, {"model": Graph(seen["inputs"], seen["outputs"])})


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        (segmenting(640, 640, (1, 32, 160, 160), 38, last=False), False),
        (segmenting(640, 640, (1, 32, 160, 160), 38, last=True), False),
        (segmenting(640, 640, (1, 160, 160, 32), 38, last=False), True),
        (segmenting(128, 256, (1, 32, 32, 64), 38, last=True), False),
        (segmenting(128, 256, (1, 32, 64, 64), 38, last=False), True),
        (segmenting(128, 128, (1, 32, 32, 32), 38, last=True), True),
    ],
)
def test_without_labels_prototypes_have_the_sides_of_the_pictures_then_their_order(seen, known):
    assert prototypes_of(seen["outputs"], seen["inputs"], 0).last is known


def test_prototypes_of_which_no_axis_is_clearly_their_number_are_none():
    def of(shape, channels=None):
        open_pictures = (TensorSpec("x", "float32", (None,) * 4),)
        return prototypes_of((TensorSpec("p", "float32", shape),), open_pictures, 0, channels)

    assert of((1, None, 8, 8)) is None
    assert of((1, 16, 24, 8)) is None
    assert of((1, 16, 24, 8), "first")[1:] == (16, False)
    assert of((1, 16, 24, 8), "last")[1:] == (8, True)


def test_the_setting_tells_which_axis_the_prototypes_are():
    pictures = (TensorSpec("x", "float32", (None,) * 4),)
    outputs = (
        TensorSpec("y", "float32", (1, 300, 20)),
        TensorSpec("p", "float32", (1, 16, 24, 8)),
    )

    def made_with(**settings):
        package = ModelPackage("m", Path("m"), (), processor=ProcessorSpec("x", settings))
        return YoloSegmentationProcessor(package, {"model": Graph(pictures, outputs)})

    with pytest.raises(InvalidModel, match='"channels": "first" or "last"'):
        made_with()
    with pytest.raises(InvalidModel, match="16 more numbers per box"):
        made_with(channels="first")
    made_with(channels="last")


OPEN = (None,) * 4
FIRST, LAST = (1, 3, 64, 96), (1, 64, 96, 3)


@pytest.mark.parametrize(
    ("shape", "image", "counts", "last"),
    [
        # The number of channels.
        ((1, 160, 160, 32), FIRST, {32}, True),
        ((1, 32, 160, 160), LAST, {32}, False),
        ((1, None, None, 32), FIRST, {32}, True),
        ((1, 4, 4, 8), (1, 3, 32, 64), {8}, True),
        # The only stated axis: sides are open.
        ((None, 21, None, None), FIRST, (), False),
        ((None, 21, None, None), LAST, (), False),
        ((None, None, None, 21), FIRST, (), True),
        ((1, None, None, 32), OPEN, (), True),
        # The proportions of the pictures.
        ((1, 64, 64, 21), (1, 3, 64, 64), (), True),
        ((1, 21, 64, 64), (1, 64, 64, 3), (), False),
        ((1, 32, 32, 64), (1, 3, 128, 256), (), False),
        ((1, 32, 32, 64), (1, 128, 256, 3), (), False),
        ((1, 4, 4, 8), (1, 3, 32, 64), (), False),
        ((1, 65, 129, 21), (1, 3, 513, 1025), (), True),  # rounded
        ((1, 13, 16, 20), (1, 512, 640, 3), (), False),  # the others are only nearly so
        ((1, 32, 64, 32), LAST, {7}, True),
        # The order of the pictures.
        ((1, 32, 32, 32), FIRST, (), False),
        ((1, 32, 32, 32), LAST, (), True),
        ((1, 32, 32, 64), (1, 3, None, None), (), False),
        ((1, 64, 64, 21), (1, 3, None, 64), (), False),
        ((1, 5, 9, 7), FIRST, (), False),
        ((1, 5, 9, 7), LAST, (), True),
        ((None, None, 16, None), LAST, (), True),
        (None, LAST, (), True),
        # Two equal sides.
        ((1, 160, 160, 32), OPEN, (), True),
        ((1, 32, 160, 160), OPEN, (), False),
        # Nothing is stated.
        ((None,) * 4, OPEN, (), False),
        (None, None, (), False),
        ((1, 64, 64), LAST, (), False),
        # Nothing tells.
        ((1, 32, 32, 32), OPEN, (), None),
        ((1, 16, 24, 8), OPEN, (), None),
        ((1, 21, 64, 21), OPEN, {21}, None),
    ],
)
def test_what_is_known_tells_where_maps_have_their_channels(shape, image, counts, last):
    assert channels_last(shape, (TensorSpec("x", "float32", image),), counts) is last


@pytest.mark.parametrize("shape", [(1, 16, 24, 8), (None,) * 4, None])
def test_the_setting_tells_where_shapes_leave_it_open(shape):
    pictures = (TensorSpec("x", "float32", OPEN),)
    assert channels_last(shape, pictures, (), "last") is True
    assert channels_last(shape, pictures, (), "first") is False


def segmented(image, shape, labels=(), **settings):
    """The one class of what goes through a graph whose highest score is that of the class 7."""
    package = ModelPackage(
        "m", Path("m"), (), labels=labels, processor=ProcessorSpec("x", settings)
    )
    graph = Graph((TensorSpec("x", "float32", image),), (TensorSpec("y", "float32", shape),))
    processor = SemanticSegmentationProcessor(package, {"model": graph})
    _, context = processor.preprocess([np.zeros((9, 9, 3), np.uint8)], SegmentationOptions())
    raw = np.zeros((1, 64, 64, 21), np.float32)
    raw[..., 7] = 5
    (found,) = processor.postprocess({"y": raw}, context, SegmentationOptions())
    (only,) = np.unique(found.class_map)
    return only


@pytest.mark.parametrize(
    ("image", "shape", "settings"),
    [
        ((1, 3, 64, 64), (1, 64, 64, 21), {}),  # tf2onnx --inputs-as-nchw
        (OPEN, (None, None, None, 21), {}),
        (OPEN, (None, None, None, 21), {"channels": "last"}),
        (OPEN, OPEN, {"channels": "last"}),
        (OPEN, None, {"channels": "last"}),
        (OPEN, (1, None, 64, 21), {"channels": "last"}),
    ],
)
def test_maps_with_their_classes_last_are_read_so(image, shape, settings):
    assert segmented(image, shape, **settings) == 7


def test_where_nothing_tells_which_axis_the_classes_are_somebody_must_say():
    with pytest.raises(InvalidModel, match=r'\(1, 16, 24, 8\).*"labels".*"channels"'):
        segmented(OPEN, (1, 16, 24, 8))
    assert segmented(OPEN, (1, 64, None, 21), labels=tuple("abcdefghijklmnopqrstu")) == 7


@pytest.mark.parametrize(
    ("image", "channels"),
    [((None, 3, None, None), "last"), ((1, 64, 64, 3), "first"), ((1, 3, 64, 3), None)],
)
def test_a_setting_that_contradicts_the_shape_is_refused(image, channels):
    if channels:
        with pytest.raises(InvalidModel, match=f"channels says '{channels}', the graph takes x"):
            segmented(image, (1, 21, 64, 64), channels=channels)
    else:  # either may be
        for either in ("first", "last"):
            segmented(image, (1, 64, 64, 21), channels=either)


@pytest.mark.parametrize("classes", [1, 3])
def test_class_maps_may_have_their_channels_last(classes):
    labels = ("a", "b", "c")[: max(classes, 2)]
    scores = RNG.normal(0, 2, (1, classes, 16, 24)).astype(np.float32)
    options = SegmentationOptions(confidence_map=True)
    how = {"labels": labels}
    processor = SemanticSegmentationProcessor
    wanted = result(processor, {"y": scores}, options, last=False, **how)
    got = result(processor, {"y": scores.transpose(0, 2, 3, 1)}, options, **how)
    np.testing.assert_array_equal(got.class_map, wanted.class_map)
    np.testing.assert_allclose(got.confidence, wanted.confidence, rtol=1e-6)
    with pytest.raises(InvalidModel, match=f"scores {max(classes, 2)} classes"):
        made(processor, {"y": scores.transpose(0, 2, 3, 1)}, labels=("a",) * 7)


def test_depth_may_have_its_channel_last():
    depths = RNG.uniform(0, 9, (1, 1, 16, 24)).astype(np.float32)
    wanted = result(DepthProcessor, {"y": depths}, DepthOptions(), labels=(), last=False)
    turned = {"y": depths.transpose(0, 2, 3, 1)}
    got = result(DepthProcessor, turned, DepthOptions(), labels=())
    np.testing.assert_array_equal(got.depth, wanted.depth)


SQUARE = np.zeros((1, 4, 4, 8), np.float32)
SQUARE[0, 2] = 5  # the third of four classes everywhere, with the channels first
WIDE = (TensorSpec("i", "float32", (1, 3, 32, 64)),)


def segmenter(outputs, labels, dtype="float32"):
    package = ModelPackage("m", Path("m"), (), labels=labels, processor=ProcessorSpec("x", {}))
    specs = (TensorSpec("y", dtype, outputs),)
    return SemanticSegmentationProcessor(package, {"model": Graph(WIDE, specs)})


@pytest.mark.parametrize("labels", [tuple("abcd"), ()])
def test_as_many_classes_as_rows_of_a_map_do_not_turn_it(labels):
    processor = segmenter(SQUARE.shape, labels)
    _, context = processor.preprocess([np.zeros((32, 64, 3), np.uint8)], SegmentationOptions())
    (found,) = processor.postprocess({"y": SQUARE}, context, SegmentationOptions())
    assert (found.class_map == 2).all()


def test_as_many_labels_as_the_last_axis_has_are_its_classes():
    processor = segmenter(SQUARE.shape, tuple("abcdefgh"))
    _, context = processor.preprocess([np.zeros((32, 64, 3), np.uint8)], SegmentationOptions())
    turned = np.zeros((1, 4, 4, 8), np.float32)
    turned[..., 6] = 5
    (found,) = processor.postprocess({"y": turned}, context, SegmentationOptions())
    assert (found.class_map == 6).all()


@pytest.mark.parametrize(
    ("shape", "labels", "dtype"),
    [
        ((1, 16, 24, 1), ("background", "object"), "float32"),
        ((1, 16, 24, 1), ("a", "b", "c"), "int64"),
        ((1, 1, 16, 24), ("a", "b", "c"), "int64"),
    ],
)
def test_one_channel_is_found_wherever_it_is(shape, labels, dtype):
    segmenter(shape, labels, dtype)


def test_a_map_of_other_classes_is_refused():
    with pytest.raises(InvalidModel, match="scores 4 classes, and there are 5 labels"):
        segmenter(SQUARE.shape, tuple("abcde"))
