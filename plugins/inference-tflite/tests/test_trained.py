"""MediaPipe's trained models, where they are: a known face on a known portrait, and all that they say.

What MediaPipe 1.2.2 finds on the portrait with the same files is written down here.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import skimage.data
from inference_core import AutoModel
from inference_core.cli import main
from inference_core.configuration import Configuration
from inference_core.environment import Environment
from inference_core.package import Request
from inference_core.readers import read_package, tflite_file
from inference_tflite import plugin
from inference_tflite.options import TfliteOptions
from PIL import Image

# Left, top, width and height in whole pixels, as MediaPipe rounds them down, and its score.
SHORT = "face_detection_short_range.tflite", (177, 82, 95, 95), 0.9217387
FULL = "face_detection_full_range_sparse.tflite", (173, 67, 103, 103), 0.9120576
# x and y of the six keypoints by the short-range model, in pixels.
KEYPOINTS = [
    (201.4954, 104.8983), (245.8457, 109.0970), (220.4294, 127.2616), (219.8200, 148.6128),
    (178.1892, 115.7190), (272.1951, 123.8660),
]  # fmt: skip
ONLY_MEDIAPIPE = "face_landmark_with_attention.tflite"


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """Red first."""
    return skimage.data.astronaut()


def found_in(folder, name):
    (path,) = folder.glob(f"**/{name}")
    return path


@pytest.mark.parametrize(("name", "place", "score"), [SHORT, FULL])
def test_the_face_is_where_mediapipe_finds_it(trained, portrait, name, place, score):
    with AutoModel.from_pretrained(found_in(trained, name), backend="tflite") as model:
        assert model.task == "keypoint-detection"
        (face,) = model(portrait, color_format="rgb")
    x, y, width, height = place
    np.testing.assert_allclose(face.xyxy, [x, y, x + width, y + height], atol=2)
    assert face.confidence == pytest.approx(score, abs=2e-3)
    assert face.label == "face"
    if name == SHORT[0]:
        assert face.confidence == pytest.approx(score, abs=1e-5)
        np.testing.assert_allclose(face.keypoints[:, :2], KEYPOINTS, atol=0.1)


# The portrait on a grey canvas of (width, height), or the part (left, top, right, bottom) of it; what
# MediaPipe finds there with the short-range model: box, score, and where the right eye is.
ELSEWHERE = [
    ((640, 512), (245, 81, 93, 93), 0.89235, (267.26, 106.16)),
    ((512, 701), (177, 167, 98, 98), 0.80130, (204.90, 192.46)),
    ((50, 0, 451, 333), (125, 75, 101, 101), 0.94800, (155.49, 100.22)),
    ((100, 30, 333, 431), (75, 42, 104, 104), 0.95129, (102.71, 72.40)),
]


@pytest.mark.parametrize(("where", "place", "score", "eye"), ELSEWHERE)
def test_the_face_is_where_mediapipe_finds_it_in_other_shapes(
    trained, portrait, where, place, score, eye
):
    if len(where) == 4:
        left, top, right, bottom = where
        picture = portrait[top:bottom, left:right]
    else:
        width, height = where
        picture = np.full((height, width, 3), 90, np.uint8)
        left, top = (width - 512) // 2, (height - 512) // 2
        picture[top : top + 512, left : left + 512] = portrait
    with AutoModel.from_pretrained(found_in(trained, SHORT[0]), backend="tflite") as model:
        (face,) = model(np.ascontiguousarray(picture), color_format="rgb")
    x, y, w, h = place
    np.testing.assert_allclose(face.xyxy, [x, y, x + w, y + h], atol=2)
    assert face.confidence == pytest.approx(score, abs=2e-3)
    np.testing.assert_allclose(face.keypoints[0, :2], eye, atol=0.3)


def test_predict_on_the_command_line_finds_and_draws_it(trained, portrait, tmp_path, capsys):
    Image.fromarray(portrait).save(tmp_path / "astronaut.png")
    model = str(found_in(trained, SHORT[0]))
    words = ["predict", model, str(tmp_path / "astronaut.png"), "--backend", "tflite", "--json"]
    assert main([*words, "--save", str(tmp_path / "drawn")]) == 0
    (answer,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    text = json.dumps(answer)
    assert "right_ear_tragion" in text
    assert '"label": "face"' in text
    (drawn,) = (tmp_path / "drawn").iterdir()
    assert (np.asarray(Image.open(drawn).convert("RGB")) != portrait).any()


def test_sessions_and_reader_tell_the_same_of_every_trained_model(trained, machine):
    names = sorted(trained.glob("**/*.tflite"))
    assert len(names) == 14
    for path in names:
        (artifact,) = read_package(path, Configuration(path)).artifacts
        verdict = judge(artifact, machine)
        if path.name == ONLY_MEDIAPIPE:
            assert "operators that only MediaPipe brings" in verdict.reasons[0].message
            continue
        assert verdict.status == "accept"
        session = plugin.load(artifact, machine, Request(options=TfliteOptions(threads=1)))
        assert session.inputs == artifact.facts["model"]["inputs"]
        assert session.outputs == artifact.facts["model"]["outputs"]
        feeds = {spec.name: np.zeros(spec.shape, np.float32) for spec in session.inputs}
        for spec, array in zip(session.outputs, session.run(feeds).values(), strict=True):
            assert array.shape == spec.shape
        session.close()


def judge(artifact, machine: Environment):
    return plugin.can_load(artifact, machine, Request())


def test_metadata_and_labels_of_a_trained_model_are_read(trained):
    facts = tflite_file.read(found_in(trained, "selfie_segmentation.tflite")).facts["model"]
    assert facts["metadata"]["name"] == "ImageSegmenter"
    assert facts["tflite.labels"] == ("selfie",)


def test_a_person_is_told_from_the_background_by_a_plain_processor(trained, portrait, tmp_path):
    """semantic-segmentation on a graph with its one channel last."""
    path = found_in(trained, "selfie_segmentation.tflite")
    (tmp_path / "selfie.tflite").write_bytes(path.read_bytes())
    settings = {"activation": "none", "resize": "stretch"}
    manifest = {
        "schema_version": 1,
        "name": "selfie",
        "task": "semantic-segmentation",
        "labels": ["background", "person"],
        "processor": {"name": "semantic-segmentation", "settings": settings},
        "artifacts": [{"format": "tflite", "parts": {"model": "selfie.tflite"}}],
    }
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    with AutoModel.from_pretrained(tmp_path, backend="tflite") as model:
        result = model(portrait, color_format="rgb")
    person = result.mask("person")
    assert person[130, 225]  # the nose
    assert person[400, 200]  # the suit
    assert not person[60, 60]  # the flag
    assert not person[40, 450]  # the shuttle
