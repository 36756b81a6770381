"""What a graph says per cell comes back to the pixels of the picture, wherever it lies in the input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_vision.letterbox import Placement
from inference_vision.upsampling import masks_to_source, to_source

from .geometry import placed


def interpolated(grid, source, canvas, fit):
    """The same, cell by cell from the definition."""

    def along(centres, cells):
        place = np.clip(centres * cells - 0.5, 0, cells - 1)
        low = np.minimum(np.floor(place).astype(int), max(cells - 2, 0))
        return low, np.minimum(low + 1, cells - 1), place - low

    pixels = [np.arange(side) + 0.5 for side in source]
    scale, offset = placed(source, canvas, fit)
    x, y = (
        (centres * factor + start) / side
        for centres, factor, start, side in zip(pixels, scale, offset, canvas, strict=True)
    )
    left, right, across = along(x, grid.shape[1])
    above, below, down = along(y, grid.shape[0])
    upper = grid[above][:, left] * (1 - across) + grid[above][:, right] * across
    lower = grid[below][:, left] * (1 - across) + grid[below][:, right] * across
    return upper * (1 - down[:, None]) + lower * down[:, None]


@settings(max_examples=150, deadline=None)
@given(
    source=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    canvas=st.tuples(st.integers(8, 64), st.integers(8, 64)),
    grid=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    fit=st.sampled_from(["stretch", "letterbox", "fit"]),
    seed=st.integers(0, 99),
)
def test_every_pixel_gets_the_value_at_its_centre(source, canvas, grid, fit, seed):
    values = np.random.default_rng(seed).random(grid)
    placement = Placement.of(source, canvas, fit)
    found = to_source(values, placement, canvas)
    assert (found.shape, found.dtype) == (source[::-1], np.float32)
    # OpenCV's warp counts in 1/32 of a cell along each axis.
    np.testing.assert_allclose(found, interpolated(values, source, canvas, fit), atol=0.07)


def test_a_stretched_picture_is_exact():
    values = np.random.default_rng(1).random((7, 5))
    placement = Placement.of((90, 60), (40, 40), "stretch")
    expected = interpolated(values, (90, 60), (40, 40), "stretch")
    np.testing.assert_allclose(to_source(values, placement, (40, 40)), expected, atol=1e-5)


def test_a_picture_wider_than_the_warp_can_write_has_no_seams():
    placement = Placement.of((40_000, 3), (64, 64), "letterbox")
    ramp = np.tile(np.arange(16, dtype=np.float32), (16, 1))
    found = to_source(ramp, placement, (64, 64))
    assert (np.diff(found[1]) >= 0).all()
    np.testing.assert_allclose(
        found[1], np.clip((np.arange(40_000) + 0.5) / 2500 - 0.5, 0, 15), atol=0.04
    )


@pytest.mark.parametrize("mask_format", ["bitmap", "rle", "polygons"])
def test_masks_are_where_the_logits_are_above_zero(mask_format):
    logits = np.full((2, 4, 4), -3.0)
    logits[0, :2], logits[1, :, 3] = 3, 3
    placement = Placement.of((8, 8), (16, 16), "stretch")
    masks = masks_to_source(logits, placement, (16, 16), mask_format)
    assert len(masks) == 2
    top, right = (mask if mask_format == "bitmap" else mask.to_bitmap() for mask in masks)
    assert top[:4].all()
    assert not top[4:].any()
    assert right[:, 6:].all()
    assert not right[:, :6].any()
