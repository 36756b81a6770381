"""Recognising exports by their metadata, which is untrusted text."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core.errors import InvalidModel
from inference_core.session import TensorSpec
from inference_vision.classification import ClassificationOptions, ClassificationProcessor
from inference_vision.ultralytics import labels_of, stride_of
from inference_vision.yolo import YoloProcessor
from inference_vision.yolo_keypoints import YoloKeypointsProcessor
from inference_vision.yolo_oriented import YoloOrientedProcessor
from inference_vision.yolo_segmentation import YoloSegmentationProcessor


def facts(output=(1, 7, 2100), image=(1, 3, 320, 320), **metadata):
    return {
        "metadata": {
            "names": "{0: 'circle', 1: 'square', 2: 'triangle'}",
            "stride": "32",
            "task": "detect",
            "imgsz": "[320, 320]",
            **metadata,
        },
        "inputs": (TensorSpec("images", "float32", image),),
        "outputs": (TensorSpec("output0", "float32", output),),
    }


def test_an_ultralytics_detector_is_recognised():
    found = YoloProcessor.recognise(facts())
    assert found.task == "object-detection"
    assert found.labels == ("circle", "square", "triangle")
    assert found.settings == {"layout": "boxes-scores", "coordinates": "pixels", "stride": 32}
    assert ClassificationProcessor.recognise(facts()) is None


def test_a_dynamic_export_gets_its_size_from_the_metadata():
    found = YoloProcessor.recognise(facts((None, None, None), (None, 3, None, None)))
    assert found.settings["imgsz"] == [320, 320]


@pytest.mark.parametrize("extra", [{"end2end": "True"}, {"args": "{'batch': 1, 'nms': True}"}, {}])
def test_an_end_to_end_export_is_recognised(extra):
    assert YoloProcessor.recognise(facts((1, 300, 6), **extra)).settings["layout"] == "end-to-end"


def test_an_end_to_end_export_of_one_class_is_not_ambiguous():
    given_facts = facts((1, 300, 6), names="{0: 'x'}", end2end="True")
    assert YoloProcessor.recognise(given_facts).settings["layout"] == "end-to-end"


def test_a_yolov5_export_is_recognised_by_names_stride_and_shape():
    given_facts = facts((1, 6300, 8))
    del given_facts["metadata"]["task"]
    assert YoloProcessor.recognise(given_facts).settings["layout"] == "objectness"
    given_facts["outputs"] = (
        TensorSpec("output0", "float32", (1, 6300, 40)),
    )  # a segmentation model
    assert YoloProcessor.recognise(given_facts) is None
    prototypes = TensorSpec("output1", "float32", (1, 32, 80, 80))
    given_facts["outputs"] += (prototypes,)
    found = YoloSegmentationProcessor.recognise(given_facts)
    assert (found.task, found.settings["layout"]) == ("instance-segmentation", "objectness")
    assert YoloOrientedProcessor.recognise(given_facts) is None


PROTOTYPES = TensorSpec("output1", "float32", (1, 32, 80, 80))
POINTS = {"kpt_shape": "[5, 3]", "kpt_names": "{0: ['a', 'b', 'c', \"d's\", 'e']}"}


@pytest.mark.parametrize(
    ("processor", "task", "name", "extras", "metadata"),
    [
        (YoloProcessor, "detect", "object-detection", 0, {}),
        (YoloSegmentationProcessor, "segment", "instance-segmentation", 32, {}),
        (YoloKeypointsProcessor, "pose", "keypoint-detection", 15, POINTS),
        (YoloOrientedProcessor, "obb", "oriented-object-detection", 1, {}),
    ],
)
@pytest.mark.parametrize("layout", ["boxes-scores", "end-to-end"])
def test_every_task_is_recognised_by_its_own_processor(
    processor, task, name, extras, metadata, layout
):
    shape = (1, 300, 6 + extras) if layout == "end-to-end" else (1, 7 + extras, 2100)
    end2end = str(layout == "end-to-end")
    given_facts = facts(shape, task=task, end2end=end2end, **metadata)
    if task == "segment":
        given_facts["outputs"] += (PROTOTYPES,)
    found = processor.recognise(given_facts)
    assert (found.task, found.labels) == (name, ("circle", "square", "triangle"))
    assert found.settings["layout"] == layout
    if task == "pose":
        assert found.settings["keypoints"] == [5, 3]
        assert found.settings["keypoint_names"] == ["a", "b", "c", "d's", "e"]
    everyone = [
        YoloProcessor, YoloSegmentationProcessor, YoloKeypointsProcessor, YoloOrientedProcessor
    ]  # fmt: skip
    assert [one for one in everyone if one.recognise(given_facts)] == [processor]


@pytest.mark.parametrize(
    "named", [{"head": "RTDETRDecoder"}, {"description": "Ultralytics rtdetr-l model"}]
)
def test_a_transformer_is_left_to_others_even_where_its_shape_fits(named):
    assert YoloProcessor.recognise(facts((1, 300, 6), end2end="True", **named)) is None


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("kpt_shape", ""), ("kpt_shape", "[17, 4]"), ("kpt_shape", "[0, 3]"),
        ("kpt_shape", "17, 3"), ("kpt_names", "{0: ['a']}"), ("kpt_names", "['a']"),
        ("kpt_names", "{0: ['a', 'b', 'c', 'd', e]}"), ("kpt_names", "{0: " + "[" * 10_000),
    ],
)  # fmt: skip
def test_damaged_keypoints_are_an_error_that_names_them(key, text):
    metadata = {"task": "pose", **POINTS, key: text}
    with pytest.raises(InvalidModel, match=f"'{key}'"):
        YoloKeypointsProcessor.recognise(facts((1, 22, 2100), **metadata))


def test_keypoints_without_their_number_are_not_recognised():
    assert YoloKeypointsProcessor.recognise(facts((1, 22, 2100), task="pose")) is None


def test_an_ultralytics_classifier_is_recognised():
    found = ClassificationProcessor.recognise(facts((1, 3), task="classify", imgsz="[224, 224]"))
    assert (found.task, found.settings) == ("image-classification", {})
    dynamic = facts((None, 3), (None, 3, None, None), task="classify", imgsz="224")
    assert ClassificationProcessor.recognise(dynamic).settings == {"imgsz": [224, 224]}
    assert YoloProcessor.recognise(dynamic) is None


def test_a_yolov5_classifier_is_recognised_by_one_score_per_name(make, picture):
    given_facts = facts((None, 3), (None, 3, 224, 224))
    for absent in ("task", "imgsz"):
        del given_facts["metadata"][absent]
    found = ClassificationProcessor.recognise(given_facts)
    assert (found.task, found.labels) == ("image-classification", ("circle", "square", "triangle"))
    assert YoloProcessor.recognise(given_facts) is None
    processor = make(ClassificationProcessor, (1, 3), settings=found.settings, image=(1, 3, 60, 60))
    feeds, _ = processor.preprocess([picture], ClassificationOptions(color_format="rgb"))
    square = picture[:, 15:75].transpose(2, 0, 1) / 255
    mean, std = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    np.testing.assert_allclose(feeds["images"][0], (square - mean) / std, atol=1e-5)
    scores = given_facts["outputs"][0]
    for outputs in [(), (TensorSpec("x", "float32", (1, 4)),), (scores, scores)]:
        assert ClassificationProcessor.recognise({**given_facts, "outputs": outputs}) is None


@pytest.mark.parametrize("task", ["segment", "pose", "obb", "semantic", "", "Detect"])
def test_other_tasks_are_left_to_others(task):
    assert YoloProcessor.recognise(facts(task=task)) is None
    assert ClassificationProcessor.recognise(facts(task=task)) is None


@pytest.mark.parametrize("given_facts", [{}, {"metadata": {}}, {"metadata": {"producer": "x"}}])
def test_models_of_others_are_not_recognised(given_facts):
    assert YoloProcessor.recognise(given_facts) is None
    assert ClassificationProcessor.recognise(given_facts) is None


def test_a_detector_with_an_output_of_another_family_is_not_recognised():
    assert YoloProcessor.recognise(facts((1, 300, 7))) is None


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("{0: 'a'}", ("a",)),
        ("{1: 'b', 0: 'a'}", ("a", "b")),
        (
            """{0: "driver's", 1: 'say "x"', 2: 'back\\\\slash', 3: 'it\\'s'}""",
            ("driver's", 'say "x"', "back\\slash", "it's"),
        ),
        ("['person', 'car']", ("person", "car")),
        ("""["driver's", 'a]', 'b, c',]""", ("driver's", "a]", "b, c")),
        ("{0: 'a, b', 1: '{c: d}', 2: 'e: f',}", ("a, b", "{c: d}", "e: f")),
        ("{0: 'caf\u00e9', 1: '\\u732b'}", ("café", "猫")),
    ],
)
def test_names_are_read_as_python_writes_them(text, labels):
    assert labels_of({"names": text}) == labels


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=20))
def test_any_names_survive_the_way_through_text(names):
    assert labels_of({"names": repr(dict(enumerate(names)))}) == tuple(names)
    assert labels_of({"names": repr(names)}) == tuple(names)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "person", "['a', b]", "['a' 'b']", "[]", "['a'", "[['a']]",
        "{0: 'a'", "{0: 'a' 1: 'b'}", "{0: a}", "{'0': 'a'}",
        "{1: 'a'}", "{0: 'a', 2: 'b'}", "{0: 'a', 0: 'b'}", "{0: __import__('os').getcwd()}",
        "{0: 'a'}[0]", "{0: '\\x'}", "{0: 'a' 'b'}", "{" + "(" * 100_000 + "}",
        "{0: '" + "a" * 2_000_000 + "'}", "{0: ['a']}", "{0: 'a\\'}", "{-1: 'a'}",
    ],
)  # fmt: skip
def test_damaged_names_are_an_error_that_says_so(text):
    started = time.process_time()
    with pytest.raises(InvalidModel, match="'names'"):
        YoloProcessor.recognise(facts(names=text))
    assert time.process_time() - started < 5  # a scan, not a search that explodes


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}0123:,'\"\\ abc[]()-"))
def test_arbitrary_text_gives_labels_or_an_error(text):
    try:
        labels = labels_of({"names": text})
    except InvalidModel:
        return
    written = eval(text.strip())
    expected = written if isinstance(written, list) else [written[i] for i in sorted(written)]
    assert labels == tuple(expected)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("imgsz", "[320"),
        ("imgsz", "[1, 2, 3]"),
        ("imgsz", "[a, b]"),
        ("stride", "0"),
        ("stride", "x"),
    ],
)
def test_damaged_numbers_are_an_error_that_names_them(key, text):
    with pytest.raises(InvalidModel, match=f"'{key}'"):
        YoloProcessor.recognise(facts((None, 7, None), (None, 3, None, None), **{key: text}))


def test_a_stride_written_as_a_float_is_read():
    assert stride_of({"stride": "32.0"}) == 32
