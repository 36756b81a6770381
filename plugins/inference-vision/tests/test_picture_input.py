"""What reaches the graph: every setting of `PictureInput`, against plain statements of its meaning."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.session import TensorSpec
from inference_vision.image import Image
from inference_vision.letterbox import Placement
from inference_vision.picture_input import PictureInput
from inference_vision.settings import PICTURE_SETTINGS, Settings
from inference_vision.tensor_memory import KEPT, TensorMemory


def of_shape(*shape, dtype="float32", **stated):
    package = ModelPackage("made", Path("made"), (), processor=ProcessorSpec("made", stated))
    spec = TensorSpec("images", dtype, shape)
    return PictureInput(package, Settings(package, PICTURE_SETTINGS), [spec])


def drawn(picture_input, pixels, color_format="rgb"):
    tensor, placements = picture_input([Image(np.ascontiguousarray(pixels), color_format, "")])
    return tensor[0], placements[0]


@pytest.mark.parametrize("channel_order", ["rgb", "bgr"])
def test_planes_are_in_the_order_of_the_color_mode(picture, channel_order):
    pixels = picture if channel_order == "rgb" else picture[..., ::-1]
    for mode, wanted in [("rgb", picture), ("bgr", picture[..., ::-1])]:
        tensor, _ = drawn(of_shape(1, 3, 60, 90, color_mode=mode), pixels, channel_order)
        np.testing.assert_allclose(tensor.transpose(1, 2, 0), wanted / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["rgb", "bgr"])
def test_scale_mean_and_std_are_red_first_whatever_the_order_in_the_tensor(picture, mode):
    stated = {"scale": 128, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.5]}
    wanted = (picture / 128 - stated["mean"]) / stated["std"]
    padding = (np.array([10, 20, 30]) / 128 - stated["mean"]) / stated["std"]
    if mode == "bgr":
        wanted, padding = wanted[..., ::-1], padding[::-1]
    made = of_shape(1, 3, 64, 90, color_mode=mode, padding=[10, 20, 30], **stated)
    tensor, _ = drawn(made, picture[..., ::-1], "bgr")
    np.testing.assert_allclose(tensor[:, 2:62].transpose(1, 2, 0), wanted, atol=1e-5)
    np.testing.assert_allclose(tensor[:, 0, 0], padding, atol=1e-5)
    np.testing.assert_allclose(tensor[:, 63, 89], padding, atol=1e-5)


def test_a_grey_mode_makes_all_channels_the_luma(picture):
    luma = picture @ [0.299, 0.587, 0.114]
    tensor, _ = drawn(of_shape(1, 3, 60, 90, color_mode="gray"), picture)
    assert np.array_equal(tensor[0], tensor[1])
    assert np.array_equal(tensor[0], tensor[2])
    np.testing.assert_allclose(tensor[0] * 255, luma, atol=1)


def test_a_graph_with_one_channel_gets_grey(picture):
    luma = picture @ [0.299, 0.587, 0.114]
    tensor, _ = drawn(of_shape(1, 1, 60, 90), picture[..., ::-1], "bgr")
    assert tensor.shape == (1, 60, 90)
    np.testing.assert_allclose(tensor[0] * 255, luma, atol=1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_channels_may_come_last(picture, dtype):
    last, first = (
        drawn(of_shape(*shape, dtype=dtype, padding=7), picture)[0]
        for shape in [(1, 64, 96, 3), (1, 3, 64, 96)]
    )
    assert last.shape == (64, 96, 3)
    # Floats may differ in their last bit.
    np.testing.assert_allclose(last.transpose(2, 0, 1), first, rtol=1e-6)


def test_the_place_of_the_channels_is_a_setting_where_the_shape_is_open(picture):
    image = Image(picture, "rgb", "")
    assert of_shape(None, None, None, None, imgsz=64)([image])[0].shape == (1, 3, 64, 64)
    made = of_shape(None, None, None, None, imgsz=64, channels="last")
    assert made([image, image])[0].shape == (2, 64, 64, 3)
    with pytest.raises(InvalidModel, match="channels says 'last'"):
        of_shape(1, 3, 64, 64, channels="last")


def test_uint8_graphs_take_pixels_and_padding_as_they_are(picture):
    tensor, _ = drawn(of_shape(1, 3, 64, 90, dtype="uint8", padding=9), picture)
    assert np.array_equal(tensor[:, 2:62].transpose(1, 2, 0), picture)
    assert (tensor[:, :2] == 9).all()
    with pytest.raises(InvalidModel, match="uint8 pixels, to which 'scale', 'mean' and 'std'"):
        of_shape(1, 3, 64, 90, dtype="uint8", scale=255)
    stated, _ = drawn(of_shape(1, 3, 64, 90, dtype="uint8", padding=9, scale=1), picture)
    assert np.array_equal(stated, tensor)


def test_half_precision_is_computed_in_single(picture):
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    tensor, _ = drawn(of_shape(1, 3, 60, 90, dtype="float16", mean=mean, std=std), picture)
    exact = (picture.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)
    step = np.spacing(np.abs(exact).astype(np.float16)).astype(np.float32)
    assert (np.abs(tensor.transpose(1, 2, 0) - exact) <= 0.51 * step + 1e-6).all()


def test_an_unscaled_picture_is_cut_and_padded_around_its_middle(picture):
    tensor, placement = drawn(of_shape(1, 3, 40, 100, resize="unscaled", padding=0), picture)
    np.testing.assert_allclose(
        tensor[:, :, 5:95].transpose(1, 2, 0), picture[10:50] / 255, atol=1e-6
    )
    assert not tensor[:, :, :5].any()
    assert not tensor[:, :, 95:].any()
    box = placement.to_source(np.array([[5, 0, 95, 40]]))
    np.testing.assert_array_equal(box, [[0, 10, 90, 50]])


def test_a_fitted_picture_lies_in_the_left_top_corner(picture):
    tensor, placement = drawn(of_shape(1, 3, 90, 90, resize="fit", padding=0), picture)
    np.testing.assert_allclose(tensor[:, :60].transpose(1, 2, 0), picture / 255, atol=1e-6)
    assert not tensor[:, 60:].any()
    assert (placement.inner, placement.offset) == ((90, 60), (0, 0))


def test_letterbox_fractions_are_rounded_or_cut():
    # 101 x 60 in 64 x 64: 38.02 rows; 100 x 61: 39.04; 100 x 59: 37.76.
    assert Placement.of((100, 59), (64, 64), "letterbox").inner == (64, 38)
    assert Placement.of((100, 59), (64, 64), "letterbox", "down").inner == (64, 37)
    assert Placement.of((100, 59), (64, 64), "letterbox", "down").offset == (0, 13)


def test_a_region_is_all_that_the_graph_sees(picture):
    made = of_shape(1, 3, 30, 45, region=[10, 20, 60, 70], resize="stretch")
    tensor, placement = drawn(made, picture)
    np.testing.assert_allclose(tensor.transpose(1, 2, 0), picture[12:42, 9:54] / 255, atol=1e-6)
    assert placement.area == (9, 12, 54, 42)
    np.testing.assert_array_equal(
        placement.to_source(np.array([[0, 0, 45, 30], [-9, -9, 10, 10]])),
        [[9, 12, 54, 42], [9, 12, 19, 22]],
    )


def test_a_region_of_a_tiny_picture_keeps_a_pixel():
    tensor, placement = drawn(
        of_shape(1, 3, 8, 8, region=[99, 99, 100, 100]), np.full((1, 1, 3), 255, np.uint8)
    )
    assert placement.area == (0, 0, 1, 1)
    assert (tensor == 1).all()


def stretched(pixels):
    low, high = np.percentile(pixels, (2, 98))
    return ((np.clip(pixels, low, high) - low) / (high - low) * 255).astype(np.uint8)


def equalised(pixels):
    values = pixels.astype(np.float32) / 255
    histogram, edges = np.histogram(values, 256)
    shares = histogram.cumsum() / values.size
    found = np.interp(values, (edges[:-1] + edges[1:]) / 2, shares).astype(np.float32)
    return (found * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "plain"), [("stretching", stretched), ("histogram-equalisation", equalised)]
)
def test_contrast_by_value_is_what_the_formula_says(picture, name, plain):
    tensor, _ = drawn(of_shape(1, 3, 60, 90, dtype="uint8", contrast=name), picture)
    assert np.array_equal(tensor.transpose(1, 2, 0), plain(picture))
    assert not np.array_equal(plain(picture), picture)


def test_contrast_counts_the_whole_picture_and_comes_before_resizing(picture):
    made = of_shape(1, 3, 30, 30, dtype="uint8", contrast="stretching", resize="unscaled")
    tensor, _ = drawn(made, picture)
    assert np.array_equal(tensor.transpose(1, 2, 0), stretched(picture)[15:45, 30:60])


def test_contrast_of_a_grey_mode_is_that_of_the_grey_picture(picture):
    made = of_shape(1, 3, 60, 90, dtype="uint8", contrast="stretching", color_mode="gray")
    tensor, _ = drawn(made, picture)
    grey = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)] * 3)
    assert np.array_equal(tensor, stretched(grey))


def test_adaptive_equalisation_spreads_local_contrast_and_keeps_hues():
    x = np.tile(np.arange(128), (128, 1))
    dull = np.stack([100 + x // 8, 50 + x // 16, 25 + x // 32], axis=2).astype(np.uint8)
    made = of_shape(1, 3, 128, 128, dtype="uint8", contrast="adaptive-equalisation")
    found = drawn(made, dull)[0].transpose(1, 2, 0).astype(float)
    assert np.ptp(found[..., 0]) > 200
    # Each pixel is scaled as a whole; what is left is the rounding of the result.
    np.testing.assert_allclose(found, dull / dull[..., :1] * found[..., :1], atol=2)


@pytest.mark.parametrize(
    "contrast", ["stretching", "histogram-equalisation", "adaptive-equalisation"]
)
def test_contrast_of_one_pixel_or_one_colour_gives_finite_tensors(contrast):
    for size in [(1, 1), (3, 1), (64, 64), (2000, 1)]:
        flat = np.full((size[1], size[0], 3), 77, np.uint8)
        tensor, _ = drawn(of_shape(1, 3, 32, 32, contrast=contrast), flat)
        assert np.isfinite(tensor).all()


def test_points_outside_of_the_picture_stay_there_and_boxes_are_clipped():
    placement = Placement.of((100, 50), (200, 200), "letterbox")
    np.testing.assert_allclose(placement.points_to_source(np.array([-20.0, 40.0])), [-10, -5])
    np.testing.assert_allclose(
        placement.to_source(np.array([[-20, 40, 300, 60]])), [[0, 0, 100, 5]]
    )


def test_memory_is_used_again_once_nobody_holds_a_view_of_it():
    memory = TensorMemory()
    first = memory.empty((2, 3, 8, 8), np.dtype(np.float32))
    place = first.ctypes.data
    view = first[1, 0]
    del first
    gc.collect()
    second = memory.empty((2, 3, 8, 8), np.dtype(np.float32))
    assert second.ctypes.data != place
    view[:] = 5
    del view
    third = memory.empty((2, 3, 8, 8), np.dtype(np.float32))
    assert third.ctypes.data == place
    assert third.flags.c_contiguous
    assert third.flags.writeable


def test_memory_of_another_size_is_not_given_out():
    memory = TensorMemory()
    place = memory.empty((4, 4), np.dtype(np.float32)).ctypes.data
    larger = memory.empty((8, 8), np.dtype(np.float32))
    larger[:] = 1
    assert larger.shape == (8, 8)
    assert place


def test_no_more_memory_is_kept_than_a_few_tensors():
    memory = TensorMemory()
    held = [memory.empty((16,), np.dtype(np.float32)) for _ in range(3 * KEPT)]
    assert len({array.ctypes.data for array in held}) == 3 * KEPT
    places = {array.ctypes.data for array in held}
    held.clear()
    again = [memory.empty((16,), np.dtype(np.float32)) for _ in range(KEPT)]
    assert {array.ctypes.data for array in again} <= places


def test_threads_never_share_the_memory_of_a_tensor():
    made = of_shape(None, 3, 48, 48)
    rng = np.random.default_rng(0)
    images = [Image(rng.integers(0, 256, (40, 60, 3), np.uint8), "bgr", "") for _ in range(6)]
    expected = [made([image])[0].copy() for image in images]

    def work(index: int) -> bool:
        kept = [made([images[index]])[0] for _ in range(5)]
        return all(np.array_equal(tensor, expected[index]) for tensor in kept)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, list(range(6)) * 40))


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"resize": "squash"}, "one of letterbox, fit, stretch, crop, unscaled"),
        ({"padding": 256}, "0 to 255"),
        ({"padding": [1, 2]}, "0 to 255"),
        ({"color_mode": "hsv"}, "one of rgb, bgr, gray"),
        ({"scale": 0}, "above 0"),
        ({"scale": float("nan")}, "above 0"),
        ({"std": [1, 0, 1]}, "must not hold 0"),
        ({"mean": [0.5]}, "three numbers"),
        ({"contrast": "more"}, "one of stretching"),
        ({"region": [0, 0, 0, 100]}, "in percent"),
        ({"region": [0, 0, 640, 480]}, "in percent"),
        ({"rounding": "up"}, "one of nearest, down"),
        ({"channels": 3}, "one of first, last"),
    ],
)
def test_a_wrong_setting_is_an_error_that_says_what_it_must_be(stated, words):
    with pytest.raises(InvalidModel, match=words):
        of_shape(1, 3, 64, 64, **stated)
