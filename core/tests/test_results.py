"""Results: checked when they are made, easy to look at, and convertible."""

from __future__ import annotations

import json
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inference_core import Classification, Detections
from inference_core.errors import InferenceError
from inference_core.results import ClassScore, Detection


def detections(**changes):
    fields = {
        "xyxy": np.array([[10, 20, 30.5, 40], [0, 0, 5, 5], [50, 10, 90, 60]], np.float32),
        "confidence": np.array([0.93, 0.88, 0.8], np.float32),
        "class_id": np.array([0, 1, 2]),
        "labels": ("circle", "square", "triangle"),
        "image_size": (100, 80),
    }
    return Detections(**(fields | changes))


def classification(**changes):
    fields = {
        "class_id": np.array([4, 1]),
        "confidence": np.array([0.9, 0.1], np.float32),
        "labels": ("cat", "dog"),
        "image_size": (100, 80),
    }
    return Classification(**(fields | changes))


def test_results_print_as_a_person_would_write_them():
    assert repr(detections()) == "Detections(3: circle 0.93, square 0.88, triangle 0.80)"
    assert str(Detections.empty((5, 5))) == "Detections(0)"
    assert repr(classification()) == "Classification(2: cat 0.90, dog 0.10)"
    assert str(classification().top) == "cat 0.90"
    assert str(detections()[0]) == "circle 0.93 at (10, 20, 30, 40)"
    assert repr(detections()[[0] * 12]).endswith("circle 0.93, …)")


def test_iteration_and_indexing_give_single_objects():
    found = detections()
    assert len(found) == 3
    first, *_, last = found
    assert isinstance(first, Detection)
    assert first.xyxy == (10.0, 20.0, 30.5, 40.0)
    assert (first.label, first.class_id, round(first.confidence, 2)) == ("circle", 0, 0.93)
    assert found[-1].xyxy == last.xyxy == (50.0, 10.0, 90.0, 60.0)
    with pytest.raises(IndexError):
        found[3]


def test_slices_masks_and_indices_give_detections():
    found = detections()
    assert found[1:].labels == ("square", "triangle")
    assert found[found.confidence > 0.85].labels == ("circle", "square")
    assert found[[2, 0]].class_id.tolist() == [2, 0]
    assert len(found[[]]) == len(found[np.zeros(3, bool)]) == 0
    assert found[:0].xyxy.shape == (0, 4)


def test_masks_and_keypoints_follow_their_rows():
    masks = np.zeros((3, 80, 100), bool)
    masks[1, 0, 0] = True
    keypoints = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    found = detections(masks=masks, keypoints=keypoints)
    assert found[1:2].masks.shape == (1, 80, 100)
    assert found[1].mask[0, 0]
    assert found[2].keypoints.tolist() == [[12, 13, 14], [15, 16, 17]]
    assert detections()[0].mask is None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"xyxy": np.zeros((2, 4), np.float32)}, ValueError),
        ({"xyxy": np.zeros((3, 4))}, TypeError),
        ({"confidence": [0.1, 0.2, 0.3]}, TypeError),
        ({"confidence": np.zeros((3, 1), np.float32)}, ValueError),
        ({"class_id": np.zeros(3, np.int32)}, TypeError),
        ({"labels": ["a", "b", "c"]}, TypeError),
        ({"labels": ("a", "b", 3)}, TypeError),
        ({"masks": np.zeros((3, 100, 80), bool)}, ValueError),
        ({"keypoints": np.zeros((3, 2, 2), np.float32)}, ValueError),
    ],
)
def test_fields_that_do_not_fit_are_refused_by_name(change, error):
    with pytest.raises(error, match=next(iter(change)) if "labels" not in change else "labels"):
        detections(**change)


def test_a_classification_with_fields_that_do_not_fit_is_refused():
    with pytest.raises(ValueError, match="confidence"):
        classification(confidence=np.zeros(3, np.float32))
    with pytest.raises(TypeError, match="class_id"):
        classification(class_id=np.zeros(2, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_with_field_and_row(bad):
    confidence = np.array([0.9, bad, 0.1], np.float32)
    with pytest.raises(ValueError, match=r"Detections\.confidence holds NaN.* row 1"):
        detections(confidence=confidence)
    with pytest.raises(ValueError, match=r"Classification\.confidence holds NaN.* row 1"):
        classification(confidence=confidence[:2])
    xyxy = detections().xyxy.copy()
    xyxy[2, 3] = bad
    with pytest.raises(ValueError, match=r"Detections\.xyxy holds NaN.* row 2"):
        detections(xyxy=xyxy)
    with pytest.raises(ValueError, match=r"Detections\.keypoints holds NaN.* row 0"):
        detections(keypoints=np.full((3, 2, 3), bad, np.float32))


def test_results_are_frozen():
    with pytest.raises(FrozenInstanceError):
        detections().labels = ()
    with pytest.raises(FrozenInstanceError):
        classification().labels = ()


def test_json_holds_everything_and_short_numbers():
    data = json.loads(detections().to_json())
    assert data["image"] == {"width": 100, "height": 80}
    assert data["detections"][0] == {
        "label": "circle",
        "class_id": 0,
        "confidence": 0.93,
        "xyxy": [10.0, 20.0, 30.5, 40.0],
    }
    assert "\n" in detections().to_json(indent=2)
    assert "\n" not in detections().to_json()
    assert json.loads(classification().to_json())["classes"] == [
        {"label": "cat", "class_id": 4, "confidence": 0.9},
        {"label": "dog", "class_id": 1, "confidence": 0.1},
    ]


@given(arrays.arrays(np.float32, (1, 4), elements=st.floats(0, 9000, width=32)))
def test_coordinates_survive_json_bit_by_bit(xyxy):
    found = Detections(xyxy, np.ones(1, np.float32), np.zeros(1, np.int64), ("a",), (9, 9))
    data = json.loads(found.to_json())
    assert np.array_equal(np.array(data["detections"][0]["xyxy"], np.float32), xyxy[0])


@given(arrays.arrays(bool, (4, 3)))
def test_masks_survive_json_as_run_lengths(mask):
    found = detections(
        image_size=(3, 4),
        masks=np.stack([mask, ~mask, mask]),
        keypoints=np.ones((3, 1, 3), np.float32),
    )
    rows = found.to_dict()["detections"]
    for row, expected in zip(rows, found.masks, strict=True):
        counts = row["mask"]["counts"]
        values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        assert row["mask"]["size"] == [4, 3]
        assert np.array_equal(values.reshape((4, 3), order="F"), expected)
        assert row["keypoints"] == [[1.0, 1.0, 1.0]]


def test_top_is_the_first_class():
    assert classification().top == ClassScore(4, float(np.float32(0.9)), "cat")
    assert [score.label for score in classification()] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("module", "use", "command"),
    [
        ("supervision", lambda: detections().to_supervision(), "pip install supervision"),
        ("supervision", lambda: classification().to_supervision(), "pip install supervision"),
        ("inference_vision", lambda: detections().annotate("x.png"), "inference-vision"),
    ],
)
def test_a_missing_library_is_an_error_with_the_command_that_installs_it(
    module, use, command, monkeypatch
):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)

    class Hidden:
        """As if the library weren't installed."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == module:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Hidden, *sys.meta_path])
    with pytest.raises(InferenceError, match=command):
        use()


def test_annotate_draws_where_inference_vision_is_installed():
    pytest.importorskip("inference_vision")
    blank = np.zeros((80, 100, 3), np.uint8)
    drawn = detections().annotate(blank)
    assert drawn.shape == blank.shape
    assert drawn.any()
    assert not blank.any()


def test_a_classification_of_a_text_has_no_picture():
    text = classification(image_size=None)
    assert text.to_dict().keys() == {"classes"}
    assert json.loads(text.to_json()) == text.to_dict()


def test_attributes_follow_their_rows_into_json():
    count = len(detections())
    found = detections(
        attributes={
            "side": np.array(["left", "right", "left"][:count]),
            "depth": np.arange(count * 2, dtype=np.float32).reshape(count, 2) / 10,
            "seen": np.arange(count, dtype=np.int64) > 0,
            "track": np.arange(count, dtype=np.int64),
        }
    )
    assert found[1].attributes["side"] == "right"
    assert found[::-1].attributes["track"].tolist() == list(range(count))[::-1]
    row = json.loads(found.to_json())["detections"][1]
    assert row["attributes"] == {"side": "right", "depth": [0.2, 0.3], "seen": True, "track": 1}
    assert "attributes" not in detections().to_dict()["detections"][0]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        np.zeros(7, np.float32),
        np.array(["left"] * 7),
        np.zeros(3, np.float64),
        np.zeros(3, np.complex64),
        np.full(3, np.nan, np.float32),
        np.array([None] * 3),
    ],
)
def test_attributes_that_do_not_fit_are_refused_by_name(values):
    with pytest.raises((TypeError, ValueError), match=r"attributes\['side'\]"):
        detections(attributes={"side": values})
