"""Detection transformers: made-up outputs with known boxes, in every form, decoded to source pixels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_vision.detr import DetrOptions, DetrProcessor

from .detr_outputs import outputs_of, spec
from .geometry import to_input

LABELS = ("a", "b", "c")
OPTIONS = DetrOptions()


def made(form: str, columns=3, labels=LABELS, settings_given=None, extra_inputs=(), **more):
    package = ModelPackage(
        "made",
        Path("made"),
        (),
        labels=labels,
        processor=ProcessorSpec("detr", settings_given or {}),
    )
    graph = Graph(
        (spec("images", (1, 3, 64, 96)), *extra_inputs),
        tuple(outputs_of(form, columns=columns, **more)),
    )
    return DetrProcessor(package, {"model": graph})


def picture(width, height):
    return np.zeros((height, width, 3), np.uint8)


def logit(scores):
    return np.log(scores) - np.log1p(-scores)


def raw_of(form: str, boxes, scores, canvas=(96, 64)):
    """The outputs that say: these boxes (queries, 4), as fractions x1, y1, x2, y2, with these scores
    (queries, classes)."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    cxcywh = np.concatenate([centre, size], axis=1).astype(np.float32)[None]
    if form == "joint":
        return {"output0": np.concatenate([cxcywh, scores[None]], axis=2).astype(np.float32)}
    if form == "rf-detr":
        return {"dets": cxcywh, "labels": logit(scores).astype(np.float32)[None]}
    if form == "transformers":
        return {
            "pred_boxes": cxcywh,
            "logits": logit(scores).astype(np.float32)[None],
            "last_hidden_state": np.zeros((1, len(boxes), 16), np.float32),
        }
    return {
        "labels": scores.argmax(axis=1)[None],
        "boxes": (boxes * np.tile(canvas, 2)).astype(np.float32)[None],
        "scores": scores.max(axis=1).astype(np.float32)[None],
    }


@st.composite
def answers(draw):
    """Boxes as fractions x1, y1, x2, y2 and scores; each query has one class that stands out."""
    count = draw(st.integers(0, 9))
    seed = draw(st.integers(0, 10_000))
    generator = np.random.default_rng(seed)
    corner = generator.random((9, 2)) * 0.7
    boxes = np.concatenate([corner, corner + 0.05 + generator.random((9, 2)) * 0.2], axis=1)
    scores = np.full((9, 3), 0.01) + generator.random((9, 3)) * 0.05
    best = generator.integers(0, 3, 9)
    strong = generator.permutation(np.linspace(0.3, 0.95, 9))
    scores[np.arange(9), best] = np.where(np.arange(9) < count, strong, 0.1)
    return boxes, scores, count


@settings(max_examples=100, deadline=None)
@given(
    answer=answers(),
    form=st.sampled_from(["joint", "rf-detr", "transformers", "deployed"]),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    fit=st.sampled_from(["stretch", "letterbox", "fit"]),
    confidence=st.floats(0.11, 0.95),
)
def test_every_form_gives_the_boxes_that_were_put_in(answer, form, size, fit, confidence):
    drawn, scores, count = answer
    best = scores[:count].max(axis=1)
    assume(not count or abs(best - confidence).min() > 1e-6)
    processor = made(
        form,
        extra_inputs=[spec("orig_target_sizes", (1, 2), "int64")],
        settings_given={"resize": fit},
    )
    options = DetrOptions(confidence=confidence)
    feeds, context = processor.preprocess([picture(*size)], options)
    assert feeds["orig_target_sizes"].tolist() == [[96, 64]]
    drawn = drawn.reshape(-1, 2, 2) * size
    boxes = (to_input(drawn, size, (96, 64), fit) / (96, 64)).reshape(-1, 4)
    (found,) = processor.postprocess(raw_of(form, boxes, scores), context, options)
    order = np.argsort(-best)
    order = order[best[order] >= confidence]
    assert found.class_id.tolist() == scores[order].argmax(axis=1).tolist()
    assert found.labels == tuple(LABELS[i] for i in found.class_id)
    np.testing.assert_allclose(found.confidence, best[order], atol=1e-6)
    np.testing.assert_allclose(found.xyxy, drawn[order].reshape(-1, 4), atol=1e-3)
    assert found.image_size == size


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(30, 300), st.integers(30, 300)),
    fit=st.sampled_from(["stretch", "letterbox", "fit"]),
    corners=st.lists(
        st.tuples(*[st.integers(0, 5)] * 2, *[st.integers(2, 6)] * 2), min_size=1, max_size=4
    ),
    mask_format=st.sampled_from(["bitmap", "rle", "polygons"]),
)
def test_masks_are_where_their_cells_are_in_the_picture(size, fit, corners, mask_format):
    """Rectangles of cells of a mask of 8 x 8: what is further from an edge than half a cell is
    certain. The box of each is the whole picture, so that it cuts off nothing."""
    processor = made("rf-detr", masks=True, settings_given={"resize": fit})
    count = len(corners)
    scores = np.full((9, 3), 0.01)
    scores[np.arange(count), np.arange(count) % 3] = 0.9 - np.arange(count) / 10
    whole = to_input(np.array([[0, 0], size]), size, (96, 64), fit) / (96, 64)
    raw = raw_of("rf-detr", np.tile(whole.reshape(4), (9, 1)), scores)
    raw["masks"] = np.full((1, 9, 8, 8), -4, np.float32)
    for mask, (x, y, wide, high) in zip(raw["masks"][0], corners, strict=False):
        mask[y : y + high, x : x + wide] = 4
    options = DetrOptions(mask_format=mask_format)
    _, context = processor.preprocess([picture(*size)], options)
    (found,) = processor.postprocess(raw, context, options)
    centres = np.stack(np.meshgrid(*(np.arange(side) + 0.5 for side in size)), axis=2)
    column, row = np.moveaxis(to_input(centres, size, (96, 64), fit) * 8 / (96, 64), 2, 0)
    assert len(found) == count
    for mask, (x, y, wide, high) in zip(found.with_masks("bitmap").masks, corners, strict=True):
        # The mask goes on beyond the grid as it is at its border.
        right, bottom = (end + 9 * (end >= 8) for end in (x + wide, y + high))
        left, top = (start - 9 * (start == 0) for start in (x, y))
        inside = np.minimum(
            np.minimum(column - left, right - column), np.minimum(row - top, bottom - row)
        )
        assert mask[inside > 0.55].all()
        assert not mask[inside < -0.55].any()


def test_a_sigmoid_gives_one_query_two_classes_and_a_joint_output_the_better_one():
    boxes = np.tile([0.1, 0.1, 0.5, 0.5], (9, 1))
    scores = np.full((9, 3), 0.01)
    scores[4] = [0.8, 0.01, 0.6]
    for form, classes in [("rf-detr", ["a", "c"]), ("joint", ["a"])]:
        processor = made(form)
        _, context = processor.preprocess([picture(50, 40)], OPTIONS)
        (found,) = processor.postprocess(raw_of(form, boxes, scores), context, OPTIONS)
        assert list(found.labels) == classes


def test_the_last_class_of_a_softmax_is_no_object():
    processor = made("transformers", columns=4)
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    probabilities = np.full((9, 4), [0.02, 0.02, 0.02, 0.94])
    probabilities[3] = [0.1, 0.7, 0.1, 0.1]
    probabilities[6] = [0.3, 0.05, 0.05, 0.6]  # no object is likelier, but the score counts
    raw = raw_of("transformers", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), np.full((9, 3), 0.5))
    raw["logits"] = (np.log(probabilities) + 5).astype(np.float32)[None]
    (found,) = processor.postprocess(raw, context, OPTIONS)
    assert found.labels == ("b", "a")
    np.testing.assert_allclose(found.confidence, [0.7, 0.3], atol=1e-6)


def test_logits_as_far_apart_as_can_be_have_shares_of_one_and_none():
    processor = made("transformers", columns=4)
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    raw = raw_of("transformers", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), np.full((9, 4), 0.5))
    raw["logits"][0, 0] = [3e38, -3e38, -3e38, -3e38]
    (result,) = processor.postprocess(raw, context, OPTIONS)
    assert (result.labels[0], result.confidence[0]) == ("a", 1)


@pytest.mark.parametrize(("background", "classes"), [("first", ["a"]), ("last", ["b"])])
def test_rf_detr_with_a_column_more_than_labels_needs_to_be_told(background, classes):
    with pytest.raises(InvalidModel, match='"background": "first"'):
        made("rf-detr", columns=4)
    processor = made("rf-detr", columns=4, settings_given={"background": background})
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    scores = np.full((9, 4), 0.01)
    scores[0, 1] = 0.9
    raw = raw_of("rf-detr", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), scores)
    (found,) = processor.postprocess(raw, context, OPTIONS)
    assert list(found.labels) == classes


def test_without_labels_class_ids_are_columns():
    processor = made("rf-detr", columns=91, labels=())
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    scores = np.full((9, 91), 0.01)
    scores[0, 17] = 0.9
    raw = raw_of("rf-detr", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), scores)
    (found,) = processor.postprocess(raw, context, OPTIONS)
    assert (found.labels, found.class_id.tolist()) == (("17",), [17])


def test_masks_come_with_their_boxes_in_any_format():
    processor = made("rf-detr", masks=True)
    boxes = np.tile([0.5, 0.0, 1.0, 0.5], (9, 1))
    scores = np.full((9, 3), 0.01)
    scores[5, 1] = 0.9
    raw = raw_of("rf-detr", boxes, scores)
    raw["masks"] = np.full((1, 9, 8, 8), -4, np.float32)
    raw["masks"][0, 5, :4, 4:] = 4
    _, context = processor.preprocess([picture(160, 80)], OPTIONS)
    for mask_format in ("bitmap", "rle", "polygons"):
        options = DetrOptions(mask_format=mask_format)
        (found,) = processor.postprocess(raw, context, options)
        (mask,) = found.with_masks("bitmap").masks
        assert mask[
            :35, 90:
        ].all()  # its inner corner is round: there, three of four cells are outside
        assert not mask[40:].any()
        assert not mask[:, :80].any()


def test_options_choose_among_the_detections():
    processor = made("rf-detr")
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    boxes = np.tile([0.2, 0.2, 0.6, 0.7], (9, 1))
    scores = np.full((9, 3), 0.01)
    scores[0, 0], scores[1, 1], scores[2, 2] = 0.9, 0.5, 0.3

    def found(**options):
        built = build_options(DetrOptions, options, "predict")
        return processor.postprocess(raw_of("rf-detr", boxes, scores), context, built)[0].labels

    assert found() == ("a", "b", "c")
    assert found(confidence=0.4) == ("a", "b")
    assert found(confidence={"b": 0.6}) == ("a", "c")
    assert found(confidence={"a": 0.95, "c": 0.2}) == ("b", "c")
    assert found(max_detections=2) == ("a", "b")
    assert found(classes=["c", 0]) == ("a", "c")
    assert found(classes="b", confidence={"b": 0.1}) == ("b",)
    assert found(confidence=1.0) == ()
    assert len(found(confidence=0.0)) == 27
    for wrong, words in [
        ({"classes": "d"}, "no label 'd'"),
        ({"classes": "a, x"}, r"'a, x' are several classes.*: \[\"a\", \"x\"\]"),
        ({"classes": 3}, "no class id 3"),
        ({"confidence": {"aa": 0.5}}, "confidence: the model has no label 'aa'"),
        ({"confidence": 1.5}, "between 0 and 1"),
        ({"confidence": {"a": -1}}, "between 0 and 1"),
        ({"max_detections": 0}, "at least 1"),
        ({"mask_format": "png"}, "bitmap"),
        ({"iou": 0.5}, "no argument 'iou'"),
    ]:
        with pytest.raises(InvalidArgument, match=words):
            found(**wrong)


def test_a_name_stands_for_all_classes_that_have_it():
    processor = made("rf-detr", labels=("a", "b", "a"))
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    scores = np.full((9, 3), 0.01)
    scores[0, 0], scores[1, 1], scores[2, 2] = 0.9, 0.5, 0.3
    raw = raw_of("rf-detr", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), scores)
    for options, ids in [
        ({"classes": "a"}, [0, 2]),
        ({"classes": 2}, [2]),
        ({"confidence": {"a": 0.4}}, [0, 1]),
        ({"confidence": {"a": 0.95}}, [1]),
        ({"confidence": {0: 0.95}}, [1, 2]),
    ]:
        built = build_options(DetrOptions, options, "predict")
        assert processor.postprocess(raw, context, built)[0].class_id.tolist() == ids


@pytest.mark.parametrize("labels", [LABELS, ()])
def test_a_confidence_may_be_given_by_class_id(labels):
    processor = made("deployed", labels=labels)
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    scores = np.full((9, 3), 0.01)
    scores[0, 0], scores[1, 1] = 0.9, 0.5
    raw = raw_of("deployed", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), scores)
    options = build_options(DetrOptions, {"confidence": {0: 0.95, 2: 0.5}}, "predict")
    (found,) = processor.postprocess(raw, context, options)
    assert found.class_id.tolist() == [1]


def test_classes_of_a_model_without_labels_do_not_depend_on_the_picture():
    processor = made("deployed", labels=())
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    scores = np.full((9, 3), 0.01)
    scores[0, 1] = 0.9
    raw = raw_of("deployed", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), scores)
    for classes, ids in [(1, [1]), (7, [])]:
        (found,) = processor.postprocess(raw, context, DetrOptions(classes=classes))
        assert found.class_id.tolist() == ids


@pytest.mark.parametrize("form", ["joint", "rf-detr", "transformers", "deployed"])
def test_other_outputs_of_the_graph_do_not_matter(form):
    processor = made(form)
    _, context = processor.preprocess([picture(50, 40)] * 2, OPTIONS)
    scores = np.full((9, 3), 0.01)
    scores[0, 1] = 0.9
    raw = raw_of(form, np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), scores)
    raw = {name: np.concatenate([each, each]) for name, each in raw.items()}
    raw |= {"loss": np.float32(0.5), "anchors": np.zeros((1, 7), np.float32)}
    found = processor.postprocess(raw, context, OPTIONS)
    assert [each.labels for each in found] == [("b",), ("b",)]


def test_a_pixel_mask_is_filled_with_ones():
    processor = made("transformers", extra_inputs=[spec("pixel_mask", (1, None, None), "int64")])
    feeds, _ = processor.preprocess([picture(50, 40)], OPTIONS)
    assert (feeds["pixel_mask"].shape, feeds["pixel_mask"].dtype) == ((1, 64, 96), np.int64)
    assert feeds["pixel_mask"].all()
    with pytest.raises(InvalidModel, match="one image input"):
        made("transformers", extra_inputs=[spec("text", (1, 7), "int64")])


@pytest.mark.parametrize(
    ("form", "columns", "normalised"),
    [
        ("rf-detr", 3, True),
        ("transformers", 4, True),
        ("transformers", 3, False),
        ("joint", 3, False),
    ],
)
def test_pixels_are_normalised_as_the_family_is_exported(form, columns, normalised):
    processor = made(form, columns=columns)
    white = np.full((10, 10, 3), 255, np.uint8)
    feeds, _ = processor.preprocess([white], OPTIONS)
    expected = (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225] if normalised else 1
    np.testing.assert_allclose(feeds["images"][0].transpose(1, 2, 0)[5, 5], expected, rtol=1e-5)


def test_scores_whose_meaning_is_open_are_refused_with_the_line_to_write():
    with pytest.raises(InvalidModel, match='"activation": "softmax"'):
        made("transformers", columns=7)
    with pytest.raises(InvalidModel, match='"activation"'):
        made("transformers", labels=())
    with pytest.raises(InvalidModel, match="7 classes, which doesn't fit 3 labels"):
        made("transformers", columns=7, settings_given={"activation": "softmax"})


@pytest.mark.parametrize("form", ["joint", "rf-detr", "deployed"])
def test_nan_anywhere_that_counts_is_an_error(form):
    processor = made(form)
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    boxes, scores = np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), np.full((9, 3), 0.5)
    for damaged in outputs_of(form):
        if damaged.dtype != "float32":
            continue
        raw = raw_of(form, boxes, scores)
        raw[damaged.name][0, 0] = np.nan
        with pytest.raises(InvalidModel, match="NaN"):
            processor.postprocess(raw, context, OPTIONS)


@pytest.mark.parametrize("form", ["joint", "rf-detr", "transformers", "deployed"])
def test_outputs_that_do_not_belong_together_are_refused_with_their_shapes(form):
    processor = made(form, masks=True)
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    boxes, scores = np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), np.full((9, 3), 0.5)
    good = {**raw_of(form, boxes, scores), "masks": np.ones((1, 9, 8, 8), np.float32)}
    good.pop("last_hidden_state", None)
    assert len(processor.postprocess(good, context, OPTIONS)[0]) > 0
    for name, array in good.items():
        wrong = [array[0], array[:0], np.concatenate([array] * 2), array[..., :0]]
        wrong += [array[:, :-1]] if len(good) > 1 else []
        for damaged in wrong:
            shape = re.escape(f"{name} {damaged.shape}")
            with pytest.raises(InvalidModel, match=f"{shape}.* of 1 pictures"):
                processor.postprocess({**good, name: damaged}, context, OPTIONS)


def test_a_box_that_is_finite_as_a_fraction_alone_is_an_error():
    processor = made("rf-detr")
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    raw = raw_of("rf-detr", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), np.full((9, 3), 0.5))
    raw["dets"][0, 0, 2] = 3e38
    with pytest.raises(InvalidModel, match="infinite boxes"):
        processor.postprocess(raw, context, OPTIONS)


def test_a_class_id_without_a_label_is_an_error():
    processor = made("deployed")
    _, context = processor.preprocess([picture(50, 40)], OPTIONS)
    raw = raw_of("deployed", np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), np.full((9, 3), 0.5))
    raw["labels"][0, 3] = 3
    with pytest.raises(InvalidModel, match="class id 3"):
        processor.postprocess(raw, context, OPTIONS)


def test_the_settings_say_which_output_holds_the_boxes_where_nothing_else_does():
    twins = (spec("x", (1, 9, 4)), spec("y", (1, 9, 4)))

    def made_of(**settings_given):
        package = ModelPackage(
            "made", Path("made"), (), labels=LABELS, processor=ProcessorSpec("detr", settings_given)
        )
        graph = Graph((spec("images", (1, 3, 64, 96)),), twins)
        return DetrProcessor(package, {"model": graph})

    with pytest.raises(InvalidModel, match='"boxes": 0'):
        made_of()
    with pytest.raises(InvalidModel, match="'boxes' must be an output's name"):
        made_of(boxes=2)
    boxes, scores = np.tile([0.2, 0.2, 0.6, 0.7], (9, 1)), np.full((9, 4), 0.01)
    scores[0, 1] = 0.9
    raw = raw_of("rf-detr", boxes, scores)
    for which in ("y", 1):
        processor = made_of(boxes=which)  # one column more than labels: a softmax
        _, context = processor.preprocess([picture(50, 40)], OPTIONS)
        outputs = {"x": raw["labels"], "y": raw["dets"]}
        (found,) = processor.postprocess(outputs, context, DetrOptions(confidence=0.9))
        np.testing.assert_allclose(found.xyxy, [[10, 8, 30, 28]], atol=1e-4)


@pytest.mark.parametrize("form", ["joint", "rf-detr", "transformers", "deployed"])
def test_pictures_are_shrunk_as_each_family_was_trained(form):
    """White rows so far apart that plain bilinear sampling passes over all of them."""
    stripes = picture(96 * 8, 64 * 8)
    stripes[::8] = 255
    given_settings = {"mean": [0, 0, 0], "std": [1, 1, 1]}
    activation = {"activation": "sigmoid"} if form == "transformers" else {}
    processor = made(form, settings_given=given_settings | activation)
    feeds, _ = processor.preprocess([stripes], OPTIONS)
    expected = 0 if form == "joint" else 1 / 8
    np.testing.assert_allclose(feeds["images"], expected, atol=0.003)
    stated = made(form, settings_given=given_settings | activation | {"interpolation": "nearest"})
    np.testing.assert_allclose(stated.preprocess([stripes], OPTIONS)[0]["images"], 1, atol=1e-6)


def test_an_rf_detr_of_coco_names_what_it_finds():
    names = DetrProcessor.recognise({"outputs": outputs_of("rf-detr", columns=91)}).labels
    scores = np.full((9, 91), 0.01)
    scores[0, 18] = 0.9
    boxes = np.tile([0.1, 0.1, 0.5, 0.5], (9, 1))
    processor = made("rf-detr", columns=91, labels=names)
    _, context = processor.preprocess([picture(96, 64)], OPTIONS)
    (result,) = processor.postprocess(raw_of("rf-detr", boxes, scores), context, OPTIONS)
    assert (result.labels, result.class_id.tolist()) == (("dog",), [16])
