"""Histograms: as many rows as series, bars where the numbers are, and no room for what isn't one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inference_core.errors import InvalidArgument
from inference_vision.histogram import (
    _COLOURS,
    HEAD,
    MARGIN,
    ROW,
    WIDTH,
    _ticks,
    draw_histograms,
)


def columns(picture, row):
    """The columns of the bars of a row."""
    band = picture[HEAD + row * ROW : HEAD + (row + 1) * ROW]
    return np.flatnonzero((band == _COLOURS[row]).all(axis=2).any(axis=0))


def test_each_series_has_a_row_on_one_axis():
    picture = draw_histograms({"a": [1.0] * 50, "b": [3.0] * 50}, "ms")
    assert picture.shape == (HEAD + 2 * ROW + MARGIN, WIDTH, 3)
    assert columns(picture, 0).max() < WIDTH / 3
    assert columns(picture, 1).min() > WIDTH * 2 / 3


def test_a_single_slow_run_does_not_press_the_others_together():
    values = [*np.linspace(1, 2, 500), 1000.0]
    bars = columns(draw_histograms({"a": values}, "ms"), 0)
    assert bars.min() < WIDTH * 0.15
    assert bars.max() > WIDTH * 0.85
    assert len(bars) > WIDTH / 2


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [1e-9, 1e9], list(range(1000))])
def test_any_numbers_can_be_drawn(values):
    assert len(columns(draw_histograms({"é": values}, "größer"), 0)) > 0


@given(low=st.floats(-1e6, 1e6), length=st.floats(1e-3, 1e6))
@example(low=5e-324, length=1.0)
def test_the_axis_has_a_few_round_numbers(low, length):
    ticks = _ticks(low, low + length)
    assert 2 <= len(ticks) <= 8
    assert all(low - 1e-9 * (abs(low) + length) <= tick <= low + length * 1.0001 for tick in ticks)


@pytest.mark.parametrize("series", [{}, {"a": []}, {"a": [1.0, float("nan")]}])
def test_nothing_to_draw_is_refused(series):
    with pytest.raises(InvalidArgument, match="finite numbers"):
        draw_histograms(series, "ms")
