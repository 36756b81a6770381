"""From a rectangle drawn in a picture to the box that comes back, whatever the picture's size.

Nothing here knows where a picture is put in the input: the rectangle is looked for in the tensor, by
its values, and where it is seen there is what the made-up graph answers.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inference_vision.settings import FITS
from inference_vision.yolo import YoloProcessor
from inference_vision.yolo_options import YoloOptions

OPTIONS = YoloOptions(color_format="rgb")
CANVASES = [(640, 640), (640, 384), (320, 416)]  # width, height
# Each side from 1 to 8000, but not both of them large: that would only take long.
SIZES = st.one_of(
    st.tuples(st.integers(1, 8000), st.integers(1, 200)),
    st.tuples(st.integers(1, 200), st.integers(1, 8000)),
    st.tuples(st.integers(1, 1300), st.integers(1, 1300)),
)
SHARES = st.tuples(*[st.floats(0, 1)] * 4)
MIDDLE = (0.3, 0.4, 0.6, 0.7)


def scales(size, canvas, fit):
    """Source pixels per pixel of the input along each axis, before the rounding of sizes."""
    ratios = np.divide(size, canvas)
    return {
        "letterbox": np.full(2, ratios.max()),
        "fit": np.full(2, ratios.max()),
        "stretch": ratios,
        "crop": np.full(2, ratios.min()),
        "unscaled": np.ones(2),
    }[fit]


def placed(side, whole, scale, shares, ramp):
    """(start, stop) of the rectangle along one axis: real numbers, but the whole side where less
    than that wouldn't be seen well enough.

    What a crop cuts off is left alone: the edges lie in the middle of the side that is seen.
    """
    seen = min(side, whole * scale)
    cut = seen < side * 0.999
    room = ramp / 2 + (2 * scale + 1 if cut else 0)  # from the border to an edge
    least = ramp + 3 * max(scale, 1)  # between the edges, so that it is bright somewhere
    low, high = (side - seen) / 2 + room, (side + seen) / 2 - room
    if high - low < least:
        return 0.0, float(side)
    start = low + shares[0] * (high - low - least)
    return start, start + least + shares[1] * (high - start - least)


def along(side, start, stop, ramp):
    """The brightness of each pixel along one axis, 0 to 1: half at both edges, with a slope there.

    An edge at the border of the picture has none: the picture ends.
    """
    centres = np.arange(side) + 0.5
    up = np.ones(side) if start <= 0 else np.clip((centres - start) / ramp + 0.5, 0, 1)
    down = np.ones(side) if stop >= side else np.clip((stop - centres) / ramp + 0.5, 0, 1)
    return np.minimum(up, down)


def edges_in(profile):
    """Where it becomes bright, and dark again: at half, between the centres of two pixels."""
    padded = np.concatenate([[0], profile, [0]])

    def crossing(values):
        after = int(np.argmax(values > 0.5))
        before, behind = values[after - 1], values[after]
        # Of `profile` the pixel `after` is the one before, and its centre half a pixel behind it.
        return after - 1.5 + (0.5 - before) / (behind - before)

    first, last = crossing(padded), crossing(padded[::-1])
    return first, len(profile) - last


def round_trip(make, size, canvas, fit, rectangle, ramps, **stated):
    """The box (4,) that comes back for a red rectangle on black, with blue padding around it."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    columns, rows = (
        along(side, *edges, ramp) for side, edges, ramp in zip(size, rectangle, ramps, strict=True)
    )
    picture[..., 0] = np.rint(255 * np.outer(rows, columns))
    processor = make(
        YoloProcessor,
        (1, 7, 20),
        settings={"resize": fit, "padding": [0, 0, 255], **stated},
        image=(1, 3, canvas[1], canvas[0]),
    )
    feeds, context = processor.preprocess([picture], OPTIONS)
    red = feeds["images"][0, 0]
    rows, columns = (np.flatnonzero(red.max(axis=axis) > 0.5) for axis in (1, 0))
    x1, x2 = edges_in(red[rows[len(rows) // 2]])
    y1, y2 = edges_in(red[:, columns[len(columns) // 2]])
    answer = np.zeros((1, 7, 20), np.float32)
    answer[0, :, 3] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0, 0.9, 0
    (found,) = processor.postprocess({"output0": answer}, context, OPTIONS)
    assert found.labels == ("b",)
    assert found.image_size == size
    return found.xyxy[0]


def expected(size, canvas, fit, rectangle):
    """The rectangle, or what a crop leaves of it; and how much of that is not known to a pixel."""
    starts, stops, slack = [], [], []
    for side, whole, scale, (start, stop) in zip(
        size, canvas, scales(size, canvas, fit), rectangle, strict=True
    ):
        cut = max(0.0, side - whole * scale) / 2
        starts.append(max(start, cut))
        stops.append(min(stop, side - cut))
        # A crop begins and ends at whole pixels of the input.
        slack.append(scale if starts[-1] > start else 0.0)
    return np.array(starts + stops), np.array(slack * 2)


@pytest.mark.parametrize("fit", FITS)
@settings(max_examples=40, deadline=None)
@given(
    size=SIZES,
    canvas=st.sampled_from(CANVASES),
    across=SHARES,
    down=SHARES,
    interpolation=st.sampled_from(["linear", "auto", "cubic"]),
    rounding=st.sampled_from(["nearest", "down"]),
)
@example((1, 1), (640, 640), MIDDLE, MIDDLE, "linear", "nearest")
@example((8000, 200), (640, 640), MIDDLE, MIDDLE, "linear", "nearest")
@example((200, 8000), (640, 384), MIDDLE, MIDDLE, "linear", "nearest")
@example((641, 640), (640, 640), MIDDLE, MIDDLE, "linear", "nearest")
@example((1, 8000), (640, 640), MIDDLE, MIDDLE, "linear", "nearest")
@example((8000, 1), (640, 640), MIDDLE, MIDDLE, "linear", "down")
@example((20_000, 3), (640, 640), MIDDLE, MIDDLE, "linear", "down")
@example((20_000, 400), (640, 640), MIDDLE, MIDDLE, "linear", "nearest")
@example((8000, 1500), (320, 416), MIDDLE, MIDDLE, "linear", "nearest")
@example((3982, 103), (640, 640), MIDDLE, MIDDLE, "auto", "nearest")
def test_soft_edges_come_back_within_half_a_source_pixel(
    make, fit, size, canvas, across, down, interpolation, rounding
):
    """However much the picture is shrunk: on a slope wider than a pixel of the input, the place of
    the edge survives the sampling to a fraction of a pixel, so that nothing but a mistake in where
    the picture lies can move the box."""
    ramps = np.maximum(5, 3.5 * scales(size, canvas, fit))
    rectangle = [
        placed(*axis)
        for axis in zip(size, canvas, scales(size, canvas, fit), (across, down), ramps, strict=True)
    ]
    found = round_trip(
        make, size, canvas, fit, rectangle, ramps, interpolation=interpolation, rounding=rounding
    )
    wanted, slack = expected(size, canvas, fit, rectangle)
    assert (np.abs(found - wanted) <= 0.5 + slack).all(), (found, wanted)


@pytest.mark.parametrize("fit", FITS)
@settings(max_examples=40, deadline=None)
@given(size=SIZES, canvas=st.sampled_from(CANVASES), across=SHARES, down=SHARES)
@example((641, 640), (640, 640), MIDDLE, MIDDLE)
@example((8000, 200), (640, 640), MIDDLE, MIDDLE)
def test_hard_edges_come_back_within_half_a_pixel_of_what_the_graph_sees(
    make, fit, size, canvas, across, down
):
    """Half a source pixel, or half a pixel of the input where that is larger: bilinear sampling, as
    YOLO models are trained with, passes over source pixels, and no decoding brings them back."""
    limits = scales(size, canvas, fit)
    rectangle = []
    for side, whole, scale, shares in zip(size, canvas, limits, (across, down), strict=True):
        start, stop = placed(side, whole, scale, shares, 4 * scale)
        rectangle.append((float(round(start)), float(round(stop))))
    found = round_trip(make, size, canvas, fit, rectangle, (1e-6, 1e-6))
    wanted, slack = expected(size, canvas, fit, rectangle)
    half = np.maximum(0.5, 0.55 * np.tile(limits, 2))  # the scale of thin pictures is rounded
    assert (np.abs(found - wanted) <= half + slack).all(), (found, wanted)


@pytest.mark.parametrize("fit", FITS)
def test_edges_in_a_region_come_back_to_the_whole_picture(make, fit):
    region = [20, 10, 80, 70]  # percent: what the graph sees is (180, 50) to (720, 350)
    rectangle = [(350.25, 520.5), (110.5, 270.75)]
    found = round_trip(make, (900, 500), (640, 640), fit, rectangle, (20, 20), region=region)
    np.testing.assert_allclose(found, [350.25, 110.5, 520.5, 270.75], atol=0.5)
