"""Real numbers for callers where the file stores integers: scales, zero points, rounding, limits."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inference_core import InferenceError, TensorSpec
from inference_tflite.quantisation import Quantisation

from .conftest import identity
from .models import Graph, Operator, Tensor, add, constant, tflite


@pytest.mark.parametrize(
    ("dtype", "scale", "zero"),
    [("uint8", 0.25, 128), ("int8", 0.5, -3), ("int16", 0.001, 0), ("int32", 2.0, 7)],
)
def test_quantised_tensors_are_given_and_returned_as_real_numbers(save, load, dtype, scale, zero):
    session = load(save(identity(dtype, scales=[scale], zeros=[zero])))
    assert session.inputs == (TensorSpec("x", "float32", (2, 3)),)
    assert session.outputs == (TensorSpec("y", "float32", (2, 3)),)
    limits = np.iinfo(dtype)
    array = np.array([[0, 3 * scale, -2 * scale], [1.3 * scale, 1e30, -1e30]], np.float32)
    expected = np.clip(np.rint(array.astype(float) / scale) + zero, limits.min, limits.max)
    result = session.run({"x": array})["y"]
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, (expected - zero) * scale, rtol=1e-6)


def test_each_slice_along_an_axis_has_its_own_scale(save, load):
    scales = [1.0, 0.5, 0.1]
    model = identity("int8", scales=scales, zeros=[0, 10, -10], axis=1)
    result = load(save(model), xnnpack=False).run({"x": np.full((2, 3), 3.3, np.float32)})["y"]
    np.testing.assert_allclose(result, [[3, 3.5, 3.3]] * 2, rtol=1e-6)


def quantised_layer() -> bytes:
    """y(uint8) = x(uint8) + 1, computed in real numbers between the two scales."""
    tensors = [
        Tensor("x", (1, 4), "uint8", scales=[0.5], zeros=[128]),
        Tensor("real", (1, 4)),
        constant("one", np.ones(1, np.float32)),
        Tensor("sum", (1, 4)),
        Tensor("y", (1, 4), "int8", scales=[0.25], zeros=[-128]),
    ]
    operators = [
        Operator("DEQUANTIZE", ["x"], ["real"]),
        add("real", "one", "sum"),
        Operator("QUANTIZE", ["sum"], ["y"]),
    ]
    return tflite(Graph(tensors, ["x"], ["y"], operators))


def test_litert_itself_means_the_same_real_numbers(save, load):
    session = load(save(quantised_layer()))
    array = np.array([[-1.0, 0.2, 3.5, 1000]], np.float32)
    # To the nearest half, at most 63.5; the sum from 0 to 63.75 in quarters.
    np.testing.assert_array_equal(session.run({"x": array})["y"], [[0, 1, 4.5, 63.75]])


def test_a_number_that_no_integer_is_near_is_an_error_with_the_name(save, load):
    session = load(save(quantised_layer()))
    with pytest.raises(InferenceError, match="input 'x' holds NaN"):
        session.run({"x": np.array([[0, np.nan, 0, 0]], np.float32)})


def details(dtype: str, scales, zeros, axis, shape):
    parameters = {"scales": np.float32(scales), "zero_points": np.int32(zeros)}
    parameters["quantized_dimension"] = axis
    return {"dtype": np.dtype(dtype), "shape": shape, "quantization_parameters": parameters}


def test_ties_are_rounded_as_by_litert_s_reference_kernel():
    """Pixels of 0 to 255 normalised to -1 to 1 lie halfway between the steps of 2 / 255."""
    pixels = ((np.arange(256, dtype=np.float32) - 127.5) / 127.5)[None]
    scale = np.float32(2 / 255)
    ties = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, 90]], np.float32)
    for real, step, zero, dtype in (
        (pixels, scale, -1, "int8"),
        (pixels, scale, 127, "uint8"),
        (ties, 1, -3, "int8"),
        (ties, 1, 0, "int16"),
    ):
        ends = [
            Tensor("x", real.shape),
            Tensor("y", real.shape, dtype, scales=[step], zeros=[zero]),
        ]
        model = tflite(Graph(ends, ["x"], ["y"], [Operator("QUANTIZE", ["x"], ["y"])]))
        reference = Interpreter(
            model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
        )
        reference.allocate_tensors()
        reference.set_tensor(0, real)
        reference.invoke()
        one = Quantisation.of("x", details(dtype, [step], [zero], 0, real.shape))
        np.testing.assert_array_equal(one.stored(real), reference.get_tensor(1))


@pytest.mark.parametrize(
    ("axis", "scales", "zeros", "stored"),
    [
        (0, [1, 0.5], [0, 10], [[3, 3, 3], [16, 16, 16]]),
        (1, [1, 0.5, 0.1], [0, 10, -10], [[3, 16, 20], [3, 16, 20]]),
        (1, [1, 0.5, 0.1], [5], [[8, 11, 35], [8, 11, 35]]),
    ],
)
def test_each_slice_is_stored_by_its_own_scale_and_zero_point(axis, scales, zeros, stored):
    one = Quantisation.of("x", details("int8", scales, zeros, axis, (2, 3)))
    integers = one.stored(np.full((2, 3), 3, np.float32))
    assert integers.dtype == np.int8
    assert integers.tolist() == stored
    np.testing.assert_allclose(one.real(integers), np.full((2, 3), 3), rtol=1e-6)


@pytest.mark.parametrize(("dtype", "quantised"), [("int32", True), ("int64", False)])
def test_integers_of_64_bits_are_what_they_are(dtype, quantised):
    one = Quantisation.of("x", details(dtype, [0.5], [0], 0, (2, 3)))
    assert (one is not None) is quantised


@settings(max_examples=200, deadline=None)
@given(
    dtype=st.sampled_from(["int8", "uint8", "int16"]),
    scale=st.floats(2**-20, 2**14, width=32),
    zero=st.integers(-100, 200),
    stored=hnp.arrays(np.int64, (2, 3), elements=st.integers(-(2**15), 2**15 - 1)),
)
def test_what_an_integer_stands_for_is_stored_as_that_integer(dtype, scale, zero, stored):
    limits = np.iinfo(dtype)
    integers = np.clip(stored, limits.min, limits.max).astype(dtype)
    one = Quantisation.of("x", details(dtype, [scale], [zero], 0, (2, 3)))
    np.testing.assert_array_equal(one.stored(one.real(integers)), integers)


@pytest.mark.parametrize(
    ("scales", "zeros", "axis", "message"),
    [
        ([0.0], [0], 0, "isn't above 0"),
        ([np.nan], [0], 0, "isn't above 0"),
        ([1, 2], [0, 0], 1, "2 scales and 2 zero points along axis 1"),
        ([1, 2, 3], [0, 0], 1, "3 scales and 2 zero points"),
        ([1, 2, 3], [0, 0, 0], 7, "along axis 7"),
    ],
)
def test_a_quantisation_that_makes_no_sense_is_named(scales, zeros, axis, message):
    with pytest.raises(InferenceError, match=message):
        Quantisation.of("x", details("int8", scales, zeros, axis, (2, 3)))
