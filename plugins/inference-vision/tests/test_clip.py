"""CLIP in two parts: vectors of pictures and texts, zero-shot classification, the tokenizer."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core.arguments import build_options
from inference_core.errors import InferenceError, InvalidArgument, InvalidInput, InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.clip import ClipOptions, ClipProcessor, EncodedPicture

COLOURS = ("red", "green", "blue")
VOCABULARY = ["[PAD]", "[UNK]", "<s>", "</s>", "a", "photo", "of", "bright", *COLOURS]


def write_tokenizer(folder):
    """One token per word, between <s> and </s>."""
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        "<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    tokenizer.enable_truncation(4)  # neither this nor the next may come through
    tokenizer.enable_padding(length=100, pad_id=0)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def folder(tmp_path):
    """A package's folder with a tokenizer."""
    return write_tokenizer(tmp_path)


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    """The same, which no test changes."""
    return write_tokenizer(tmp_path_factory.mktemp("package"))


class Parts(dict):
    """The two graphs as plain functions, which count what they are given."""

    def __init__(self, image_batch=None, text_batch=None) -> None:
        super().__init__(image=self.image, text=self.text)
        self.batches = {"image": image_batch, "text": text_batch}
        self.given = {"image": [], "text": []}

    def image(self, feeds):
        """The mean of each colour, in pixels of 0..1."""
        (images,) = feeds.values()
        self._count("image", images)
        return {"image_embeds": images.mean(axis=(2, 3), dtype=np.float32)}

    def text(self, feeds):
        """How often each colour is named, where the mask says that there is a token."""
        ids, mask = feeds["input_ids"], feeds["attention_mask"]
        self._count("text", ids)
        counts = [((ids == VOCABULARY.index(colour)) * mask).sum(axis=1) for colour in COLOURS]
        return {"text_embeds": np.stack(counts, axis=1).astype(np.float32) * 3}

    def _count(self, role, rows):
        assert self.batches[role] in (None, len(rows))
        self.given[role].append(rows)


def made(folder, parts, labels=(), length=None, **settings_given):
    package = ModelPackage(
        "made", folder, (), labels=labels, processor=ProcessorSpec("clip", settings_given)
    )
    text = [
        TensorSpec(name, "int64", (parts.batches["text"], length))
        for name in ("input_ids", "attention_mask")
    ]
    image = TensorSpec("pixel_values", "float32", (parts.batches["image"], 3, 8, 8))
    graphs = {
        "image": Graph((image,), (TensorSpec("image_embeds", "float32", (None, 3)),)),
        "text": Graph(tuple(text), (TensorSpec("text_embeds", "float32", (None, 3)),)),
    }
    return ClipProcessor(package, graphs)


PLAIN = {"mean": [0, 0, 0], "std": [1, 1, 1]}


def picture(*rgb, size=(20, 10)):
    return np.full((size[1], size[0], 3), rgb, np.uint8)


def options(**given):
    return build_options(ClipOptions, {"color_format": "rgb", **given}, "predict")


@pytest.mark.parametrize("batch", [None, 1, 2])
def test_pictures_and_texts_become_vectors_whatever_batch_the_graphs_take(folder, batch):
    parts = Parts(batch, batch)
    processor = made(folder, parts, **PLAIN)
    pictures = [picture(255, 0, 0), picture(0, 204, 153), picture(0, 0, 255)]
    found = processor.run(pictures, options(), parts)
    expected = [[1, 0, 0], [0, 0.8, 0.6], [0, 0, 1]]
    np.testing.assert_allclose([each.vector for each in found], expected, atol=1e-6)
    (raw,) = processor.run([picture(51, 0, 0)], options(normalize=False), parts)
    np.testing.assert_allclose(raw.vector, [0.2, 0, 0], atol=1e-6)
    texts = ["a red photo", "green green blue", "of blue"]
    found = processor.run(texts, options(modality="text", normalize=False), parts)
    np.testing.assert_allclose([each.vector for each in found], [[3, 0, 0], [0, 6, 3], [0, 0, 3]])
    (unit,) = processor.run(texts[:1], options(modality="text"), parts)
    np.testing.assert_allclose(unit.vector, [1, 0, 0])


def test_zero_shot_is_the_softmax_of_scaled_cosines(folder):
    parts = Parts()
    processor = made(folder, parts, logit_scale=5, **PLAIN)
    (found,) = processor.run([picture(0, 204, 153)], options(labels=COLOURS), parts)
    logits = np.array([0, 0.8, 0.6]) * 5
    expected = np.exp(logits) / np.exp(logits).sum()
    assert found.labels == ("green", "blue", "red")
    assert found.class_id.tolist() == [1, 2, 0]
    np.testing.assert_allclose(found.confidence, expected[[1, 2, 0]], atol=1e-5)
    assert found.image_size == (20, 10)
    siglip = made(folder, parts, logit_scale=5, logit_bias=-2, activation="sigmoid", **PLAIN)
    (found,) = siglip.run([picture(0, 204, 153)], options(labels=COLOURS, threshold=0.5), parts)
    assert found.labels == ("green", "blue")
    np.testing.assert_allclose(found.confidence, 1 / (1 + np.exp([-2, -1])), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    rgb=st.tuples(*[st.integers(0, 255)] * 3).filter(any),
    labels=st.lists(
        st.lists(st.sampled_from(COLOURS), min_size=1, max_size=3).map(" ".join),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    scale=st.floats(0.5, 20),
    top_k=st.integers(1, 5),
)
def test_labels_are_as_likely_as_their_words_are_near_to_the_picture(
    shared_folder, rgb, labels, scale, top_k
):
    parts = Parts()
    processor = made(shared_folder, parts, logit_scale=scale, **PLAIN)
    asked = options(labels=tuple(labels), top_k=top_k)
    (found,) = processor.run([picture(*rgb)], asked, parts)
    logits = []
    for label in labels:
        words = [label.split().count(colour) for colour in COLOURS]
        cosine = sum(a * b for a, b in zip(rgb, words, strict=True))
        logits.append(scale * cosine / math.hypot(*rgb) / math.hypot(*words))
    wanted = [math.exp(each) / sum(map(math.exp, logits)) for each in logits]
    assert len(found) == min(top_k, len(labels))
    np.testing.assert_allclose(found.confidence, sorted(wanted, reverse=True)[:top_k], atol=1e-4)
    for class_id, label, confidence in zip(
        found.class_id, found.labels, found.confidence, strict=True
    ):
        assert label == labels[class_id]
        assert confidence == pytest.approx(wanted[class_id], abs=1e-4)


def test_labels_of_the_model_make_a_classifier_and_those_of_a_call_another(folder):
    parts = Parts()
    processor = made(folder, parts, labels=COLOURS, **PLAIN)
    (found,) = processor.run([picture(0, 255, 0)], options(top_k=1), parts)
    assert found.labels == ("green",)
    (found,) = processor.run(
        [picture(0, 255, 0)], options(labels=("bright red", "blue green")), parts
    )
    assert found.top.label == "blue green"
    (found,) = processor.run([picture(0, 255, 0)], options(embedding=True), parts)
    np.testing.assert_allclose(found.vector, [0, 1, 0], atol=1e-6)


def test_a_prompt_goes_around_each_label(folder):
    parts = Parts()
    processor = made(folder, parts, length=9, **PLAIN)
    processor.run([picture(0, 255, 0)], options(labels=COLOURS, prompt="a {} photo of red"), parts)
    (ids,) = parts.given["text"]
    words = [[VOCABULARY[i] for i in row] for row in ids]
    assert words[1] == ["<s>", "a", "green", "photo", "of", "red", "</s>", "[PAD]", "[PAD]"]
    for prompt in ("a photo", "{} and {}"):
        with pytest.raises(InvalidArgument, match="once"):
            processor.run([picture(0, 0, 0)], options(labels=COLOURS, prompt=prompt), parts)


def test_vectors_of_labels_and_encoded_pictures_are_not_computed_again(folder):
    parts = Parts()
    processor = made(folder, parts, **PLAIN)
    handle = processor.encode(picture(0, 255, 0), options(), parts)
    assert isinstance(handle, EncodedPicture)
    for labels in (COLOURS, COLOURS[:2], COLOURS):
        mixed = [handle, picture(255, 0, 0), handle]
        found = processor.run(mixed, options(labels=labels), parts)
        assert [each.top.label for each in found] == ["green", "red", "green"]
    assert [len(rows) for rows in parts.given["image"]] == [1, 1, 1, 1]
    assert [len(rows) for rows in parts.given["text"]] == [3, 2]
    with pytest.raises(InvalidArgument, match="pictures"):
        processor.encode("red", options(modality="text"), parts)


def test_a_text_that_is_none_or_too_long_is_refused(folder):
    parts = Parts()
    processor = made(folder, parts, context=5, **PLAIN)
    assert processor.run(["red green blue"], options(modality="text"), parts)
    with pytest.raises(InvalidInput, match="has 6 tokens; made takes 1 to 5"):
        processor.run(["red green blue red"], options(modality="text"), parts)
    with pytest.raises(InvalidInput, match="a text is a str, not ndarray"):
        processor.run([picture(0, 0, 0)], options(modality="text"), parts)


def test_a_missing_or_damaged_tokenizer_is_an_error_that_says_where(folder):
    parts = Parts()
    with pytest.raises(InvalidModel, match=r'"tokenizer": "FILE"'):
        made(folder, parts, tokenizer="other.json")
    (folder.parent / "outside.json").write_text("{}", "utf-8")
    with pytest.raises(InvalidModel, match="outside"):
        made(folder, parts, tokenizer="../outside.json")
    (folder / "tokenizer.json").write_text('{"model": 1}', "utf-8")
    processor = made(folder, parts, **PLAIN)
    assert processor.run([picture(0, 0, 0)], options(), parts)
    with pytest.raises(InvalidModel, match=r"tokenizer\.json is no tokenizer"):
        processor.run([picture(0, 0, 0)], options(labels=COLOURS), parts)


def test_without_tokenizers_pictures_still_become_vectors(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    parts = Parts()
    processor = made(tmp_path, parts, **PLAIN)
    assert processor.run([picture(9, 9, 9)], options(), parts)
    with pytest.raises(InferenceError, match=r"inference-vision\[clip\]"):
        processor.run(["red"], options(modality="text"), parts)


def test_a_graph_that_is_no_encoder_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    package = ModelPackage("made", tmp_path, (), processor=ProcessorSpec("clip"))
    image = Graph(
        (TensorSpec("x", "float32", (1, 3, 8, 8)),), (TensorSpec("y", "float32", (1, 3)),)
    )
    ids = TensorSpec("ids", "int64", (1, 7))
    for parts, words in [
        ({"model": image}, 'the parts "image" and "text"'),
        ({"image": image, "text": image}, "token ids"),
        ({"image": image, "text": Graph((ids, ids), image.outputs)}, "token ids"),
        (
            {"image": image, "text": Graph((ids,), (TensorSpec("y", "float32", (1, 7, 3)),))},
            "'text'",
        ),
        ({"image": Graph(image.inputs, image.outputs * 2), "text": image}, "'image'"),
    ]:
        with pytest.raises(InvalidModel, match=words):
            ClipProcessor(package, parts)


@pytest.mark.parametrize("given", [{"labels": []}, {"top_k": 0}, {"threshold": 2}, {"label": "x"}])
def test_a_wrong_option_is_an_error_that_names_it(given):
    with pytest.raises(InvalidArgument, match=next(iter(given))):
        options(**given)
