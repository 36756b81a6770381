"""From real encoded files to boxes: whatever a file holds, the box is right or the error is clear."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from inference_core import AutoModel, InvalidInput
from inference_vision.bundled import sample_paths, shapes
from inference_vision.yolo import YoloProcessor
from inference_vision.yolo_options import YoloOptions
from PIL import Image as Pillow

ONNX = {"backend": "onnx", "device": "cpu", "options": {"threads": 1}}
SCENE = sample_paths()[0]
MODES = {
    "PNG": "RGB RGBA P LA",
    "JPEG": "RGB CMYK",
    "TIFF": "RGB RGBA P CMYK LA",
    "WEBP": "RGB RGBA",
    "BMP": "RGB P",
    "GIF": "P",
}
ROTATED = 0x0112  # EXIF's number for the orientation
# What to do to an upright picture so that a file with that orientation shows it upright again.
TURNS = {
    1: None,
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_90,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_270,
}


@pytest.fixture(scope="module")
def model():
    with AutoModel.from_pretrained("shapes", **ONNX) as loaded:
        yield loaded


def check(result) -> None:
    """Every object of the scene was found, in pixels of the upright picture, and nothing else."""
    text = (shapes("shapes") / "samples" / "truth.json").read_text("utf-8")
    truth = json.loads(text)[SCENE.name]
    assert len(result) == len(truth)
    for item in truth:
        box = np.array(item["xyxy"], float)
        of_label = [found.xyxy for found in result if found.label == item["label"]]
        nearest = min(np.abs(np.array(found) - box).max() for found in of_label)
        assert nearest < 16, item


@pytest.mark.parametrize(("kind", "mode"), [(k, m) for k, ms in MODES.items() for m in ms.split()])
def test_every_mode_gives_the_right_boxes(model, tmp_path, kind, mode):
    path = tmp_path / f"scene.{kind.lower()}"
    Pillow.open(SCENE).convert(mode).save(path)
    check(model(path))


def test_grey_and_sixteen_bit_files_give_the_boxes_of_the_same_pixels(model, tmp_path):
    grey = np.asarray(Pillow.open(SCENE).convert("L"))
    expected = model(np.stack([grey] * 3, axis=2))
    assert len(expected) >= 4
    Pillow.fromarray(grey).save(tmp_path / "grey.png")
    Pillow.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Pillow.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.tiff")
    for name in ("grey.png", "deep.png", "deep.tiff"):
        found = model(tmp_path / name)
        np.testing.assert_array_equal(found.xyxy, expected.xyxy)
        assert found.labels == expected.labels


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("alpha", [False, True])
def test_sixteen_bits_of_colour_give_the_boxes_of_eight(model, tmp_path, kind, alpha):
    pixels = cv2.imread(str(SCENE))
    expected = model(pixels)
    check(expected)
    deep = pixels.astype(np.uint16) * 257
    if alpha:
        deep = np.dstack([deep, np.arange(deep[..., 0].size).reshape(deep.shape[:2]) % 65536])
    path = tmp_path / f"deep.{kind}"
    assert cv2.imwrite(str(path), deep.astype(np.uint16))
    np.testing.assert_array_equal(model(path).xyxy, expected.xyxy)


def test_arrays_of_every_form_give_the_boxes_of_their_pixels(model):
    pixels = cv2.imread(str(SCENE))
    height, width = pixels.shape[:2]
    alpha = np.random.default_rng(0).integers(0, 256, (height, width, 1), np.uint8)
    with_alpha, deep = np.dstack([pixels, alpha]), pixels.astype(np.uint16) * 257
    wide = np.zeros((height, 2 * width, 3), np.uint8)
    wide[:, ::2] = pixels
    expected = model(pixels)
    check(expected)
    for form in (with_alpha, deep, np.asfortranarray(pixels), wide[:, ::2]):
        np.testing.assert_array_equal(model(form).xyxy, expected.xyxy)
    for form in (pixels[..., ::-1], with_alpha[..., [2, 1, 0, 3]], deep[..., ::-1]):
        found = model(form, color_format="rgb")
        np.testing.assert_array_equal(found.xyxy, expected.xyxy)
        assert found.labels == expected.labels
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    expected = model(np.dstack([grey] * 3))
    assert len(expected) >= 4
    for form in (grey, grey[..., None], grey.astype(np.uint16) * 257):
        np.testing.assert_array_equal(model(form).xyxy, expected.xyxy)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I;16"]
)
def test_pil_images_of_every_mode_give_the_boxes_of_their_pixels(model, mode):
    picture = Pillow.open(SCENE).convert("L" if mode == "I;16" else mode)
    expected = model(np.asarray(picture.convert("RGB")), color_format="rgb")
    if mode == "I;16":
        picture = Pillow.fromarray(np.asarray(picture).astype(np.uint16) * 257)
        assert picture.mode == mode
    found = model(picture)
    np.testing.assert_array_equal(found.xyxy, expected.xyxy)
    assert found.labels == expected.labels
    if mode not in ("1", "L", "LA", "I;16"):
        check(found)


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_boxes_of_a_turned_file_are_those_of_the_upright_picture(
    model, tmp_path, kind, orientation
):
    picture = Pillow.open(SCENE).convert("RGB")
    exif = Pillow.Exif()
    exif[ROTATED] = orientation
    path = tmp_path / f"turned.{kind.lower()}"
    turn = TURNS[orientation]
    (picture if turn is None else picture.transpose(turn)).save(path, exif=exif)
    forms = [path, path.read_bytes()] if kind != "JPEG" else [path, Pillow.open(path)]
    for form in forms:
        result = model(form)
        assert result.image_size == picture.size
        check(result)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_means_nothing_turns_nothing(model, tmp_path, orientation):
    exif = Pillow.Exif()
    exif[ROTATED] = orientation
    for kind in ("jpeg", "png"):
        path = tmp_path / f"odd.{kind}"
        Pillow.open(SCENE).convert("RGB").save(path, exif=exif)
        check(model(path))


def test_one_pixel_is_a_picture_without_objects(model, tmp_path):
    for kind in ("png", "jpeg", "bmp", "webp", "gif", "tiff"):
        path = tmp_path / f"pixel.{kind}"
        Pillow.new("RGB", (1, 1), (200, 10, 10)).save(path)
        result = model(path)
        assert result.image_size == (1, 1)
        assert len(result) == 0


@pytest.mark.parametrize("size", [(20_000, 400), (20_000, 3), (400, 20_000)])
def test_a_box_around_what_a_very_long_picture_shows_comes_back_to_it(make, tmp_path, size):
    """A dark block is found in the tensor; the graph's box around it must mean the block."""
    pixels = np.full((size[1], size[0], 3), 255, np.uint8)
    long = int(size[1] > size[0])
    block = (slice(7_500, 12_500), slice(None)) if long else (slice(None), slice(7_500, 12_500))
    pixels[block] = 0
    path = tmp_path / "long.png"
    Pillow.fromarray(pixels).save(path)
    processor = make(YoloProcessor, (1, 7, 2100))
    feeds, context = processor.preprocess([path], YoloOptions())
    rows, columns = np.nonzero(feeds["images"][0, 0] < 0.1)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    raw = np.zeros((1, 7, 2100), np.float32)
    raw[0, :5, 9] = *(box[:2] + box[2:]) / 2, *(box[2:] - box[:2]), 0.9
    (result,) = processor.postprocess({"output0": raw}, context, YoloOptions())
    assert result.image_size == size
    expected = np.array([7_500, 0, 12_500, size[1]]) if not long else [0, 7_500, size[0], 12_500]
    # A pixel of the tensor is 62.5 of the picture.
    np.testing.assert_allclose(result.xyxy[0], expected, atol=62.5)


@pytest.mark.parametrize("size", [(20_000, 200), (4, 20_000)])
def test_nothing_is_found_outside_of_a_very_long_picture(model, tmp_path, size):
    path = tmp_path / "long.png"
    Pillow.new("RGB", size, (255, 255, 255)).save(path)
    result = model(path, confidence=0.01)
    assert result.image_size == size
    assert (result.xyxy >= 0).all()
    assert (result.xyxy <= [*size, *size]).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_a_truncated_file_is_an_error_with_its_path_and_never_a_box(model, tmp_path, kind):
    path = tmp_path / f"cut.{kind.lower()}"
    Pillow.open(SCENE).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InvalidInput, match=r"cut\."):
        model(path)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"%PDF-1.7\n", b"<svg/>", b"\0" * 4096])
def test_what_is_no_picture_is_an_error_with_its_path(model, tmp_path, content):
    path = tmp_path / "something.png"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"something\.png"):
        model(path)


def test_one_bad_file_in_a_batch_is_named(model, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InvalidInput, match=r"bad\.jpg"):
        model([SCENE, tmp_path / "bad.jpg"])
