"""YOLO-World with an open vocabulary: what the call names is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.yolo_world import YoloWorldOptions, YoloWorldProcessor

from .geometry import to_input

COLOURS = ("red", "green", "blue")
VOCABULARY = ["[PAD]", "[UNK]", "photo", *COLOURS]
# The corner, in the input, of an object of each colour, 20 pixels on a side.
PLACES = np.array([[10, 10], [60, 20], [30, 60]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("package")
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


class Parts(dict):
    """A detector that scores each class by the cosine of its words with the colours that it knows."""

    def __init__(self) -> None:
        super().__init__(model=self.model, text=self.text)
        self.given = []

    def text(self, feeds):
        ids = feeds["input_ids"]
        counts = [(ids == VOCABULARY.index(colour)).sum(axis=1) for colour in COLOURS]
        return {"out": np.stack(counts, axis=1).astype(np.float32) * 7}

    def model(self, feeds):
        images, classes = feeds["images"], feeds["texts"]
        assert len(images) == len(classes)
        self.given.append(classes)
        raw = np.zeros((len(images), 4 + classes.shape[1], 40), np.float32)
        raw[:, :2, :3] = PLACES.T + 10
        raw[:, 2:4, :3] = 20
        seen = images[:, :, PLACES[:, 1] + 10, PLACES[:, 0] + 10]  # (batch, colour, object)
        raw[:, 4:, :3] = classes @ seen
        return {"output0": raw}


def made(folder, labels=(), classes=None, batch=None, **settings_given):
    package = ModelPackage(
        "made", folder, (), labels=labels, processor=ProcessorSpec("yolo-world", settings_given)
    )
    images = TensorSpec("images", "float32", (batch, 3, 96, 96))
    texts = TensorSpec("texts", "float32", (batch, classes, 3))
    rows = classes and classes + 4
    parts = {
        "model": Graph((images, texts), (TensorSpec("output0", "float32", (batch, rows, 40)),)),
        "text": Graph(
            (TensorSpec("input_ids", "int64", (None, 6)),),
            (TensorSpec("out", "float32", (None, 3)),),
        ),
    }
    return YoloWorldProcessor(package, parts)


def scene(scale=2):
    """RGB; an object of each colour, where the letterbox brings it to its place in the input."""
    pixels = np.zeros((96 * scale, 96 * scale, 3), np.uint8)
    for channel, (x, y) in enumerate(PLACES * scale):
        pixels[y : y + 20 * scale, x : x + 20 * scale, channel] = 255
    return pixels


def options(**given):
    return build_options(YoloWorldOptions, {"color_format": "rgb", **given}, "predict")


@pytest.mark.parametrize("classes", [None, 5])
@pytest.mark.parametrize("batch", [None, 1])
def test_what_the_call_names_is_found_where_it_is(folder, classes, batch):
    processor, parts = made(folder, classes=classes, batch=batch), Parts()
    asked = options(labels=("blue photo", "red"))
    for found in processor.run([scene(2), scene(2)], asked, parts):
        assert sorted(found.labels) == ["blue photo", "red"]
        order = np.argsort(found.class_id)
        expected = np.concatenate([PLACES[[2, 0]], PLACES[[2, 0]] + 20], axis=1) * 2
        np.testing.assert_allclose(found.xyxy[order], expected, atol=1e-3)
        np.testing.assert_allclose(found.confidence, 1, atol=1e-5)
    assert parts.given[0].shape == (batch or 2, classes or 2, 3)
    (found,) = processor.run([scene(1)], options(labels=("green",)), parts)
    assert found.labels == ("green",)
    np.testing.assert_allclose(found.xyxy, [[60, 20, 80, 40]], atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    size=st.tuples(st.integers(20, 300), st.integers(20, 300)),
    fit=st.sampled_from(["letterbox", "fit", "stretch"]),
    asked=st.lists(st.sampled_from(COLOURS), min_size=1, unique=True),
    confidence=st.floats(0.05, 0.95),
)
def test_objects_of_the_asked_kinds_come_back_where_they_lie(
    folder, seed, size, fit, asked, confidence
):
    """A detector that sees up to nine objects of any colour, each in its cell of a grid of 3 x 3,
    and is as sure of a class as its words name the object's colour."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(0, 10))
    place = np.stack(np.divmod(np.arange(count), 3), axis=1)
    low = (place + generator.uniform(0.05, 0.3, (count, 2))) * np.divide(size, 3)
    high = low + generator.uniform(0.2, 0.6, (count, 2)) * np.divide(size, 3)
    corners = to_input(np.stack([low, high], axis=1), size, (96, 96), fit)
    colours = generator.integers(0, 3, count)
    sureness = generator.permutation(np.linspace(0.1, 0.9, 9))[:count]
    assume(not count or abs(sureness - confidence).min() > 1e-6)

    def detector(feeds):
        classes = feeds["texts"]
        raw = np.zeros((1, 4 + classes.shape[1], 40), np.float32)
        raw[0, :2, :count] = corners.mean(axis=1).T
        raw[0, 2:4, :count] = (corners[:, 1] - corners[:, 0]).T
        raw[0, 4:, :count] = classes[0] @ (np.eye(3)[colours] * sureness[:, None]).T
        return {"output0": raw}

    parts = Parts()
    parts["model"] = detector
    (found,) = made(folder, resize=fit).run(
        [np.zeros((size[1], size[0], 3), np.uint8)],
        options(labels=tuple(asked), confidence=confidence),
        parts,
    )
    wanted = [COLOURS.index(colour) for colour in asked]
    order = [i for i in np.argsort(-sureness) if colours[i] in wanted and sureness[i] >= confidence]
    assert found.class_id.tolist() == [wanted.index(colours[i]) for i in order]
    assert found.labels == tuple(COLOURS[colours[i]] for i in order)
    np.testing.assert_allclose(found.confidence, sureness[order], atol=1e-5)
    expected = np.concatenate([low, high], axis=1)[order]
    np.testing.assert_allclose(found.xyxy, expected, atol=0.01)


def test_the_labels_of_the_model_are_what_it_finds_unless_the_call_names_others(folder):
    processor, parts = made(folder, labels=COLOURS), Parts()
    (found,) = processor.run([scene()], options(), parts)
    assert sorted(found.labels) == sorted(COLOURS)
    (found,) = processor.run([scene()], options(classes="red", confidence={"red": 0.1}), parts)
    assert found.labels == ("red",)
    (found,) = processor.run([scene()], options(labels=("blue",), prompt="photo {} red"), parts)
    assert found.labels == ("blue", "blue")  # half of what is said means either of two objects
    np.testing.assert_allclose(found.confidence, np.sqrt(0.5), atol=1e-5)


def test_a_call_that_names_nothing_or_too_much_is_refused(folder):
    processor, parts = made(folder, classes=2), Parts()
    with pytest.raises(InvalidArgument, match="what is to be found"):
        processor.run([scene()], options(), parts)
    with pytest.raises(InvalidArgument, match="takes 2 labels at once, not 3"):
        processor.run([scene()], options(labels=COLOURS), parts)
    with pytest.raises(InvalidArgument, match="no label 'red'"):
        processor.run([scene()], options(labels=("blue",), classes="red"), parts)
    for wrong in ({"labels": []}, {"labels": ["a", "a"]}):
        with pytest.raises(InvalidArgument, match="none twice"):
            options(**wrong)
    with pytest.raises(InvalidArgument, match="iou"):
        options(iou=3)


def test_graphs_of_another_kind_are_refused(folder):
    package = ModelPackage("made", folder, (), processor=ProcessorSpec("yolo-world"))
    images, texts = (TensorSpec("x", "float32", (1,) * rank) for rank in (4, 3))
    ids = TensorSpec("ids", "int64", (1, 7))
    text = Graph((ids,), (TensorSpec("y", "float32", (1, 3)),))
    for parts, words in [
        ({"model": text}, "for the processor yolo"),
        ({"model": Graph((images,), (texts,)), "text": text}, "text embeddings"),
        ({"model": Graph((images, texts), (images,)), "text": text}, "three axes"),
    ]:
        with pytest.raises(InvalidModel, match=words):
            YoloWorldProcessor(package, parts)
    parts = Parts()
    parts["text"] = lambda feeds: {"out": np.ones((len(feeds["input_ids"]), 5), np.float32)}
    with pytest.raises(InvalidModel, match="gives 5 numbers"):
        made(folder).run([scene()], options(labels=("red",)), parts)


def test_nan_from_the_detector_is_an_error(folder):
    parts = Parts()
    parts["model"] = lambda feeds: {"output0": np.full((1, 5, 40), np.nan, np.float32)}
    with pytest.raises(InvalidModel, match="NaN"):
        made(folder).run([scene()], options(labels=("red",)), parts)
