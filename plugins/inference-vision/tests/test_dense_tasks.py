"""Semantic segmentation, depth and embeddings: made-up outputs with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.depth import DepthOptions, DepthProcessor
from inference_vision.embedding import EmbeddingOptions, EmbeddingProcessor
from inference_vision.semantic_segmentation import (
    SegmentationOptions,
    SemanticSegmentationProcessor,
)

from .geometry import to_input

LABELS = ("sky", "road", "car")


def made(processor, *outputs, labels=(), dtype="float32", **settings_given):
    package = ModelPackage(
        "made", Path("made"), (), labels=labels, processor=ProcessorSpec("x", settings_given)
    )
    specs = [TensorSpec(f"out{i}", dtype, shape) for i, shape in enumerate(outputs)]
    graph = Graph((TensorSpec("images", "float32", (None, 3, 64, 64)),), tuple(specs))
    return processor(package, {"model": graph})


def result(processor, raw, size, options, output="out0"):
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    _, context = processor.preprocess([picture], options)
    (found,) = processor.postprocess({output: raw}, context, options)
    assert getattr(found, "image_size", size) == size
    return found


def one_hot(class_map: np.ndarray, strength=5.0) -> np.ndarray:
    return np.stack([(class_map == i) * strength for i in range(3)])[None].astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.integers(1, 5),
    seed=st.integers(0, 999),
    fit=st.sampled_from(["stretch", "letterbox", "fit"]),
    ids=st.booleans(),
)
def test_classes_come_back_to_the_pixels_they_were_seen_at(scale, seed, fit, ids):
    """A square picture of 8 x 8 cells, each `scale` pixels wide: no cell's class is ambiguous."""
    cells = np.random.default_rng(seed).integers(0, 3, (8, 8))
    expected = np.kron(cells, np.ones((scale, scale), int))
    dtype = "int64" if ids else "float32"
    shape = (1, 8, 8) if ids else (1, 3, 8, 8)
    processor = made(SemanticSegmentationProcessor, shape, labels=LABELS, dtype=dtype, resize=fit)
    raw = cells[None].astype(np.int64) if ids else one_hot(cells)
    found = result(processor, raw, (8 * scale, 8 * scale), SegmentationOptions())
    assert found.labels == LABELS
    centres = slice(scale // 2, None, scale)  # between centres, neighbours blend
    same = found.class_map == expected
    assert same.all() if ids else same[centres, centres].all()


sizes = st.tuples(st.integers(1, 300), st.integers(1, 300))
CANVAS, CELLS = (64, 64), 16


def cells_of(size, fit):
    """x and y of every pixel's centre, in cells of a grid of CELLS x CELLS over the input."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    points = to_input(np.stack([x, y], axis=2), size, CANVAS, fit) * CELLS / CANVAS[0]
    return points[..., 0], points[..., 1]


@settings(max_examples=60, deadline=None)
@given(
    size=sizes,
    fit=st.sampled_from(["stretch", "letterbox", "fit"]),
    corner=st.tuples(st.integers(2, 14), st.integers(2, 14)),
    classes=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    ids=st.booleans(),
)
def test_pixels_have_the_class_of_the_quarter_of_the_input_they_lie_in(
    size, fit, corner, classes, ids
):
    """Where four quarters meet is anywhere; beside their borders, neighbours blend."""
    cells = np.array(classes).reshape(2, 2)
    cells = cells.repeat([corner[1], CELLS - corner[1]], axis=0)
    cells = cells.repeat([corner[0], CELLS - corner[0]], axis=1)
    shape, dtype = ((1, CELLS, CELLS), "int64") if ids else ((1, 3, CELLS, CELLS), "float32")
    processor = made(SemanticSegmentationProcessor, shape, labels=LABELS, dtype=dtype, resize=fit)
    raw = cells[None].astype(np.int64) if ids else one_hot(cells)
    found = result(processor, raw, size, SegmentationOptions())
    x, y = cells_of(size, fit)
    wanted = np.array(classes)[2 * (y > corner[1]) + (x > corner[0])]
    sure = (abs(x - corner[0]) > 0.6) & (abs(y - corner[1]) > 0.6)
    assert found.class_map.shape == wanted.shape
    np.testing.assert_array_equal(found.class_map[sure], wanted[sure])


def test_letterboxed_padding_is_left_out():
    cells = np.zeros((8, 8), int)
    cells[2:6, :4], cells[2:6, 4:] = 1, 2  # a picture twice as wide as high, between padding
    processor = made(SemanticSegmentationProcessor, (1, 3, 8, 8), labels=LABELS, resize="letterbox")
    found = result(processor, one_hot(cells), (160, 80), SegmentationOptions())
    assert (found.class_map[10:70, :70] == 1).all()
    assert (found.class_map[10:70, 90:] == 2).all()


def test_the_confidence_is_the_softmax_of_the_class_that_won():
    raw = np.log([[0.1, 0.7, 0.2]]).reshape(1, 3, 1, 1) + np.zeros((1, 3, 4, 4))
    processor = made(SemanticSegmentationProcessor, (1, 3, 4, 4), labels=LABELS)
    options = SegmentationOptions(confidence_map=True)
    found = result(processor, raw, (30, 20), options)
    np.testing.assert_allclose(found.confidence, np.full((20, 30), 0.7), atol=1e-5)
    assert result(processor, raw, (30, 20), SegmentationOptions()).confidence is None
    plain = made(SemanticSegmentationProcessor, (1, 3, 4, 4), activation="none")
    np.testing.assert_allclose(
        result(plain, np.exp(raw), (30, 20), options).confidence, 0.7, atol=1e-5
    )


def test_one_channel_is_the_score_of_class_one():
    raw = np.full((1, 1, 4, 4), -1.0)
    raw[..., 2:] = 1
    processor = made(SemanticSegmentationProcessor, (1, 1, 4, 4), labels=("back", "object"))
    found = result(processor, raw, (40, 40), SegmentationOptions(confidence_map=True))
    assert (found.class_map[:, :20] == 0).all()
    assert (found.class_map[:, 20:] == 1).all()
    np.testing.assert_allclose(found.confidence[:, [0, 39]], 1 / (1 + np.exp(-1)), atol=1e-5)
    strict = result(processor, raw, (40, 40), SegmentationOptions(threshold=0.9))
    assert not strict.class_map.any()
    with pytest.raises(InvalidArgument, match="between 0 and 1"):
        SegmentationOptions(threshold=1)


def test_more_than_256_classes_keep_their_ids():
    raw = np.zeros((1, 300, 2, 2), np.float32)
    raw[0, 299] = 1
    processor = made(SemanticSegmentationProcessor, (1, 300, 2, 2))
    assert result(processor, raw, (5, 5), SegmentationOptions()).class_ids == (299,)
    ids = made(SemanticSegmentationProcessor, (1, 1, 2, 2), dtype="int32")
    found = result(ids, np.full((1, 1, 2, 2), 300, np.int32), (5, 5), SegmentationOptions())
    assert found.class_ids == (300,)


def test_a_segmentation_that_does_not_fit_is_refused():
    with pytest.raises(InvalidModel, match="scores 4 classes, and there are 3 labels"):
        made(SemanticSegmentationProcessor, (1, 4, 8, 8), labels=LABELS)
    with pytest.raises(InvalidModel, match="expected an output"):
        made(SemanticSegmentationProcessor, (1, 4), labels=LABELS)
    with pytest.raises(InvalidModel, match='"output": "out0"'):
        made(SemanticSegmentationProcessor, (1, 3, 8, 8), (1, 3, 4, 4), labels=LABELS)
    with pytest.raises(InvalidModel, match="stretch"):
        made(SemanticSegmentationProcessor, (1, 3, 8, 8), resize="crop")
    with pytest.raises(InvalidModel, match="region"):
        made(SemanticSegmentationProcessor, (1, 3, 8, 8), region=[0, 0, 50, 50])
    processor = made(SemanticSegmentationProcessor, None, labels=LABELS)
    for raw, words in [
        (np.full((1, 3, 4, 4), np.nan), "NaN"),
        (np.zeros((1, 4, 4, 4)), "4 classes"),
        (np.zeros((2, 3, 4, 4)), "1 pictures"),
        (np.zeros((1, 4, 4)), "float64"),
        (np.full((1, 4, 4), 3), "class id 3"),
        (np.full((1, 4, 4), -1), "class id -1"),
        (np.zeros((1, 3, 4, 4), int), "3 channels of integers"),
    ]:
        with pytest.raises(InvalidModel, match=words):
            result(processor, raw, (9, 9), SegmentationOptions())
    chosen = made(
        SemanticSegmentationProcessor, (1, 3, 8, 8), (1, 3, 4, 4), labels=LABELS, output="out1"
    )
    assert result(chosen, np.zeros((1, 3, 4, 4)), (9, 9), SegmentationOptions(), "out1")


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 1, 8, 8)])
def test_depth_comes_back_to_the_size_of_the_picture(shape):
    ramp = np.tile(np.arange(8, dtype=np.float32), (8, 1)).reshape(shape)
    found = result(made(DepthProcessor, shape), ramp, (80, 40), DepthOptions())
    expected = np.clip((np.arange(80) + 0.5) / 10 - 0.5, 0, 7)
    np.testing.assert_allclose(found.depth, np.tile(expected, (40, 1)), atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    size=sizes,
    fit=st.sampled_from(["stretch", "letterbox", "fit"]),
    slope=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)
def test_a_slope_of_depth_comes_back_to_where_it_was_seen(size, fit, slope):
    """Interpolation keeps a slope; before the first centre of a cell and after the last it is flat."""
    centres = np.arange(CELLS) + 0.5
    raw = slope[0] * centres + slope[1] * centres[:, None] + 50
    processor = made(DepthProcessor, (1, CELLS, CELLS), resize=fit)
    found = result(processor, raw[None].astype(np.float32), size, DepthOptions())
    x, y = (np.clip(each, centres[0], centres[-1]) for each in cells_of(size, fit))
    # OpenCV's warp counts in 1/32 of a cell along each axis.
    limit = (abs(slope[0]) + abs(slope[1])) / 32 + 1e-3
    np.testing.assert_allclose(found.depth, slope[0] * x + slope[1] * y + 50, atol=limit)


def test_depth_of_the_same_size_is_no_view_of_the_output():
    raw = np.zeros((1, 64, 64), np.float32)
    found = result(made(DepthProcessor, (1, 64, 64)), raw, (64, 64), DepthOptions())
    assert not np.shares_memory(found.depth, raw)


def test_a_depth_that_does_not_fit_is_refused():
    with pytest.raises(InvalidModel, match="expected an output"):
        made(DepthProcessor, (1, 3, 8, 8))
    processor = made(DepthProcessor, None)
    with pytest.raises(InvalidModel, match="infinite"):
        result(processor, np.full((1, 4, 4), np.inf), (9, 9), DepthOptions())
    with pytest.raises(InvalidModel, match="a map for each"):
        result(processor, np.zeros((1, 3, 4, 4)), (9, 9), DepthOptions())


def test_embeddings_have_length_one_unless_asked_otherwise():
    processor = made(EmbeddingProcessor, (None, 2))
    raw = np.array([[3, 4]], np.float32)
    found = result(processor, raw, (9, 9), EmbeddingOptions())
    np.testing.assert_allclose(found.vector, [0.6, 0.8], atol=1e-6)
    found = result(processor, raw, (9, 9), EmbeddingOptions(normalize=False))
    assert found.vector.tolist() == [3, 4]
    assert not result(processor, 0 * raw, (9, 9), EmbeddingOptions()).vector.any()


vectors = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 8)),
    elements=st.floats(-1000, 1000, width=32),
)


@settings(max_examples=100, deadline=None)
@given(
    tokens=vectors,
    pooling=st.sampled_from(["cls", "mean", None]),
    normalize=st.booleans(),
)
def test_each_picture_gets_its_own_pooled_vector(tokens, pooling, normalize):
    count = len(tokens)
    raw = tokens if pooling else tokens[:, 0]
    stated = {"pooling": pooling} if pooling else {}
    processor = made(EmbeddingProcessor, (None, *raw.shape[1:]), **stated)
    options = EmbeddingOptions(normalize=normalize)
    _, context = processor.preprocess([np.zeros((5, 7, 3), np.uint8)] * count, options)
    found = processor.postprocess({"out0": raw}, context, options)
    assert len(found) == count
    for each, rows in zip(found, tokens.astype(float), strict=True):
        wanted = rows.mean(axis=0) if pooling == "mean" else rows[0]
        length = np.sqrt((wanted**2).sum())
        if normalize and length > 1e-3:
            wanted = wanted / length
        elif normalize and length:
            continue  # rounding of the mean counts for too much
        np.testing.assert_allclose(each.vector, wanted, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(("pooling", "expected"), [("cls", [1, 2]), ("mean", [3, 4])])
def test_tokens_are_pooled_as_the_settings_say(pooling, expected):
    tokens = np.array([[[1, 2], [5, 6]]], np.float32)
    options = EmbeddingOptions(normalize=False)
    found = result(made(EmbeddingProcessor, (1, 2, 2), pooling=pooling), tokens, (9, 9), options)
    assert found.vector.tolist() == expected
    both = made(EmbeddingProcessor, (1, 2, 2), (1, 2), pooling=pooling)
    assert result(both, tokens, (9, 9), options).vector.tolist() == expected
    both = made(EmbeddingProcessor, (1, 2, 2), (1, 2))
    assert result(both, tokens[0, :1], (9, 9), options, "out1").vector.tolist() == [1, 2]
    for shape in [(1, 2, 1, 1), (1, 1, 1, 2)]:  # the latter as TensorFlow's feature vectors
        flat = made(EmbeddingProcessor, shape)
        raw = tokens[:, 0].reshape(shape)
        assert result(flat, raw, (9, 9), options).vector.tolist() == [1, 2]


def test_an_embedding_that_does_not_fit_is_refused():
    with pytest.raises(InvalidModel, match='"pooling": "cls"'):
        made(EmbeddingProcessor, (1, 7, 16))
    with pytest.raises(InvalidModel, match="expected an output"):
        made(EmbeddingProcessor, (1, 16), pooling="mean")
    with pytest.raises(InvalidModel, match='"output"'):
        made(EmbeddingProcessor, (1, 16), (1, 8))
    processor = made(EmbeddingProcessor, None)
    with pytest.raises(InvalidModel, match="NaN"):
        result(processor, np.full((1, 4), np.nan), (9, 9), EmbeddingOptions())
    with pytest.raises(InvalidModel, match="one vector"):
        result(processor, np.zeros((1, 4, 4)), (9, 9), EmbeddingOptions())
    with pytest.raises(InvalidArgument, match="'normalize'"):
        build_options(EmbeddingOptions, {"normalise": False}, "predict")
