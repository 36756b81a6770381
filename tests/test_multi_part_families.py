"""CLIP and SAM from picture to result through AutoModel, on every backend: small networks in two parts
whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from inference_core import InvalidArgument, ModelClosed

from .families import (
    BACKENDS,
    COLOURS,
    MEAN,
    RECTANGLES,
    STD,
    answers,
    opened,
    scene,
    text_part,
    torch,
    write,
    write_tokenizer,
)

SIDE, CELLS = 96, 24


class ImageEncoder(torch.nn.Module):
    """The mean colour of the picture."""

    def forward(self, pixel_values):
        return pixel_values.mean((2, 3))


class PictureEncoder(torch.nn.Module):
    """The mean colour of each cell."""

    def forward(self, image):
        return torch.nn.functional.avg_pool2d(image * STD + MEAN, SIDE // CELLS)


class MaskDecoder(torch.nn.Module):
    """Three masks for a point: what has its colour, what has any, everything."""

    def forward(self, image_embeddings, point_coords, point_labels):
        cell = (point_coords[0, 0] * CELLS / SIDE).long()
        cells = image_embeddings.flatten(2)
        colour = cells.index_select(2, cell[1:] * CELLS + cell[:1])
        same = 0.5 - (cells - colour).abs().amax(1)
        any_colour = cells.amax(1) - 0.5
        masks = torch.stack([same, any_colour, torch.ones_like(same)], 1) * 20
        return (
            masks.reshape(1, 3, CELLS, CELLS),
            torch.tensor([[0.9, 0.7, 0.2]]) + 0 * point_labels.sum(),
        )


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    write_tokenizer(folder)
    image = (ImageEncoder(), (torch.zeros(1, 3, 32, 32),), ["image_embeds"])
    roles = {"image": image, "text": text_part()}
    settings = {"mean": [0, 0, 0], "std": [1, 1, 1], "logit_scale": 4}
    write(folder, roles, processor={"name": "clip", "settings": settings})
    return folder


@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam")
    embeddings = torch.zeros(1, 3, CELLS, CELLS)
    prompt = (embeddings, torch.zeros(1, 2, 2), torch.zeros(1, 2))
    roles = {
        "encoder": (PictureEncoder(), (torch.zeros(1, 3, SIDE, SIDE),), ["image_embeddings"]),
        "decoder": (MaskDecoder(), prompt, ["masks", "iou_predictions"]),
    }
    write(folder, roles, processor={"name": "sam"})
    return folder


def painted(*rgb, size=(40, 30)):
    return np.full((size[1], size[0], 3), rgb, np.uint8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_clip_tells_colours_apart_by_their_names(clip, backend):
    with opened(clip, backend) as model:
        pictures = [painted(255, 0, 0), painted(0, 102, 204)]
        red, blue = model(pictures, labels=COLOURS, color_format="rgb")
        assert (red.top.label, blue.top.label) == ("red", "blue")
        logits = np.array([0, 1, 2]) / np.sqrt(5) * 4
        expected = np.sort(np.exp(logits) / np.exp(logits).sum())[::-1]
        np.testing.assert_allclose(blue.confidence, expected, atol=1e-4)
        text = model("photo of blue blue green", modality="text")
        seen = model(pictures[1], color_format="rgb")
        assert seen.similarity(text) == pytest.approx(1, abs=1e-4)
        assert model("a red photo", modality="text").similarity(text) == pytest.approx(0)
        handle = model.encode(pictures[1], color_format="rgb")
        again = model(handle, labels=("red photo", "blue photo", "green of a blue"))
        assert again.labels == ("green of a blue", "blue photo", "red photo")
        assert again.image_size == (40, 30)
    for closed in (pictures[0], handle):
        with pytest.raises(ModelClosed):
            model(closed)


def test_clip_streams_and_batches_as_any_model(clip):
    with opened(clip) as model:
        pictures = [painted(*rgb) for rgb in [(250, 0, 0), (0, 250, 0), (0, 0, 250)] * 4]
        together = model(pictures, labels=COLOURS, color_format="rgb")
        streamed = list(model.stream(pictures, labels=COLOURS, color_format="rgb"))
        expected = list(COLOURS) * 4
        assert [each.top.label for each in together] == expected
        assert [result.top.label for _, result in streamed] == expected


@pytest.fixture(scope="module")
def picture():
    return scene()


@pytest.mark.parametrize("backend", BACKENDS)
def test_sam_segments_what_a_point_shows_again_and_again(sam, picture, backend):
    with opened(sam, backend) as model:
        handle = model.encode(picture, color_format="rgb")
        for x1, y1, x2, y2 in RECTANGLES:
            point = ((x1 + x2) / 2, (y1 + y2) / 2)
            found = model(handle, points=[point])
            # A cell of the mask covers 8 x 8 pixels of the picture.
            np.testing.assert_allclose(found.xyxy, [[x1, y1, x2, y2]], atol=4.5)
            np.testing.assert_allclose(found.confidence, [0.9], atol=1e-6)
            direct = model(picture, points=[point], color_format="rgb")
            np.testing.assert_array_equal(direct.masks, found.masks)
        every = model(handle, points=[point], multimask=True, mask_format="polygons")
        assert len(every) == 3
        np.testing.assert_allclose(every.xyxy[1], [20, 10, 180, 120], atol=4.5)
        np.testing.assert_allclose(every.xyxy[2], [0, 0, 192, 128])
        with pytest.raises(InvalidArgument, match="outside"):
            model(handle, points=[(500, 5)])
    with pytest.raises(ModelClosed):
        model(handle, points=[point])


def test_both_backends_draw_the_same_masks(sam, picture):
    found = answers(sam, picture, points=[(45, 30)], multimask=True)
    assert found.masks.shape == (3, 128, 192)


class TwoScales(PictureEncoder):
    """Both of one shape, so that only their names tell them apart."""

    def forward(self, image):
        cells = super().forward(image)
        return {"high_res_feats": torch.zeros_like(cells), "image_embeddings": cells}


class RefiningDecoder(MaskDecoder):
    def forward(self, image_embeddings, high_res_feats, point_coords, point_labels):
        masks, quality = super().forward(image_embeddings, point_coords, point_labels)
        return {"iou_predictions": quality, "masks": masks + high_res_feats.mean()}


def test_a_dict_of_outputs_meets_the_next_parts_inputs_by_its_keys(tmp_path, picture, sam):
    embeddings, points, labels = (
        torch.zeros(1, 3, CELLS, CELLS),
        torch.zeros(1, 2, 2),
        torch.zeros(1, 2),
    )
    prompt = (embeddings, torch.zeros_like(embeddings), points, labels)
    roles = {
        "encoder": (TwoScales(), (torch.zeros(1, 3, SIDE, SIDE),), None),
        "decoder": (RefiningDecoder(), prompt, None),
    }
    write(tmp_path, roles, processor={"name": "sam"})
    found, plain = (answers(model, picture, points=[(45, 30)]) for model in (tmp_path, sam))
    np.testing.assert_array_equal(found.masks, plain.masks)
