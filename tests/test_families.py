"""Model families from picture to result, on every backend: small networks whose answers are known.

Those of YOLO are in test_yolo_families, those in several parts in test_multi_part_families.
"""

from __future__ import annotations

import numpy as np
import pytest

from .families import (
    COLOURS,
    NORMALISED,
    RECTANGLES,
    Finder,
    answers,
    check_covers,
    scene,
    torch,
    write_one,
)


@pytest.fixture(scope="module")
def picture():
    return scene()


def logits(columns, first=0):
    """Each query's own colour, the first column of all being `first`."""
    eye = torch.eye(3, columns)
    return (torch.roll(eye, first, 1) * 12 - 6)[None]


class RfDetr(Finder):
    def forward(self, images):
        images = self.seen(images)
        cells = torch.nn.functional.avg_pool2d(images, 4)
        return self.boxes(images), logits(4, first=1), (cells - 0.5) * 20


class Detr(Finder):
    def forward(self, images):
        return logits(4), self.boxes(self.seen(images))


class RtDetrJoint(Finder):
    def forward(self, images):
        return torch.cat([self.boxes(images), torch.sigmoid(logits(3))], 2)


class RtDetrDeployed(Finder):
    def forward(self, images, orig_target_sizes):
        centre, size = self.boxes(images).split(2, 2)
        corners = torch.cat([centre - size / 2, centre + size / 2], 2)
        boxes = corners * orig_target_sizes.float().repeat(1, 2)[:, None]
        return torch.arange(3)[None], boxes, torch.sigmoid(logits(3)).amax(2)


class Segmenter(Finder):
    """Black, red, green, blue at a quarter of the resolution."""

    def forward(self, images):
        cells = torch.nn.functional.avg_pool2d(self.seen(images), 4)
        return torch.cat([torch.full_like(cells[:, :1], 0.4), cells], 1) * 20


class Depth(Finder):
    def forward(self, images):
        return torch.nn.functional.avg_pool2d(self.seen(images), 4).sum(1)


class Embedder(Finder):
    def forward(self, images):
        return self.seen(images).mean((2, 3))


class MultiLabel(Finder):
    def forward(self, images):
        return (self.seen(images).amax((2, 3)) - 0.5) * 8


IMAGES = torch.zeros(1, 3, 64, 96)
SIZES = torch.tensor([[96, 64]])
FORMS = {
    "rf-detr": (
        RfDetr(normalised=True),
        (IMAGES,),
        {"activation": "sigmoid", "background": "first", "boxes": 0, **NORMALISED},
    ),
    "detr": (Detr(normalised=True), (IMAGES,), {"boxes": 1}),
    "rt-detr": (RtDetrJoint(), (IMAGES,), {}),
    "rt-detr-deployed": (RtDetrDeployed(), (IMAGES, SIZES), {}),
    "rt-detr-letterboxed": (RtDetrJoint(), (torch.zeros(1, 3, 96, 96),), {"resize": "letterbox"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_detection_transformers_find_every_rectangle(form, tmp_path, picture):
    network, inputs, settings = FORMS[form]
    folder = write_one(tmp_path, "detr", network, *inputs, **settings)
    found = answers(folder, picture)
    assert sorted(found.labels) == sorted(COLOURS)
    order = np.argsort(found.class_id)
    # The input is half as large as the picture: edges come back within a pixel.
    np.testing.assert_allclose(found.xyxy[order], RECTANGLES, atol=1.01)
    np.testing.assert_allclose(found.confidence, _sure(form), atol=1e-4)
    assert (found.masks is not None) == (form == "rf-detr")


def _sure(form):
    return np.exp(6) / (np.exp(6) + 3 * np.exp(-6)) if form == "detr" else 1 / (1 + np.exp(-6))


@pytest.mark.parametrize("mask_format", ["bitmap", "rle", "polygons"])
def test_masks_of_rf_detr_cover_the_rectangles(mask_format, tmp_path, picture):
    network, inputs, settings = FORMS["rf-detr"]
    folder = write_one(tmp_path, "detr", network, *inputs, **settings)
    found = answers(folder, picture, mask_format=mask_format)
    masks = found.with_masks("bitmap").masks
    for mask, class_id in zip(masks, found.class_id, strict=True):
        check_covers(mask, picture[..., class_id] > 0)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_semantic_segmentation_gives_every_pixel_its_colour(resize, tmp_path, picture):
    side = 96 if resize == "letterbox" else 64
    folder = write_one(
        tmp_path,
        "semantic-segmentation",
        Segmenter(normalised=True),
        torch.zeros(1, 3, side, 96),
        labels=["black", *COLOURS],
        resize=resize,
        **NORMALISED,
    )
    found = answers(folder, picture, confidence_map=True)
    assert found.class_ids == (0, 1, 2, 3)
    for channel, colour in enumerate(COLOURS):
        check_covers(found.mask(colour), picture[..., channel] > 0)


def test_depth_is_in_the_pixels_of_the_picture(tmp_path, picture):
    folder = write_one(tmp_path, "depth", Depth(normalised=True), IMAGES, labels=[])
    found = answers(folder, picture)
    for x1, y1, x2, y2 in RECTANGLES:
        np.testing.assert_allclose(found.depth[y1 + 12 : y2 - 12, x1 + 12 : x2 - 12], 1, atol=1e-2)
    np.testing.assert_allclose(found.depth[-4:, -4:], 0, atol=1e-2)


def test_an_embedding_is_what_the_network_sees(tmp_path, picture):
    folder = write_one(
        tmp_path, "embedding", Embedder(normalised=True), IMAGES, labels=[], resize="stretch"
    )
    expected = picture.mean((0, 1)) / 255
    found = answers(folder, picture, normalize=False)
    np.testing.assert_allclose(found.vector, expected, atol=1e-4)
    found = answers(folder, picture)
    np.testing.assert_allclose(found.vector, expected / np.linalg.norm(expected), atol=1e-3)


def test_multi_label_classification_gives_all_that_are_there(tmp_path, picture):
    folder = write_one(
        tmp_path, "classification", MultiLabel(), IMAGES, activation="sigmoid", resize="stretch"
    )
    two = picture.copy()
    two[..., 1] = 0
    found = answers(folder, two, threshold=0.5)
    assert sorted(found.labels) == ["blue", "red"]
    np.testing.assert_allclose(found.confidence, 1 / (1 + np.exp(-4)), atol=1e-5)
