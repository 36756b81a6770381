"""Fitting pictures into the input and boxes back, for every size and from many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.session import TensorSpec
from inference_vision.image import Image, read_image
from inference_vision.picture_input import PictureInput
from inference_vision.settings import PICTURE_SETTINGS, Settings
from PIL import Image as Pillow


def picture_input(height, width, dtype="float32", **stated):
    """A `PictureInput` of a graph with that input, with the settings given."""
    spec = TensorSpec("images", dtype, (None, 3, height, width))
    package = ModelPackage("made", Path("made"), (), processor=ProcessorSpec("made", stated))
    return PictureInput(package, Settings(package, PICTURE_SETTINGS), [spec])


def plain_letterbox(pixels, height, width):
    """What Ultralytics documents, step by step, as float32 RGB planes."""
    ratio = min(height / pixels.shape[0], width / pixels.shape[1])
    inner = round(pixels.shape[1] * ratio), round(pixels.shape[0] * ratio)
    dw, dh = (width - inner[0]) / 2, (height - inner[1]) / 2
    resized = cv2.resize(pixels, inner, interpolation=cv2.INTER_LINEAR)
    padded = cv2.copyMakeBorder(
        resized, round(dh - 0.1), round(dh + 0.1), round(dw - 0.1), round(dw + 0.1),
        cv2.BORDER_CONSTANT, value=(114, 114, 114),
    )  # fmt: skip
    return padded[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255


@pytest.mark.parametrize("size", [(640, 480), (480, 641), (320, 320), (33, 77), (2000, 50), (7, 5)])
def test_the_tensor_is_the_documented_one(size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    tensor, _ = picture_input(256, 320)([Image(pixels, "bgr", "")])
    assert tensor.flags.c_contiguous
    np.testing.assert_allclose(tensor[0], plain_letterbox(pixels, 256, 320), atol=1e-6)


def test_channel_orders_give_the_same_tensor(picture):
    box = picture_input(64, 64)
    as_rgb, _ = box([Image(picture, "rgb", "")])
    as_bgr, _ = box([Image(np.ascontiguousarray(picture[..., ::-1]), "bgr", "")])
    np.testing.assert_array_equal(as_rgb, as_bgr)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 1e-3), ("uint8", 0)])
def test_other_dtypes_hold_the_same_picture(picture, dtype, tolerance):
    image = Image(picture, "rgb", "")
    exact, _ = picture_input(64, 96)([image])
    tensor, _ = picture_input(64, 96, dtype)([image])
    assert tensor.dtype == dtype
    scaled = tensor.astype(np.float32) / (255 if dtype == "uint8" else 1)
    np.testing.assert_allclose(scaled, exact, atol=tolerance + 1e-6)


def test_a_dtype_that_pixels_do_not_fit_is_refused():
    with pytest.raises(InvalidModel, match="int64"):
        picture_input(64, 64, "int64")


def test_a_thin_or_tiny_picture_is_drawn_where_the_placement_says():
    for size in [(1, 1), (8000, 200), (8000, 1), (1, 8000), (3, 2)]:
        pixels = np.full((size[1], size[0], 3), 255, np.uint8)
        tensor, (placement,) = picture_input(320, 320)([Image(pixels, "bgr", "")])
        white = (tensor[0, 0] == 1).nonzero()
        x1, y1 = placement.offset
        assert (white[1].min(), white[0].min()) == (x1, y1)
        assert (white[1].max() + 1, white[0].max() + 1) == (
            x1 + placement.inner[0],
            y1 + placement.inner[1],
        )


def test_eight_threads_do_not_mix_their_pictures():
    box = picture_input(96, 96)
    rng = np.random.default_rng(0)
    images = [
        Image(rng.integers(0, 256, (int(h), int(w), 3), np.uint8), "bgr", "")
        for h, w in rng.integers(20, 300, (8, 2))
    ]
    expected = [box([image])[0] for image in images]

    def work(index: int) -> list[np.ndarray]:
        return [box([images[index]])[0] for _ in range(60)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    for wanted, tensors in zip(expected, results, strict=True):
        assert all(np.array_equal(wanted, tensor) for tensor in tensors)


def test_a_tensor_is_not_overwritten_by_the_next(picture):
    box = picture_input(64, 64)
    first, _ = box([Image(picture, "rgb", "")])
    copy = first.copy()
    box([Image(255 - picture, "rgb", "")])
    np.testing.assert_array_equal(first, copy)


@pytest.mark.parametrize("size", [(640, 480), (300, 900), (224, 224), (260, 231), (100, 80)])
def test_the_centre_crop_is_close_to_the_usual_one(size):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
    pixels = np.asarray(Pillow.fromarray(coarse).resize(size, Pillow.Resampling.BICUBIC))
    ratio = 224 / min(size)
    resized = Pillow.fromarray(pixels).resize(
        tuple(int(side * ratio) for side in size), Pillow.Resampling.BILINEAR
    )
    left, top = ((side - 224) / 2 for side in resized.size)
    expected = np.asarray(resized)[round(top) : round(top) + 224, round(left) : round(left) + 224]
    crop = picture_input(224, 224, resize="crop", interpolation="auto")
    found = crop([read_image(pixels, "rgb")])[0][0].transpose(1, 2, 0) * 255
    assert np.abs(found - expected).mean() < 2


def test_the_centre_crop_takes_the_middle_of_any_shape():
    crop = picture_input(32, 48, resize="crop", interpolation="auto")
    for width, height in [(1, 1), (8000, 1), (1, 8000), (8000, 200), (5, 5), (48, 32)]:
        pixels = np.zeros((height, width, 3), np.uint8)
        x, y, half = width // 2, height // 2, min(width, height) // 4
        pixels[max(0, y - half - 1) : y + half + 1, max(0, x - half - 1) : x + half + 1] = 255
        tensor, _ = crop([Image(pixels, "bgr", "")])
        assert tensor.shape == (1, 3, 32, 48)
        assert tensor[0, 0, 15:17, 23:25].max() > 0.9
        if half > 4:
            assert tensor[0, 0, 0, 0] < 0.1


def test_mean_and_std_are_applied_per_channel(picture):
    crop = picture_input(60, 90, resize="crop", mean=[0.5, 0.4, 0.3], std=[0.2, 0.25, 0.5])
    found = crop([Image(picture, "rgb", "")])[0][0].transpose(1, 2, 0)
    expected = (picture / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.5]
    np.testing.assert_allclose(found, expected, atol=1e-5)
