"""The classification processor: tensors in, the right classes and probabilities out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_vision.class_scores import probabilities
from inference_vision.classification import ClassificationOptions, ClassificationProcessor

OPTIONS = ClassificationOptions()


@settings(max_examples=100, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 9)),
        elements=st.floats(-(2.0**100), 2.0**100, width=32),
    ),
    st.sampled_from(["softmax", None]),
)
def test_logits_of_any_size_become_a_distribution(raw, activation):
    found = probabilities(raw, activation)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=0.0101)


def test_a_distribution_is_left_alone_and_logits_are_not():
    distribution = np.array([[0.1, 0.7, 0.2]], np.float32)
    np.testing.assert_array_equal(probabilities(distribution, None), distribution)
    logits = np.log(distribution) + 3
    np.testing.assert_allclose(probabilities(logits, None), distribution, atol=1e-6)
    np.testing.assert_array_equal(probabilities(logits, "none"), logits)


def test_sigmoid_scores_each_class_alone():
    found = probabilities(np.array([[0, 1000, -1000, np.log(3)]], np.float32), "sigmoid")
    np.testing.assert_allclose(found, [[0.5, 1, 0, 0.75]], atol=1e-6)


def test_the_best_classes_come_first(make, picture):
    processor = make(ClassificationProcessor, (None, 3), image=(None, 3, 64, 64))
    feeds, context = processor.preprocess([picture, picture[:20]], OPTIONS)
    assert feeds["images"].shape == (2, 3, 64, 64)
    raw = np.array([[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]], np.float32)
    first, second = processor.postprocess({"output0": raw}, context, ClassificationOptions(top_k=2))
    assert (first.labels, first.class_id.tolist()) == (("b", "c"), [1, 2])
    assert (second.top.label, second.image_size) == ("a", (90, 20))
    assert len(processor.postprocess({"output0": raw}, context, OPTIONS)[0]) == 3


@settings(max_examples=200, deadline=None)
@given(
    # Eighths, so that some are equal; exactly, whatever is computed from them.
    logits=st.lists(
        st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=7, max_size=7),
        min_size=1,
        max_size=3,
    ),
    activation=st.sampled_from(["softmax", "sigmoid", "none"]),
    top_k=st.none() | st.integers(1, 9),
    threshold=st.none() | st.floats(0, 1),
)
def test_the_classes_that_are_given_are_those_that_the_definitions_say(
    make, logits, activation, top_k, threshold
):
    labels = tuple("abcdefg")
    processor = make(ClassificationProcessor, (None, 7), labels, {"activation": activation})
    options = ClassificationOptions(top_k=top_k, threshold=threshold)
    if activation == "none":
        logits = [[(score + 5) / 10 for score in row] for row in logits]
    outputs = {"output0": np.array(logits, np.float32)}
    results = processor.postprocess(outputs, [(9, 5)] * len(logits), options)
    assert len(results) == len(logits)
    for found, row in zip(results, logits, strict=True):
        wanted = {
            "softmax": [math.exp(score) / sum(map(math.exp, row)) for score in row],
            "sigmoid": [1 / (1 + math.exp(-score)) for score in row],
            "none": row,
        }[activation]
        assume(threshold is None or min(abs(score - threshold) for score in wanted) > 1e-6)
        ids = sorted(range(7), key=lambda i, row=row: (-row[i], i))
        ids = [i for i in ids if threshold is None or wanted[i] >= threshold]
        ids = ids[: top_k or (5 if threshold is None else 7)]
        assert found.class_id.tolist() == ids
        assert found.labels == tuple(labels[i] for i in ids)
        np.testing.assert_allclose(found.confidence, [wanted[i] for i in ids], atol=1e-6)


def test_of_several_labels_all_that_reach_the_threshold_are_given(make, picture):
    labels = tuple("abcdefg")
    processor = make(ClassificationProcessor, (1, 7), labels, {"activation": "sigmoid"})
    _, context = processor.preprocess([picture], OPTIONS)
    raw = np.array([[5, -5, 4, 3, 2, 1, 0.5]], np.float32)

    def found(**options):
        built = build_options(ClassificationOptions, options, "predict")
        return "".join(processor.postprocess({"output0": raw}, context, built)[0].labels)

    assert found() == "acdef"
    assert found(threshold=0.5) == "acdefg"
    assert found(threshold=0.5, top_k=2) == "ac"
    assert found(threshold=1 / (1 + np.exp(-2.5))) == "acd"
    assert found(threshold=1) == ""
    with pytest.raises(InvalidArgument, match="between 0 and 1"):
        found(threshold=2)


@pytest.mark.parametrize("resize", ["crop", "stretch", "letterbox"])
def test_settings_choose_the_preprocessing(make, picture, resize):
    settings_given = {
        "resize": resize,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.25, 1],
        "interpolation": "linear",
    }
    processor = make(ClassificationProcessor, (1, 3), settings=settings_given, image=(1, 3, 60, 90))
    feeds, _ = processor.preprocess([picture], ClassificationOptions(color_format="rgb"))
    expected = (picture.transpose(2, 0, 1) / 255 - 0.5) / np.array([0.5, 0.25, 1])[:, None, None]
    np.testing.assert_allclose(feeds["images"][0], expected, atol=1e-5)


def test_padding_is_normalised_too(make):
    white = np.full((10, 20, 3), 255, np.uint8)
    processor = make(
        ClassificationProcessor,
        (1, 3),
        settings={"resize": "letterbox", "mean": [1, 1, 1]},
        image=(1, 3, 20, 20),
    )
    feeds, _ = processor.preprocess([white], OPTIONS)
    np.testing.assert_allclose(feeds["images"][0, :, 0], 114 / 255 - 1, atol=1e-6)
    np.testing.assert_allclose(feeds["images"][0, :, 10], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings_given", "words"),
    [
        ({"activaton": "none"}, "did you mean 'activation'"),
        ({"mean": [1, 2]}, "three numbers"),
        ({"std": [1, 0, 1]}, "std"),
        ({"interpolation": "lanczos"}, "nearest"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(make, settings_given, words):
    with pytest.raises(InvalidModel, match=words):
        make(ClassificationProcessor, (1, 3), settings=settings_given)


def test_a_graph_of_another_kind_is_refused(make):
    for output in [(1, 4), (1, 7, 2100), (1, 3, 2, 1), (1, 1, 3, 1), (1, 1, 1, 4)]:
        with pytest.raises(InvalidModel, match="exactly one output"):
            make(ClassificationProcessor, output)
    with pytest.raises(InvalidModel, match="uint8"):
        make(ClassificationProcessor, (1, 3), settings={"mean": [1, 1, 1]}, dtype="uint8")


@pytest.mark.parametrize("shape", [(None, 1, 1, 3), (1, 3, 1, 1)])
def test_scores_may_have_two_axes_more(make, picture, shape):
    processor = make(ClassificationProcessor, shape)
    _, context = processor.preprocess([picture], OPTIONS)
    raw = np.reshape(np.float32([0.1, 0.7, 0.2]), (1, *shape[1:]))
    (found,) = processor.postprocess({"output0": raw}, context, OPTIONS)
    assert found.labels == ("b", "c", "a")
    with pytest.raises(InvalidModel, match="shape"):
        processor.postprocess({"output0": raw}, context * 3, OPTIONS)


def test_nan_scores_and_wrong_shapes_are_errors(make):
    processor = make(ClassificationProcessor, (None, 3))
    with pytest.raises(InvalidModel, match="NaN"):
        processor.postprocess({"output0": np.full((1, 3), np.nan)}, [(1, 1)], OPTIONS)
    with pytest.raises(InvalidModel, match="shape"):
        processor.postprocess({"output0": np.zeros((1, 4))}, [(1, 1)], OPTIONS)


@pytest.mark.parametrize("options", [{"top_k": 0}, {"topk": 3}])
def test_a_wrong_option_is_an_error(options):
    with pytest.raises(InvalidArgument, match="top_k"):
        build_options(ClassificationOptions, options, "predict")
