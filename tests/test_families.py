"""Model families from picture to result, on every backend: small networks whose answers are known.

Each network finds coloured rectangles by looking at the pixels it is given, and says what it found in
the form of its family. So a mistake in colour order, normalisation, resizing, decoding or mapping back
moves a box, a mask or a class.
"""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from inference_core import AutoModel

torch = pytest.importorskip("torch")
pytest.importorskip("inference_vision")

BACKENDS = ("onnx", "torch")
COLOURS = ["red", "green", "blue"]
WIDTH, HEIGHT = 192, 128
# x1, y1, x2, y2 of each colour's rectangle in the picture.
RECTANGLES = np.array([[20, 10, 70, 50], [100, 30, 180, 60], [40, 80, 90, 120]])
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
NORMALISED = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.fixture(scope="module")
def picture():
    """RGB, black but for one rectangle per colour."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for channel, (x1, y1, x2, y2) in enumerate(RECTANGLES):
        pixels[y1:y2, x1:x2, channel] = 255
    return pixels


class Finder(torch.nn.Module):
    """The extent of each colour, as fractions of the input: cx, cy, w, h."""

    def __init__(self, normalised=False, **fields):
        super().__init__()
        self.normalised = normalised
        for name, value in fields.items():
            setattr(self, name, value)

    def seen(self, images):
        return images * STD + MEAN if self.normalised else images

    def boxes(self, images):
        seen = (images > 0.5).float()
        count, _, height, width = images.shape
        edges = []
        for axis, side in ((2, width), (3, height)):
            there = seen.amax(axis)
            place = torch.arange(side, dtype=torch.float32)
            first = (side - (side - place) * there).amin(2)
            last = ((place + 1) * there).amax(2)
            edges.append((first / side, last / side))
        (left, right), (top, bottom) = edges
        return torch.stack(
            [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], 2
        ).reshape(count, 3, 4)

    def scores(self, columns, first=0):
        """Logits: each query's own colour, the first column of all being `first`."""
        eye = torch.eye(3, columns)
        return (torch.roll(eye, first, 1) * 12 - 6)[None]


class RfDetr(Finder):
    def forward(self, images):
        images = self.seen(images)
        cells = torch.nn.functional.avg_pool2d(images, 4)
        return self.boxes(images), self.scores(4, first=1), (cells - 0.5) * 20


class Detr(Finder):
    def forward(self, images):
        return self.scores(4), self.boxes(self.seen(images))


class RtDetrJoint(Finder):
    def forward(self, images):
        return torch.cat([self.boxes(images), torch.sigmoid(self.scores(3))], 2)


class RtDetrDeployed(Finder):
    def forward(self, images, orig_target_sizes):
        centre, size = self.boxes(images).split(2, 2)
        corners = torch.cat([centre - size / 2, centre + size / 2], 2)
        boxes = corners * orig_target_sizes.float().repeat(1, 2)[:, None]
        return torch.arange(3)[None], boxes, torch.sigmoid(self.scores(3)).amax(2)


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


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Write a network as an ONNX file and as a torch.export archive, with their manifest."""

    def write(processor, network, *inputs, labels=COLOURS, **settings):
        folder = tmp_path_factory.mktemp(processor)
        network = network.eval()
        names = ["images", "orig_target_sizes"][: len(inputs)]
        with warnings.catch_warnings():
            # Both exporters warn of their own future; the older needs no further package.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network, inputs, folder / "model.onnx", dynamo=False, input_names=names
            )
            torch.export.save(torch.export.export(network, inputs), folder / "model.pt2")
        manifest = {
            "schema_version": 1,
            "name": processor,
            "labels": labels,
            "processor": {"name": processor, "settings": settings},
            "artifacts": [
                {"format": "onnx", "parts": {"model": "model.onnx"}},
                {"format": "torch-export", "parts": {"model": "model.pt2"}},
            ],
        }
        (folder / "model.json").write_text(json.dumps(manifest), "utf-8")
        return folder

    return write


def answers(folder, picture, **options):
    """What each backend answers, of which the first is given once they are found to agree."""
    found = []
    for backend in BACKENDS:
        with AutoModel.from_pretrained(folder, backend=backend, options={"threads": 1}) as model:
            assert model.backend == backend
            found.append(model(picture, color_format="rgb", **options))
    return found


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
def test_detection_transformers_find_every_rectangle(form, package, picture):
    network, inputs, settings = FORMS[form]
    folder = package("detr", network, *inputs, **settings)
    for found in answers(folder, picture):
        assert sorted(found.labels) == sorted(COLOURS)
        order = np.argsort(found.class_id)
        # The input is half as large as the picture: edges come back within a pixel.
        np.testing.assert_allclose(found.xyxy[order], RECTANGLES, atol=1.01)
        np.testing.assert_allclose(found.confidence, _sure(form), atol=1e-4)
        assert (found.masks is not None) == (form == "rf-detr")


def _sure(form):
    return np.exp(6) / (np.exp(6) + 3 * np.exp(-6)) if form == "detr" else 1 / (1 + np.exp(-6))


@pytest.mark.parametrize("mask_format", ["bitmap", "rle", "polygons"])
def test_masks_of_rf_detr_cover_the_rectangles(mask_format, package, picture):
    network, inputs, settings = FORMS["rf-detr"]
    folder = package("detr", network, *inputs, **settings)
    for found in answers(folder, picture, mask_format=mask_format):
        masks = found.with_masks("bitmap").masks
        for mask, class_id in zip(masks, found.class_id, strict=True):
            _check_covers(mask, picture[..., class_id] > 0)


def _check_covers(mask, expected):
    """The same but for a border as wide as a cell of the mask: 4 cells of the input, 8 pixels."""
    assert mask.shape == expected.shape
    assert (mask & expected).sum() / (mask | expected).sum() > 0.8
    rows, columns = np.flatnonzero(expected.any(1)), np.flatnonzero(expected.any(0))
    middle = np.s_[rows[8] : rows[-8], columns[8] : columns[-8]]
    assert mask[middle].all()
    outside = mask.copy()
    outside[max(rows[0] - 8, 0) : rows[-1] + 9, max(columns[0] - 8, 0) : columns[-1] + 9] = False
    assert not outside.any()


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_semantic_segmentation_gives_every_pixel_its_colour(resize, package, picture):
    side = 96 if resize == "letterbox" else 64
    folder = package(
        "semantic-segmentation",
        Segmenter(normalised=True),
        torch.zeros(1, 3, side, 96),
        labels=["black", *COLOURS],
        resize=resize,
        **NORMALISED,
    )
    first, second = answers(folder, picture, confidence_map=True)
    np.testing.assert_array_equal(first.class_map, second.class_map)
    np.testing.assert_allclose(first.confidence, second.confidence, atol=1e-4)
    assert first.class_ids == (0, 1, 2, 3)
    for channel, colour in enumerate(COLOURS):
        _check_covers(first.mask(colour), picture[..., channel] > 0)


def test_depth_is_in_the_pixels_of_the_picture(package, picture):
    folder = package("depth", Depth(normalised=True), IMAGES, labels=[])
    first, second = answers(folder, picture)
    np.testing.assert_allclose(first.depth, second.depth, atol=1e-4)
    for x1, y1, x2, y2 in RECTANGLES:
        np.testing.assert_allclose(first.depth[y1 + 12 : y2 - 12, x1 + 12 : x2 - 12], 1, atol=1e-2)
    np.testing.assert_allclose(first.depth[-4:, -4:], 0, atol=1e-2)


def test_an_embedding_is_what_the_network_sees(package, picture):
    folder = package("embedding", Embedder(normalised=True), IMAGES, labels=[], resize="stretch")
    expected = picture.mean((0, 1)) / 255
    for found in answers(folder, picture, normalize=False):
        np.testing.assert_allclose(found.vector, expected, atol=1e-4)
    for found in answers(folder, picture):
        np.testing.assert_allclose(found.vector, expected / np.linalg.norm(expected), atol=1e-3)


def test_multi_label_classification_gives_all_that_are_there(package, picture):
    folder = package("classification", MultiLabel(), IMAGES, activation="sigmoid", resize="stretch")
    two = picture.copy()
    two[..., 1] = 0
    for found in answers(folder, two, threshold=0.5):
        assert sorted(found.labels) == ["blue", "red"]
        np.testing.assert_allclose(found.confidence, 1 / (1 + np.exp(-4)), atol=1e-5)
