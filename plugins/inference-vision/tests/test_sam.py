"""SAM in two parts: prompts in source pixels in, masks in source pixels out, in both dialects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.sam import SamOptions, SamProcessor

from .geometry import placed

SIDE, CELLS = 64, 16


def spec(name, shape, dtype="float32"):
    return TensorSpec(name, dtype, shape)


EMBEDDING = spec("image_embeddings", (1, 3, CELLS, CELLS))
OFFICIAL = (
    spec("point_coords", (1, None, 2)),
    spec("point_labels", (1, None)),
    spec("mask_input", (1, 1, 8, 8)),
    spec("has_mask_input", (1,)),
    spec("orig_im_size", (2,)),
)
GROUPED = (
    spec("input_points", (None, None, None, 2)),
    spec("input_labels", (None, None, None), "int64"),
)


class Parts(dict):
    """Encoder and decoder as plain functions. The decoder's masks: the cell of the first point, or
    the cells in the box; everything; nothing. They remember what they are given."""

    def __init__(self, qualities=(0.9, 0.6, 0.3)) -> None:
        super().__init__(encoder=self.encoder, decoder=self.decoder)
        self.encoded, self.prompts, self.qualities = 0, [], qualities

    def encoder(self, feeds):
        (images,) = feeds.values()
        assert images.shape == (1, 3, SIDE, SIDE)
        self.encoded += 1
        cells = images.reshape(1, 3, CELLS, SIDE // CELLS, CELLS, SIDE // CELLS).mean(axis=(3, 5))
        return {"image_embeddings": cells, "unused": images}

    def decoder(self, feeds):
        self.prompts.append(feeds)
        assert feeds["image_embeddings"].shape == (1, 3, CELLS, CELLS)
        grouped = "input_points" in feeds
        points = feeds["input_points" if grouped else "point_coords"].reshape(-1, 2)
        labels = feeds["input_labels" if grouped else "point_labels"].reshape(-1)
        cells = np.floor(points * CELLS / SIDE).astype(int)
        inside = np.full((CELLS, CELLS), -8.0, np.float32)
        if 2 in labels:
            (x1, y1), (x2, y2) = np.rint(points[np.isin(labels, (2, 3))] * CELLS / SIDE).astype(int)
            inside[y1:y2, x1:x2] = 8
        else:
            inside[cells[0, 1], cells[0, 0]] = 8
        masks = np.stack([inside, np.full_like(inside, 8), np.full_like(inside, -8)])
        quality = np.array(self.qualities, np.float32)
        if grouped:
            return {"pred_masks": masks[None, None], "iou_scores": quality[None, None]}
        return {"masks": masks[None], "iou_predictions": quality[None]}


def made(inputs=OFFICIAL, labels=(), outputs=None, **settings_given):
    package = ModelPackage(
        "made", Path("made"), (), labels=labels, processor=ProcessorSpec("sam", settings_given)
    )
    names = ("pred_masks", "iou_scores") if inputs is GROUPED else ("masks", "iou_predictions")
    results = outputs or tuple(spec(name, None) for name in names)
    encoder = Graph(
        (spec("images", (1, 3, SIDE, SIDE)),), (EMBEDDING, spec("unused", (1, 3, SIDE, SIDE)))
    )
    return SamProcessor(
        package, {"encoder": encoder, "decoder": Graph((EMBEDDING, *inputs), results)}
    )


def options(**given):
    return build_options(SamOptions, given, "predict")


def picture(width, height):
    return np.zeros((height, width, 3), np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(8, 200), st.integers(8, 200)),
    where=st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98)),
    fit=st.sampled_from(["fit", "stretch", "letterbox"]),
    inputs=st.sampled_from([OFFICIAL, GROUPED]),
)
def test_the_mask_is_where_the_point_is(size, where, fit, inputs):
    """The decoder lights up the one cell that the point fell into; its pixel must light up, or those
    beside it where a cell is smaller than a pixel."""
    processor, parts = made(inputs, resize=fit), Parts()
    x, y = size[0] * where[0], size[1] * where[1]
    (found,) = processor.run([picture(*size)], options(points=[(x, y)]), parts)
    cell = max(size) / CELLS if fit != "stretch" else None
    across, down = (cell, cell) if cell else (size[0] / CELLS, size[1] / CELLS)
    assert len(found) <= 1
    for x1, y1, x2, y2 in found.xyxy:
        assert x1 - across - 1 <= x <= x2 + across + 1
        assert y1 - down - 1 <= y <= y2 + down + 1
        # One cell, and of its neighbours what is nearer to it in the interpolation.
        assert x2 - x1 <= 2 * across + 2
        assert y2 - y1 <= 2 * down + 2
    if min(across, down) >= 2:
        assert len(found) == 1


def test_a_box_comes_back_as_its_mask():
    processor, parts = made(), Parts()
    box = (40, 20, 100, 80)  # a cell has 10 x 10 pixels
    (found,) = processor.run([picture(160, 120)], options(boxes=[box]), parts)
    np.testing.assert_allclose(found.xyxy, [box], atol=1)
    np.testing.assert_allclose(found.confidence, [0.9])
    assert (found.labels, found.class_id.tolist()) == (("object",), [0])
    expected = np.zeros((120, 160), bool)
    expected[20:80, 40:100] = True
    assert (found.masks[0] != expected).mean() < 0.01
    (prompt,) = parts.prompts
    assert prompt["point_labels"].tolist() == [[2, 3]]
    np.testing.assert_allclose(prompt["point_coords"], [[[16, 8], [40, 32]]])


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(40, 300), st.integers(40, 300)),
    shares=st.tuples(*[st.floats(0, 0.35)] * 2, *[st.floats(0.65, 1)] * 2),
    fit=st.sampled_from(["fit", "stretch", "letterbox"]),
    mask_format=st.sampled_from(["bitmap", "rle", "polygons"]),
)
def test_any_box_comes_back_as_the_cells_that_it_covers(size, shares, fit, mask_format):
    """The decoder lights up whole cells, so an edge is known to half a cell, and to half a pixel."""
    width, height = size
    assume(min(size) / max(size) > 0.3)  # else a side is but a few cells
    box = np.multiply(shares, [width, height] * 2)
    processor, parts = made(resize=fit), Parts()
    asked = options(boxes=[tuple(box)], mask_format=mask_format)
    (found,) = processor.run([picture(width, height)], asked, parts)
    scale, offset = placed(size, (SIDE, SIDE), fit)
    sent = parts.prompts[0]["point_coords"].reshape(2, 2)
    np.testing.assert_allclose(sent, box.reshape(2, 2) * scale + offset, atol=1e-3)
    limit = 0.5 * SIDE / CELLS / scale + 0.75
    assert (abs(found.xyxy[0] - box) <= np.tile(limit, 2)).all()
    (mask,) = found.with_masks("bitmap").masks
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x1, y1, x2, y2 = box
    # How far a pixel lies inside of the box; at a round corner both count.
    inside = np.minimum(
        np.minimum(x - x1, x2 - x) / limit[0], np.minimum(y - y1, y2 - y) / limit[1]
    )
    assert mask[inside > 2].all()
    assert not mask[inside < -1].any()


def test_several_boxes_are_several_objects_of_one_encoded_picture():
    processor, parts = made(labels=("cell",)), Parts()
    handle = processor.encode(picture(160, 160), options(), parts)
    boxes = [(0, 0, 40, 40), (80, 80, 120, 160)]
    (found,) = processor.run([handle], options(boxes=boxes), parts)
    np.testing.assert_allclose(found.xyxy, boxes, atol=1)
    assert (found.labels, found.class_id.tolist()) == (("cell", "cell"), [0, 1])
    again = processor.run([handle, handle], options(points=[(5, 5)], mask_format="rle"), parts)
    assert [len(each) for each in again] == [1, 1]
    assert parts.encoded == 1


def test_all_candidates_come_best_first_without_those_that_are_empty():
    processor, parts = made(), Parts(qualities=(0.4, 1.2, 0.9))
    prompt = {"points": [(15, 15)]}
    (found,) = processor.run([picture(160, 160)], options(multimask=True, **prompt), parts)
    np.testing.assert_allclose(found.confidence, [1, 0.4])
    assert found.masks[0].all()
    (found,) = processor.run([picture(160, 160)], options(**prompt), parts)
    np.testing.assert_allclose(found.confidence, [1])


def test_what_the_decoder_is_asked_is_of_its_dialect():
    processor, parts = made(), Parts()
    asked = options(points=[(10, 20), (30, 40)], point_labels=[1, 0])
    processor.run([picture(160, 120)], asked, parts)
    (prompt,) = parts.prompts
    assert prompt["point_labels"].tolist() == [[1, 0, -1]]
    np.testing.assert_allclose(prompt["point_coords"][0, :2], [[4, 8], [12, 16]])
    assert (prompt["mask_input"].shape, prompt["has_mask_input"].tolist()) == ((1, 1, 8, 8), [0])
    assert prompt["orig_im_size"].tolist() == [SIDE, SIDE]
    assert {each.dtype for each in prompt.values()} == {np.dtype(np.float32)}

    processor, parts = made(GROUPED), Parts()
    processor.run([picture(160, 120)], asked, parts)
    (prompt,) = parts.prompts
    assert prompt["input_labels"].tolist() == [[[1, 0]]]
    assert (prompt["input_points"].shape, prompt["input_labels"].dtype) == ((1, 1, 2, 2), np.int64)
    with pytest.raises(InvalidArgument, match="no boxes"):
        processor.run([picture(160, 120)], options(boxes=[(0, 0, 9, 9)]), parts)


def test_a_decoder_with_room_for_so_many_points_gets_so_many():
    fixed = (spec("point_coords", (1, 4, 2)), spec("point_labels", (1, 4)))
    processor, parts = made(fixed), Parts()
    refined = options(boxes=[(0, 0, 80, 80)], points=[(5, 5)], point_labels=[0])
    processor.run([picture(160, 160)], refined, parts)
    assert parts.prompts[0]["point_labels"].tolist() == [[0, 2, 3, -1]]
    with pytest.raises(InvalidArgument, match="takes 4 points"):
        processor.run([picture(160, 160)], options(points=[(1, 1)] * 4), parts)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Give points="),
        ({"points": [(161, 5)]}, "outside"),
        ({"boxes": [(-1, 0, 5, 5)]}, "outside"),
        ({"boxes": [(5, 0, 5, 5)]}, "x1 < x2"),
        ({"points": [(1, 1)], "point_labels": [2]}, "0 or 1"),
        ({"points": [(1, 1)], "point_labels": [1, 1]}, "1 points"),
        ({"points": [(1, 1)], "boxes": [(0, 0, 5, 5), (5, 5, 9, 9)]}, "one box"),
        ({"points": [(1, 2, 3)]}, "points"),
        ({"point": [(1, 2)]}, "did you mean"),
    ],
)
def test_a_prompt_that_makes_no_sense_is_refused(given, words):
    with pytest.raises(InvalidArgument, match=words):
        made().run([picture(160, 120)], options(**given), Parts())


def test_graphs_that_are_no_encoder_and_decoder_are_refused():
    for inputs, outputs, words in [
        (OFFICIAL[1:], None, "point_coords"),
        (OFFICIAL, (spec("masks", None),), "iou_predictions"),
        (OFFICIAL, (spec("iou_predictions", None),), "pred_masks"),
        ((*OFFICIAL, spec("high_res_feats_0", (1,))), None, "none of the encoder's outputs"),
    ]:
        with pytest.raises(InvalidModel, match=words):
            made(inputs, outputs=outputs)
    with pytest.raises(InvalidModel, match="fit"):
        made(resize="crop")
    package = ModelPackage("made", Path("made"), (), processor=ProcessorSpec("sam"))
    with pytest.raises(InvalidModel, match='"encoder" and "decoder"'):
        SamProcessor(package, {"model": Graph((), ())})


def test_tensors_without_names_go_by_rank_and_order():
    package = ModelPackage("made", Path("made"), (), processor=ProcessorSpec("sam"))
    images = (spec("x", (1, 3, SIDE, SIDE)),)
    encoder = Graph(images, (spec("output0", (1, 3, CELLS, CELLS)),))
    outputs = (spec("output0", (1, 3)), spec("output1", (1, 3, CELLS, CELLS)))
    processor = SamProcessor(
        package, {"encoder": encoder, "decoder": Graph((EMBEDDING, *OFFICIAL), outputs)}
    )
    named, unnamed = Parts(), Parts()

    def decoder(feeds):
        found = named.decoder(feeds)
        return {"output0": found["iou_predictions"], "output1": found["masks"]}

    unnamed["encoder"] = lambda feeds: {"output0": named.encoder(feeds)["image_embeddings"]}
    unnamed["decoder"] = decoder
    asked = options(boxes=[(40, 20, 100, 80)])
    (found,) = processor.run([picture(160, 120)], asked, unnamed)
    (expected,) = made().run([picture(160, 120)], asked, Parts())
    np.testing.assert_array_equal(found.masks, expected.masks)


@pytest.mark.parametrize(
    ("masks", "quality", "words"),
    [
        (np.full((1, 1, 4, 4), np.nan), np.zeros((1, 1)), "NaN"),
        (np.zeros((1, 1, 4, 4)), np.full((1, 1), np.nan), "NaN"),
        (np.zeros((1, 3, 4, 4)), np.zeros((1, 1)), "3 masks and 1 qualities"),
        (np.zeros((4, 4)), np.zeros((1, 1)), "no masks"),
    ],
)
def test_a_decoder_that_gives_no_masks_is_an_error(masks, quality, words):
    parts = Parts()
    parts["decoder"] = lambda feeds: {"masks": masks, "iou_predictions": quality}
    with pytest.raises(InvalidModel, match=words):
        made().run([picture(160, 120)], options(points=[(5, 5)]), parts)


def test_masks_that_are_drawn_already_are_taken_as_they_are():
    parts, drawn = Parts(), np.zeros((1, 1, 16, 16), np.uint8)
    drawn[..., :8, :] = 1
    parts["decoder"] = lambda feeds: {"masks": drawn, "iou_predictions": np.ones((1, 1))}
    (found,) = made().run([picture(64, 64)], options(points=[(5, 5)]), parts)
    np.testing.assert_array_equal(found.xyxy, [[0, 0, 64, 32]])
