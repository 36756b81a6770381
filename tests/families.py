"""What the tests of model families share: a picture, small networks that find what is in it, models
written for every backend, and whether the backends agree.

A network of these looks at the pixels it is given, and says what it found in the form of its family.
So a mistake in colour order, normalisation, resizing, decoding or mapping back moves a box, a mask or
a class.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
from inference_core import AutoModel

torch = pytest.importorskip("torch")
pytest.importorskip("inference_vision")

BACKENDS = ("onnx", "torch")
COLOURS = ("red", "green", "blue")
# x1, y1, x2, y2 of each colour's rectangle in the picture, and the picture's width and height.
RECTANGLES = np.array([[20, 10, 70, 50], [100, 30, 180, 60], [40, 80, 90, 120]])
SIZE = (192, 128)
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
NORMALISED = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
WORDS = ["[PAD]", "[UNK]", "a", "photo", "of", *COLOURS]


def scene(rectangles=RECTANGLES, size=SIZE):
    """RGB, black but for one rectangle per colour; None in place of one leaves that colour out."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    for channel, rectangle in enumerate(rectangles):
        if rectangle is not None:
            x1, y1, x2, y2 = rectangle
            pixels[y1:y2, x1:x2, channel] = 255
    return pixels


class Finder(torch.nn.Module):
    """Finds each colour in the input."""

    def __init__(self, normalised=False):
        super().__init__()
        self.normalised = normalised

    def seen(self, images):
        return images * STD + MEAN if self.normalised else images

    def boxes(self, images):
        """The extent of each colour, as fractions of the input: cx, cy, w, h."""
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


class TextEncoder(torch.nn.Module):
    """The colours that are named: an embedding of each word, summed over those the mask shows."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(len(WORDS), 3)
        weight = torch.zeros(len(WORDS), 3)
        for index, colour in enumerate(COLOURS):
            weight[WORDS.index(colour), index] = 2
        self.embedding.weight = torch.nn.Parameter(weight)

    def forward(self, input_ids, attention_mask):
        return (self.embedding(input_ids) * attention_mask[..., None]).sum(1)


def text_part():
    """A role of `write`: that encoder for texts of up to 12 words."""
    # Two tensors: the export takes one that is given twice for one input.
    ids, mask = (torch.zeros(1, 12, dtype=torch.int64) for _ in range(2))
    return TextEncoder(), (ids, mask), ["text_embeds"]


def write_tokenizer(folder):
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


def write(folder, roles, **manifest):
    """A model as ONNX files and as torch.export archives, with their manifest.

    Args:
        folder: where to.
        roles: by the name of each part the network, its inputs, and names of its outputs for ONNX.
            None leaves those to the exporter, but for a dict's keys.
        manifest: its entries.
    """
    artifacts = []
    for kind, suffix, export in (("onnx", "onnx", _onnx), ("torch-export", "pt2", _archive)):
        parts = {role: f"{role}.{suffix}" for role in roles}
        for role, (network, inputs, names) in roles.items():
            with warnings.catch_warnings():
                # Both exporters warn of their own future; the older needs no further package.
                warnings.simplefilter("ignore")
                export(network.eval(), inputs, names, folder / parts[role])
        artifacts.append({"format": kind, "parts": parts})
    content = {"schema_version": 1, "name": "made", "artifacts": artifacts, **manifest}
    (folder / "model.json").write_text(json.dumps(content), "utf-8")


def _onnx(network, inputs, names, path):
    taken = network.forward.__code__.co_varnames[1 : len(inputs) + 1]
    result = network(*inputs)
    if isinstance(result, dict):
        names = list(result)
    torch.onnx.export(
        network, inputs, path, dynamo=False, input_names=list(taken), output_names=names
    )


def _archive(network, inputs, names, path):
    torch.export.save(torch.export.export(network, inputs), path)


def write_one(folder, processor, network, *inputs, labels=COLOURS, **settings):
    """A model of one part, for this processor with these settings; gives its folder."""
    stated = {"name": processor, "settings": settings}
    write(folder, {"model": (network, inputs, None)}, labels=list(labels), processor=stated)
    return folder


def opened(model, backend="onnx"):
    return AutoModel.from_pretrained(model, backend=backend, options={"threads": 1})


def answers(folder, pictures, **options):
    """What the backends answer, once they are found to agree."""
    found = []
    for backend in BACKENDS:
        with opened(folder, backend) as model:
            assert model.backend == backend
            found.append(model(pictures, color_format="rgb", **options))
    first, *others = found
    for other in others:
        for one, same in zip(_listed(first), _listed(other), strict=True):
            _check_equal(one, same)
    return first


def _listed(found):
    return found if isinstance(found, list) else [found]


def _check_equal(one, other):
    """Every field, but for the last digits of what was computed, and single pixels of masks."""
    assert type(one) is type(other)
    if getattr(one, "masks", None) is not None:
        mine, theirs = (each.with_masks("bitmap").masks for each in (one, other))
        assert (mine != theirs).mean() < 1e-3
        one, other = (replace(each, masks=None) for each in (one, other))
    for field in fields(one):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if not isinstance(mine, np.ndarray):
            assert mine == theirs, field.name
        elif mine.dtype.kind == "f":
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-4, err_msg=field.name)
        else:
            np.testing.assert_array_equal(mine, theirs, err_msg=field.name)


def check_covers(mask, expected, border=8):
    """Whether they are the same but for a border of so many pixels.

    Four cells of an input that is half as large as the picture are as wide as one of the mask.
    """
    assert mask.shape == expected.shape
    assert (mask & expected).sum() / (mask | expected).sum() > 0.8
    rows, columns = np.flatnonzero(expected.any(1)), np.flatnonzero(expected.any(0))
    middle = np.s_[rows[border] : rows[-border], columns[border] : columns[-border]]
    assert mask[middle].all()
    outside = mask.copy()
    top, left = max(rows[0] - border, 0), max(columns[0] - border, 0)
    outside[top : rows[-1] + border + 1, left : columns[-1] + border + 1] = False
    assert not outside.any()
