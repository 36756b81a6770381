"""Each task with a model made in the test, whose right answer can be computed."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from inference_core import InferenceError, InvalidArgument, InvalidInput, InvalidModel, ModelClosed
from inference_core.errors import NoBackendFound
from inference_mediapipe import results
from inference_mediapipe.options import MediapipeOptions

from .models import counted_words, fixed_boxes, mean_colour, picture, strongest_colour, two_means

ORANGE = picture((255, 102, 51))
BOXES = np.array([[0.25, 0.5, 0.5, 1.0], [0.0, 0.0, 0.5, 0.25]])


def test_a_picture_is_classified(saved, opened, by_hand):
    path = saved(mean_colour())
    model = opened(path)
    result = model(ORANGE, color_format="rgb")
    assert model.task == "image-classification"
    assert result.labels == ("red", "green", "blue")
    assert result.image_size == (40, 24)
    np.testing.assert_allclose(result.confidence, [1, 0.4, 0.2], atol=1e-4)
    theirs = by_hand("ImageClassifier", path, ORANGE).classifications[0].categories
    assert [each.score for each in theirs] == result.confidence.tolist()
    assert [each.category_name for each in theirs] == list(result.labels)


def test_classes_are_cut_by_number_and_threshold(saved, opened):
    model = opened(saved(mean_colour()))
    assert model(ORANGE, color_format="rgb", top_k=1).labels == ("red",)
    assert model(ORANGE, color_format="rgb", threshold=0.3).labels == ("red", "green")
    assert model(ORANGE, color_format="rgb", threshold=0.3, top_k=1).labels == ("red",)
    assert len(model(ORANGE, color_format="rgb", threshold=1.5)) == 0


def test_a_picture_is_embedded(saved, opened, by_hand):
    path = saved(mean_colour(labels=()))
    result = opened(path, task="image-embedding")(ORANGE, color_format="rgb")
    np.testing.assert_allclose(result.vector, [1, 0.4, 0.2], atol=1e-4)
    assert by_hand("ImageEmbedder", path, ORANGE).embeddings[0].embedding.tolist() == list(
        result.vector
    )
    unit = opened(path, task="image-embedding", normalize=True)(ORANGE, color_format="rgb")
    assert np.linalg.norm(unit.vector) == pytest.approx(1, abs=1e-5)
    assert unit.similarity(result) == pytest.approx(1, abs=1e-5)


def test_the_pixels_of_a_picture_get_classes(saved, opened, by_hand):
    image = picture((255, 0, 0), 64, 64)
    image[:, 32:] = (0, 51, 255)
    path = saved(strongest_colour())
    result = opened(path)(image, color_format="rgb")
    assert result.labels == ("red", "green", "blue")
    assert (result.class_map[:, :24] == 0).all()
    assert (result.class_map[:, 40:] == 2).all()
    np.testing.assert_allclose(result.confidence[:, :24], 1, atol=1e-3)
    theirs = by_hand("ImageSegmenter", path, image, output_category_mask=True).category_mask
    assert np.array_equal(theirs.numpy_view().reshape(64, 64), result.class_map)


def test_classes_of_pixels_outlive_the_call(saved, opened):
    model = opened(saved(strongest_colour(), "image-segmentation"))
    kept = model(picture((200, 10, 10), 320, 240), color_format="rgb")
    for _ in range(20):
        model(picture((10, 10, 200), 320, 240), color_format="rgb")
    assert kept.class_map.flags.owndata
    assert set(kept.class_map.ravel()) == {0}


def test_objects_are_found(saved, opened, by_hand):
    path = saved(fixed_boxes(BOXES, np.array([2, 0]), np.array([0.9, 0.6])))
    model = opened(path)
    result = model(ORANGE, color_format="rgb")
    assert model.task == "object-detection"
    assert result.labels == ("blue", "red")
    assert result.class_id.tolist() == [2, 0]
    assert result.xyxy.tolist() == [[20, 6, 40, 12], [0, 0, 10, 12]]
    theirs = by_hand("ObjectDetector", path, ORANGE).detections
    assert [each.categories[0].score for each in theirs] == result.confidence.tolist()


def test_objects_are_cut_by_confidence_and_number(saved, opened):
    model = opened(saved(fixed_boxes(BOXES, np.array([2, 0]), np.array([0.9, 0.6]))))
    assert model(ORANGE, color_format="rgb", confidence=0.7).labels == ("blue",)
    assert model(ORANGE, color_format="rgb", max_detections=1).labels == ("blue",)
    dark = model(picture((51, 0, 0)), color_format="rgb")  # a fifth of the red, and of the scores
    assert len(dark) == 0


def test_a_text_is_classified(saved, opened, by_hand):
    path = saved(counted_words())
    model = opened(path)
    result = model("Good, good film!".lower())
    assert model.task == "text-classification"
    assert result.labels == ("good", "film", "bad")
    assert result.confidence.tolist() == [0.25, 0.125, 0]
    assert result.image_size is None
    theirs = by_hand("TextClassifier", path, "good, good film!").classifications[0].categories
    assert [each.score for each in theirs] == result.confidence.tolist()
    assert [each.top.label for each in model(["bad", "film"])] == ["bad", "film"]


def test_a_text_is_embedded(saved, opened):
    path = saved(counted_words(labels=()), task="text-embedding")
    result = opened(path)("good good film bad")
    assert result.vector.tolist() == [0.25, 0.125, 0.125]


def test_what_is_no_text_is_refused(saved, opened):
    model = opened(saved(counted_words()))
    with pytest.raises(InvalidInput, match="text-classification takes a text, not bytes"):
        model(b"good")


def test_every_way_to_give_a_picture_gives_the_same(saved, opened, tmp_path):
    import cv2
    from PIL import Image

    model = opened(saved(mean_colour()))
    cv2.imwrite(str(tmp_path / "orange.png"), ORANGE[..., ::-1])
    wanted = model(ORANGE, color_format="rgb").to_dict()
    for value in (tmp_path / "orange.png", Image.fromarray(ORANGE), ORANGE[..., ::-1]):
        assert model(value).to_dict() == wanted
    assert [each.to_dict() for each in model([Image.fromarray(ORANGE)] * 2)] == [wanted, wanted]


def test_a_manifest_says_the_task_of_a_file_that_does_not(saved, opened):
    with pytest.raises(NoBackendFound) as caught:
        opened(saved(mean_colour(labels=())))
    said = str(caught.value.resolution)
    assert "may be image-classification or image-embedding" in said
    assert '"task": "image-classification"' in said
    model = opened(saved(mean_colour(labels=()), task="image-embedding"))
    assert model.task == "image-embedding"


def test_an_option_of_another_task_is_refused(saved, opened):
    with pytest.raises(NoBackendFound) as caught:
        opened(saved(mean_colour()), blendshapes=True, max_objects=2)
    said = str(caught.value.resolution)
    assert "option: image-classification has no blendshapes, which is for face-landmarks" in said
    assert "leave max_objects out" in said


@pytest.mark.parametrize(
    "options",
    [{"min_presence_confidence": 1.5}, {"max_objects": 0}, {"task": "juggling"}, {"mode": "x"}],
)
def test_an_option_out_of_range_is_refused_by_name(saved, opened, options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        opened(saved(mean_colour()), **options)


def test_what_mediapipe_refuses_is_an_error_with_its_words(saved, opened):
    path = saved(mean_colour(described=False), task="image-classification")
    with pytest.raises(InvalidModel, match=r"ImageClassifier on cpu refuses it: .*Normalization"):
        opened(path)


def held() -> tuple[int, int]:
    """Open files and threads of this process."""
    files, threads = (len(list(Path("/proc/self", kind).iterdir())) for kind in ("fd", "task"))
    return files, threads


def assert_no_more_held(counts):
    """One thread may be about to end."""
    (files, threads), (files_then, threads_then) = counts[0], counts[-1]
    assert files_then <= files
    assert threads_then <= threads + 1


linux = pytest.mark.skipif(sys.platform != "linux", reason="counts what /proc lists")


@linux
def test_a_graph_that_never_answered_is_an_invalid_model_and_is_not_tried_again(saved, opened):
    """Two labels for three classes: that loads, and fails at the first picture."""
    bad = saved(mean_colour(labels=("one", "two")), name="bad.tflite")
    model = opened(bad)
    said, holding = set(), []
    for _ in range(30):
        with pytest.raises(InvalidModel) as caught:
            model(ORANGE)
        said.add(str(caught.value))
        holding.append(held())
    (message,) = said
    assert message.startswith("MediaPipe's ImageClassifier failed on bad.tflite: num_classes == ")
    assert message.endswith("(3 vs. 2). The file may not be for image-classification")
    assert_no_more_held(holding)
    model.close()
    gc.collect()
    assert len(opened(saved(mean_colour()))(ORANGE, color_format="rgb")) == 3


@linux
def test_a_graph_that_fails_now_and_then_is_made_anew_a_few_times(saved, opened):
    """It fails at one word. MediaPipe frees nothing of a graph that failed, so there is an end."""
    model = opened(saved(counted_words(missing=("worst",)), name="words.tflite"))
    holding = []
    for number in range(30):
        if number < 10:
            assert model("good").top.label == "good"
        with pytest.raises(
            InferenceError, match=r"TextClassifier failed on words.tflite: "
        ) as caught:
            model("worst")
        assert not isinstance(caught.value, InvalidModel)
        holding.append(held())
    assert_no_more_held(holding[10:])
    with pytest.raises(InferenceError, match=r"It failed 10 times, .* load the model anew"):
        model("good")


def test_what_has_several_outputs_has_no_single_answer(saved, opened):
    with pytest.raises(NoBackendFound) as caught:
        opened(saved(two_means()), task="image-embedding")
    assert "stated as image-embedding, which takes one output (1, N)" in str(
        caught.value.resolution
    )
    several = SimpleNamespace(embeddings=[SimpleNamespace(head_name=each) for each in "ab"])
    with pytest.raises(InferenceError, match=r"2 embeddings \(a, b\), not one"):
        results.convert("text-embedding", several, None, {}, (), MediapipeOptions())


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_cannot_be_given_to_native_code_is_refused(saved, opened, text):
    model = opened(saved(counted_words()))
    with pytest.raises(InvalidInput, match="NUL or half a surrogate pair"):
        model(text)
    assert model("good").top.label == "good"


def test_a_closed_model_answers_no_more(saved, opened):
    model = opened(saved(mean_colour()))
    model.close()
    with pytest.raises(ModelClosed):
        model(ORANGE)


def test_results_are_written_as_json(saved, opened):
    result = opened(saved(mean_colour()))(ORANGE, color_format="rgb", top_k=1)
    (row,) = json.loads(result.to_json())["classes"]
    assert row["label"] == "red"
    assert row["class_id"] == 0
    assert row["confidence"] == pytest.approx(1, abs=1e-4)
