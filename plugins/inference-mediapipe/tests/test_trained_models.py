"""MediaPipe's trained models: a known face and a drawn hand, and the same as by MediaPipe itself."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from inference_core import AutoModel
from inference_core.cli import main
from inference_core.errors import NoBackendFound
from inference_mediapipe import results
from inference_mediapipe.options import MediapipeOptions
from inference_vision.image import read_image

from .conftest import FINGERTIPS
from .models import pointing
from .tflite_writer import bundled

SHORT_RANGE = "face_detection_short_range.tflite"
# Of the portrait, in pixels, as a person sees them.
NOSE, RIGHT_EYE, LEFT_EYE, MOUTH = (220, 127), (201, 105), (246, 109), (220, 148)


def near(point, wanted, pixels):
    return np.hypot(*(np.asarray(point[:2]) - wanted)) <= pixels


def test_the_known_face_is_found(trained, saved, opened, portrait, by_hand):
    path = saved(trained(SHORT_RANGE))
    model = opened(path)
    result = model(portrait, color_format="rgb")
    assert model.task == "face-detection"
    assert result.xyxy.tolist() == [[177, 82, 177 + 95, 82 + 95]]
    assert result.confidence[0] == pytest.approx(0.9217, abs=1e-4)
    assert result.labels == ("face",)
    assert result.keypoint_names == (
        "right_eye", "left_eye", "nose_tip", "mouth_center", "right_ear_tragion", "left_ear_tragion",
    )  # fmt: skip
    named = dict(zip(result.keypoint_names, result.keypoints[0], strict=True))
    assert near(named["right_eye"], RIGHT_EYE, 5)
    assert near(named["left_eye"], LEFT_EYE, 5)
    assert near(named["nose_tip"], NOSE, 5)
    assert near(named["mouth_center"], MOUTH, 5)
    (theirs,) = by_hand("FaceDetector", path, portrait).detections
    assert result.confidence.tolist() == [theirs.categories[0].score]
    points = np.array([(p.x * 512, p.y * 512) for p in theirs.keypoints], np.float32)
    np.testing.assert_array_equal(result.keypoints[0, :, :2], points)


def test_a_manifest_may_call_it_face_detection(trained, saved, opened, portrait):
    model = opened(saved(trained(SHORT_RANGE), task="face-detection"))
    assert model.task == "face-detection"
    assert len(model(portrait, color_format="rgb")) == 1


def test_the_face_is_found_from_farther_away_too(trained, saved, opened, portrait):
    model = opened(saved(trained("face_detection_full_range_sparse.tflite")))
    result = model(portrait, color_format="rgb")
    assert result.labels == ("face",)
    assert near(result.keypoints[0, 2], NOSE, 10)


def test_no_face_is_found_where_there_is_none(trained, saved, opened):
    model = opened(saved(trained(SHORT_RANGE)))
    result = model(np.zeros((300, 400, 3), np.uint8))
    assert len(result) == 0
    assert result.keypoints.shape == (0, 6, 3)
    assert result.image_size == (400, 300)


def test_confidence_asks_for_more_than_the_model_does(trained, saved, opened, portrait):
    model = opened(saved(trained(SHORT_RANGE)))
    assert len(model(portrait, color_format="rgb", confidence=0.9)) == 1
    assert len(model(portrait, color_format="rgb", confidence=0.95)) == 0
    strict = opened(saved(trained(SHORT_RANGE)), min_detection_confidence=0.95)
    assert len(strict(portrait, color_format="rgb")) == 0


def test_the_command_line_finds_the_face_and_draws_it(
    trained, saved, portrait, tmp_path, capsys, monkeypatch
):
    import cv2

    path, picture = saved(trained(SHORT_RANGE)), tmp_path / "portrait.png"
    cv2.imwrite(str(picture), portrait[..., ::-1])
    drawn = tmp_path / "drawn"
    words = ["predict", str(path), str(picture), "--backend", "mediapipe", "--json"]
    assert main([*words, "--save", str(drawn)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    (found,) = json.loads(line)["result"]["detections"]
    assert found["xyxy"] == [177, 82, 272, 177]
    (saved_picture,) = drawn.iterdir()
    changed = (read_image(saved_picture).pixels != portrait[..., ::-1]).any(axis=2)
    rows, columns = np.nonzero(changed)
    # The box, and the label above it: nothing is drawn elsewhere.
    assert changed[82:177, 175:180].any()
    assert changed[175:180, 177:272].any()
    assert rows.min() > 82 - 40
    assert rows.max() < 177 + 6
    assert columns.min() > 177 - 6
    assert columns.max() < 272 + 40
    x, y = (round(float(value)) for value in found["keypoints"][2][:2])
    assert changed[y - 2 : y + 3, x - 2 : x + 3].any()


def test_a_face_has_a_mesh(bundles, opened, portrait, by_hand):
    """Point 1 is the tip of the nose, 13 the upper lip, 33 and 263 the outer corners of the eyes."""
    model = opened(bundles["face-landmarks"])
    result = model(portrait, color_format="rgb")
    assert model.task == "face-landmarks"
    assert result.keypoints.shape == (1, 478, 3)
    mesh = result.keypoints[0]
    assert near(mesh[1], NOSE, 8)
    assert near(mesh[13], MOUTH, 8)
    assert near(mesh[33], (RIGHT_EYE[0] - 11, RIGHT_EYE[1] + 1), 8)
    assert near(mesh[263], (LEFT_EYE[0] + 11, LEFT_EYE[1]), 8)
    # The tip of the nose is nearer to the camera than the corners of the eyes.
    depth = result.attributes["depth"][0]
    assert depth[1] < min(depth[33], depth[263])
    (theirs,) = by_hand("FaceLandmarker", bundles["face-landmarks"], portrait).face_landmarks
    points = np.array([(p.x * 512, p.y * 512) for p in theirs], np.float32)
    np.testing.assert_array_equal(mesh[:, :2], points)


def parts(result):
    """What a result has, with shapes of one object."""
    arrays = {"keypoints": result.keypoints, "masks": result.masks, **result.attributes}
    return {name: None if each is None else each.shape[1:] for name, each in arrays.items()}


@pytest.mark.parametrize(
    ("task", "options", "asked"),
    [
        ("face-landmarks", {}, set()),
        ("pose-landmarks", {}, set()),
        ("pose-landmarks", {"masks": True}, {"masks"}),
    ],
)
def test_a_result_has_what_was_asked_for_and_as_much_where_nothing_is_found(
    bundles, opened, portrait, task, options, asked
):
    model = opened(bundles[task], **options)
    one = model(portrait, color_format="rgb")
    none = model(np.zeros_like(portrait))
    assert (len(one), len(none)) == (1, 0)
    assert parts(one) == parts(none)
    optional = ("blendshapes", "transforms", "masks")
    assert {name for name in optional if parts(none).get(name) is not None} == asked


def test_what_was_asked_of_faces_is_there_where_no_face_is():
    """The wheel has no models of these: MediaPipe's empty answer, as it is."""
    native = SimpleNamespace(
        face_landmarks=[], face_blendshapes=[], facial_transformation_matrixes=[]
    )
    asked = MediapipeOptions(blendshapes=True, transforms=True)
    options = {"confidence": 0.0, "max_detections": 9}
    result = results.convert("face-landmarks", native, (64, 48), options, (), asked)
    assert result.attributes["blendshapes"].shape == (0, 52)
    assert result.attributes["transforms"].shape == (0, 4, 4)
    assert result.keypoints.shape == (0, 478, 3)


def test_a_hand_has_its_fingers_where_they_were_drawn(bundles, opened, drawn_hand, by_hand):
    model = opened(bundles["hand-landmarks"])
    result = model(drawn_hand, color_format="rgb")
    assert model.task == "hand-landmarks"
    assert result.labels == ("Left",)
    assert result.confidence[0] > 0.6
    named = dict(zip(result.keypoint_names, result.keypoints[0], strict=True))
    for finger, tip in zip(
        ("thumb", "index_finger", "middle_finger", "ring_finger", "pinky"), FINGERTIPS, strict=True
    ):
        assert near(named[f"{finger}_tip"], tip, 12), finger
    assert result.attributes["world"].shape == (1, 21, 3)
    theirs = by_hand("HandLandmarker", bundles["hand-landmarks"], drawn_hand)
    points = np.array([(p.x * 480, p.y * 480) for p in theirs.hand_landmarks[0]], np.float32)
    np.testing.assert_array_equal(result.keypoints[0, :, :2], points)
    assert theirs.handedness[0][0].score == result.confidence[0]


def test_two_hands_are_found_if_they_are_asked_for(bundles, opened, drawn_hand):
    """Which hand is which isn't asked here: of drawn ones the model isn't sure."""
    row = np.concatenate([drawn_hand, drawn_hand[:, ::-1]], axis=1)
    both = np.pad(row, ((100, 100), (100, 100), (0, 0)), mode="edge")
    result = opened(bundles["hand-landmarks"], max_objects=2)(both, color_format="rgb")
    left, right = sorted(each.xyxy for each in result)
    assert 100 < left[0] < left[2] < 580 < right[0] < right[2] < 1060
    assert (np.diff(result.confidence) <= 0).all()
    assert len(opened(bundles["hand-landmarks"])(both, color_format="rgb")) == 1


def test_a_pose_has_named_joints_and_a_mask(bundles, opened, portrait, by_hand):
    model = opened(bundles["pose-landmarks"], masks=True)
    result = model(portrait, color_format="rgb")
    assert model.task == "pose-landmarks"
    assert result.labels == ("person",)
    named = dict(zip(result.keypoint_names, result.keypoints[0], strict=True))
    assert near(named["nose"], NOSE, 8)
    assert near(named["right_eye"], RIGHT_EYE, 8)
    assert near(named["left_eye"], LEFT_EYE, 8)
    # The picture ends above the knees.
    assert named["nose"][2] > 0.9
    assert named["left_ankle"][2] < 0.1
    mask = result.masks[0]
    assert mask[127, 220]  # the nose
    assert mask[400, 200]  # the suit
    assert not mask[20, 490]  # the wall
    box = result.xyxy[0]
    assert 0 <= box[0] < box[2] <= 512
    assert 0 <= box[1] < box[3] <= 512
    theirs = by_hand("PoseLandmarker", bundles["pose-landmarks"], portrait).pose_landmarks[0]
    points = np.array([(p.x * 512, p.y * 512, p.visibility) for p in theirs], np.float32)
    np.testing.assert_array_equal(result.keypoints[0], points)


def test_a_gesture_is_told_from_the_trained_landmarks(bundles, saved, opened, drawn_hand):
    """The landmarks are by trained models; what the gesture is, by two graphs made in the test."""
    members = pointing(bundles["hand-landmarks"].read_bytes())
    model = opened(saved(bundled(members), name="gesture.task"))
    for image, label in ((drawn_hand, "Up"), (np.ascontiguousarray(drawn_hand[::-1]), "Down")):
        result = model(image, color_format="rgb")
        assert model.task == "gesture-recognition"
        assert result.labels == (label,)
        assert result.confidence[0] > 0.9
        assert result.keypoints.shape == (1, 21, 3)
    assert model(drawn_hand, color_format="rgb").attributes["handedness"].tolist() == ["Left"]
    mirrored = model(drawn_hand[:, ::-1], color_format="rgb")
    assert mirrored.attributes["handedness"].tolist() == ["Right"]
    assert mirrored.attributes["handedness_confidence"][0] > 0.6


@pytest.mark.parametrize("name", ["selfie_segmentation", "selfie_segmentation_landscape"])
def test_a_person_is_cut_out(trained, saved, opened, portrait, by_hand, name):
    path = saved(trained(f"{name}.tflite"))
    model = opened(path)
    result = model(portrait, color_format="rgb")
    assert model.task == "image-segmentation"
    assert result.labels == ("selfie", "background")
    person = result.mask("selfie")
    assert person[127, 220]
    assert person[400, 200]
    assert not person[20, 490]
    assert 0.4 < person.mean() < 0.65
    assert np.median(result.confidence) > 0.95
    theirs = by_hand("ImageSegmenter", path, portrait, output_category_mask=True)
    assert np.array_equal(theirs.category_mask.numpy_view().reshape(512, 512) == 0, person)


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("hand_landmark_full", "image-embedding"),
        ("face_detection_short_range", "image-embedding"),
        ("face_detection_short_range", "object-detection"),
        ("palm_detection_full", "image-segmentation"),
        ("palm_detection_full", "face-detection"),
        ("selfie_segmentation", "image-embedding"),
    ],
)
def test_a_task_that_a_trained_graph_is_not_for_is_refused(trained, saved, opened, name, stated):
    path = saved(trained(f"{name}.tflite"))
    with pytest.raises(NoBackendFound) as caught:
        opened(path, task=stated)
    assert f"the task is stated as {stated}, which takes " in str(caught.value.resolution)


def test_hands_are_cut_by_number(bundles, opened, drawn_hand):
    both = np.concatenate([drawn_hand, drawn_hand[:, ::-1]], axis=1)
    model = opened(bundles["hand-landmarks"], max_objects=2)
    two = model(both, color_format="rgb")
    one = model(both, color_format="rgb", max_detections=1)
    assert (len(two), len(one)) == (2, 1)
    assert one.confidence[0] == two.confidence.max()


def test_the_backend_is_the_first_choice_for_a_bundle(bundles):
    resolution = AutoModel.resolve(bundles["hand-landmarks"])
    assert resolution.chosen.backend == "mediapipe"
    assert resolution.chosen.verdict.device == "cpu"
