"""Through AutoModel: the bundled model finds what is on its sample pictures, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from inference_core import AutoModel, InvalidArgument, InvalidInput, ModelNotFound
from inference_vision.bundled import sample_paths, shapes
from inference_vision.image import read_image
from PIL import Image as Pillow

ONNX = {"backend": "onnx", "device": "cpu", "options": {"threads": 1}}


@pytest.fixture(scope="module")
def model():
    with AutoModel.from_pretrained("shapes", **ONNX) as loaded:
        yield loaded


def iou(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.clip(sides, 0, None).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


def test_every_object_of_every_sample_is_found_and_nothing_else(model):
    truth = json.loads((shapes("shapes") / "samples" / "truth.json").read_text(encoding="utf-8"))
    paths = sample_paths()
    assert {path.name for path in paths} == set(truth)
    for path in paths:
        found = model(path)
        objects = truth[path.name]
        assert len(found) == len(objects), path.name
        for item in objects:
            box = np.array(item["xyxy"], float)
            overlaps = [iou(box, np.array(d.xyxy)) for d in found if d.label == item["label"]]
            assert max(overlaps, default=0) >= 0.5, (path.name, item)


def test_every_form_of_a_picture_gives_the_same(model):
    path = sample_paths()[0]
    expected = model(path)
    image = read_image(path)
    forms = [str(path), path.read_bytes(), image, image.pixels, Pillow.open(path)]
    for form in forms:
        found = model(form)
        np.testing.assert_array_equal(found.xyxy, expected.xyxy)
        assert found.labels == expected.labels
    as_rgb = model(image.pixels[..., ::-1], color_format="rgb")
    np.testing.assert_array_equal(as_rgb.xyxy, expected.xyxy)


def test_a_batch_gives_what_single_pictures_give(model):
    paths = sample_paths()
    for path, together in zip(paths, model(paths), strict=True):
        alone = model(path)
        np.testing.assert_allclose(together.xyxy, alone.xyxy, atol=0.01)
        assert together.labels == alone.labels


def test_wrong_options_and_pictures_are_errors_that_help(model):
    path = sample_paths()[0]
    with pytest.raises(InvalidArgument, match="did you mean 'confidence'"):
        model(path, confidnce=0.5)
    with pytest.raises(InvalidArgument, match="did you mean 'circle'"):
        model(path, classes=["cirle"])
    with pytest.raises(InvalidInput, match="no such file"):
        model("missing.png")


def with_metadata(model: bytes, metadata: dict[str, str]) -> bytes:
    """An ONNX file with more metadata: protobuf lets fields be appended (14 is metadata_props)."""

    def field(number: int, content: bytes) -> bytes:
        assert len(content) < 128  # lengths of one byte
        return bytes([number << 3 | 2, len(content)]) + content

    entries = [field(1, key.encode()) + field(2, value.encode()) for key, value in metadata.items()]
    return model + b"".join(field(14, entry) for entry in entries)


def test_a_bare_file_with_ultralytics_metadata_needs_no_manifest(model, tmp_path):
    path = tmp_path / "export.onnx"
    metadata = {
        "task": "detect",
        "names": "{0: 'circle', 1: 'square', 2: 'triangle'}",
        "imgsz": "[320, 320]",
        "stride": "32",
    }
    path.write_bytes(with_metadata((shapes("shapes") / "shapes.onnx").read_bytes(), metadata))
    with AutoModel.from_pretrained(path, **ONNX) as bare:
        for sample in sample_paths():
            expected = model(sample)
            found = bare(sample)
            np.testing.assert_array_equal(found.xyxy, expected.xyxy)
            assert found.labels == expected.labels


def test_only_the_bundled_name_is_known():
    with pytest.raises(ModelNotFound, match="'shapes'"):
        shapes("shaeps")
