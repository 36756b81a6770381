"""Detection transformers by the shapes and names of their outputs: forms, columns, recognition."""

from __future__ import annotations

import pytest
from inference_core.errors import InvalidModel
from inference_vision.detr import DetrProcessor
from inference_vision.detr_forms import COCO_IDS, form_of, label_columns

from .detr_outputs import outputs_of, spec

LABELS = ("a", "b", "c")


def test_the_ninety_one_columns_of_coco_are_its_eighty_classes():
    assert len(COCO_IDS) == 80
    assert label_columns(91, 80, "sigmoid", None)[:13] == (
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        13,
        14,
    )
    assert label_columns(92, 80, "softmax", None)[-1] == 90
    assert label_columns(92, 91, "softmax", None) == tuple(range(91))
    with pytest.raises(InvalidModel, match="5 classes"):
        label_columns(5, 3, "sigmoid", None)


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [spec("a", None)],
        [spec("a", (1, 3))],
        [spec("a", (1, 9, 4))],
        [spec("a", (1, 9, 4)), spec("b", (1, 9, 4)), spec("c", (1, 9, 4))],
        [spec("a", (1, 9, 7)), spec("b", (1, 9, 8))],
        [spec("a", (1, 9, 4)), spec("b", (1, 9, 7)), spec("c", (1, 9, 8))],
    ],
)
def test_outputs_of_no_form_are_no_form(outputs):
    assert form_of(outputs) is None


def facts(outputs, inputs=("images",), **metadata):
    return {
        "inputs": tuple(spec(name, (1, 3, 640, 640)) for name in inputs),
        "outputs": tuple(outputs),
        "metadata": metadata,
    }


ULTRALYTICS = {"task": "detect", "names": "{0: 'a', 1: 'b', 2: 'c'}", "stride": "32"}


def test_what_is_sure_is_recognised():
    recognise = DetrProcessor.recognise
    assert recognise(facts(outputs_of("rf-detr", columns=91))).task == "object-detection"
    masks = recognise(facts(outputs_of("rf-detr", columns=91, masks=True)))
    assert masks.task == "instance-segmentation"
    deployed = facts(outputs_of("deployed"), inputs=("images", "orig_target_sizes"))
    assert recognise(deployed).task == "object-detection"
    ultralytics = recognise(facts(outputs_of("joint"), **ULTRALYTICS))
    assert (ultralytics.labels, ultralytics.settings) == (LABELS, {})


@pytest.mark.parametrize("masks", [False, True])
def test_an_rf_detr_with_the_columns_of_coco_has_its_names(masks):
    outputs = outputs_of("rf-detr", columns=91, masks=masks)
    names = DetrProcessor.recognise(facts(outputs)).labels
    by_id = dict(zip(label_columns(91, len(names), "sigmoid", None), names, strict=True))
    assert (by_id[1], by_id[18], by_id[44], by_id[90]) == ("person", "dog", "bottle", "toothbrush")
    assert len(set(names)) == 80
    assert DetrProcessor.recognise(facts(outputs_of("rf-detr", columns=90))).labels == ()


@pytest.mark.parametrize(
    "given_facts",
    [
        {},
        facts(outputs_of("joint")),
        facts(outputs_of("deployed")),
        facts(outputs_of("transformers")),
        facts(outputs_of("joint", columns=5), **ULTRALYTICS),
        facts(outputs_of("joint"), **{**ULTRALYTICS, "end2end": "True"}),
        facts(outputs_of("joint"), **{**ULTRALYTICS, "task": "segment"}),
        facts(outputs_of("joint", columns=2), **{**ULTRALYTICS, "names": "{0: 'a', 1: 'b'}"}),
    ],
)
def test_what_could_be_something_else_is_left_alone(given_facts):
    assert DetrProcessor.recognise(given_facts) is None


def test_two_classes_of_ultralytics_are_told_from_end_to_end_by_the_description():
    metadata = {
        **ULTRALYTICS,
        "names": "{0: 'a', 1: 'b'}",
        "description": "Ultralytics RT-DETR-l model",
    }
    assert DetrProcessor.recognise(facts(outputs_of("joint", columns=2), **metadata)) is not None
