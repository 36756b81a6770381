"""Each task with a model made in the test, whose right answer can be computed."""

from __future__ import annotations

import gc
import json

import numpy as np
import pytest
from inference_core import InferenceError, InvalidArgument, InvalidInput, InvalidModel, ModelClosed
from inference_core.errors import NoBackendFound

from .models import counted_words, fixed_boxes, mean_colour, picture, strongest_colour

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
    path = saved(mean_colour())
    with pytest.raises(InvalidArgument, match="image-classification has no blendshapes"):
        opened(path, blendshapes=True)


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


def test_a_graph_that_fails_says_so_each_time_and_the_next_model_works(saved, opened, tmp_path):
    """A classifier that is said to be a segmenter loads, and fails at the first picture."""
    model = opened(saved(mean_colour(), name="bad.tflite"), task="image-segmentation")
    for _ in range(2):
        with pytest.raises(InferenceError, match=r"ImageSegmenter failed on bad.tflite: "):
            model(ORANGE, color_format="rgb")
    model.close()
    del model
    gc.collect()  # MediaPipe's own object would hang here
    assert len(opened(saved(mean_colour()))(ORANGE, color_format="rgb")) == 3


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
