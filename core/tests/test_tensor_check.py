"""Arrays are checked against what a graph declares, in the same words for every backend."""

from __future__ import annotations

import numpy as np
import pytest
from inference_core import InvalidInput, TensorSpec
from inference_core.tensor_check import checker

check = checker((TensorSpec("x", "float32", (None, 3)), TensorSpec("ids", "int64", (2,))))


def feeds(**changes):
    good = {"x": np.zeros((5, 3), np.float32), "ids": np.zeros(2, np.int64)}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def test_what_fits_passes():
    check(feeds())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": None}, "missing 'ids'. The graph takes x: float32"),
        ({"idz": np.zeros(2)}, "unknown 'idz'; did you mean 'ids'"),
        ({"x": None, "X": np.zeros((5, 3), np.float32)}, "missing 'x'; unknown 'X'"),
        ({"x": [[1, 2, 3]]}, "input 'x' is a list; it takes a numpy array"),
        ({"x": 1.0}, "input 'x' is a float"),
        ({"x": np.zeros((5, 3))}, "input 'x' has dtype float64, the graph takes float32"),
        (
            {"x": np.zeros((5, 4), np.float32)},
            r"shape \(5, 4\), the graph takes x: float32\(\?, 3\)",
        ),
        ({"x": np.zeros(3, np.float32)}, r"shape \(3,\)"),
        ({"ids": np.zeros(3, np.int64)}, r"input 'ids' has shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(InvalidInput, match=message):
        check(feeds(**changes))


@pytest.mark.parametrize("value", [None, [], np.zeros(3), "x"])
def test_what_is_no_mapping_is_refused(value):
    with pytest.raises(InvalidInput, match="feeds are arrays by input name"):
        check(value)


def test_an_unknown_rank_takes_any():
    loose = checker((TensorSpec("x", "float32", None),))
    loose({"x": np.zeros((), np.float32)})
    loose({"x": np.zeros((1, 2, 3), np.float32)})


def test_dtypes_that_numpy_lacks_have_their_stand_ins():
    checker((TensorSpec("x", "bfloat16", (2,)),))({"x": np.zeros(2, np.float32)})
    text = checker((TensorSpec("t", "str", (1,)),))
    text({"t": np.array(["a"], object)})
    text({"t": np.array(["a"])})
    with pytest.raises(InvalidInput, match="the graph takes str"):
        text({"t": np.zeros(1)})
    checker((TensorSpec("x", "float8_e4m3fn", (1,)),))({"x": np.zeros(1, np.uint8)})


def test_subclasses_of_arrays_pass():
    check(feeds(x=np.zeros((5, 3), np.float32).view(np.ma.MaskedArray)))
