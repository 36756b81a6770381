"""Pages whose text is known, and graphs that can read them: what each answers can be computed by hand.

A word is a strip of coloured blocks, one per letter. All ink is pure red without blue, on white paper;
the amount of green tells the letter, and between two letters is a thin separator without green:

    ink   red 255, blue 0, green 255 × LEVELS[letter] (0 for separators)
    paper red 255, blue 255, green 255

So `red - blue` is 1 on ink and 0 on paper and on the black margins that pages get, which makes it a
probability map of text; and green read in the middle of a crop gives the letters.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY = "abcdefgh"
LEVELS = {letter: (50 + 25 * index) / 255 for index, letter in enumerate(VOCABULARY)}
HEIGHT, LETTER, SEPARATOR = 24, 22, 6
"""Pixels: height of a word, width of a letter, and of the separators around it."""

CONFIDENCE = 0.9
"""What the recogniser says of each letter that it reads: the softmax of its two logits that count."""

DETECTOR_SIZE = 512
_MEAN = {"detection": (0.798, 0.785, 0.772), "recognition": (0.694, 0.695, 0.693)}
_STD = {"detection": (0.264, 0.2749, 0.287), "recognition": (0.299, 0.296, 0.301)}

WHITE = (255, 255, 255)


def word_width(text: str) -> int:
    return len(text) * (LETTER + SEPARATOR) + SEPARATOR


def blank(width: int = 384, height: int = DETECTOR_SIZE) -> np.ndarray:
    """An empty page, uint8 (height, width, 3) in RGB."""
    return np.full((height, width, 3), 255, np.uint8)


def strips(text: str, left: int) -> list[tuple[int, int, tuple[int, int, int]]]:
    """Where each strip of a word begins and ends, and its colour (red, green, blue)."""
    found = [(left, left + word_width(text), (255, 0, 0))]
    for index, letter in enumerate(text):
        start = left + SEPARATOR + index * (LETTER + SEPARATOR)
        found.append((start, start + LETTER, (255, round(255 * LEVELS[letter]), 0)))
    return found


def write(page: np.ndarray, text: str, left: int, top: int) -> None:
    """Draw a word whose upper left corner is there."""
    for start, end, colour in strips(text, left):
        page[top : top + HEIGHT, start:end] = colour


def found_box(text: str, left: int, top: int) -> np.ndarray:
    """Left, top, right and bottom of the box that the detector gives for a word.

    The text's pixels are widened by area × 1.5 / perimeter (Liao et al., "Real-time Scene Text
    Detection with Differentiable Binarization", section 3.5).
    """
    width = word_width(text)
    offset = width * HEIGHT * 1.5 / (2 * (width + HEIGHT))
    return np.array([left - offset, top - offset, left + width + offset, top + HEIGHT + offset])


def corners_of(box: np.ndarray) -> np.ndarray:
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def rotation(degrees: float, size: tuple[int, int]) -> np.ndarray:
    """The matrix (2, 3) that turns a picture of (width, height) counter-clockwise about its centre."""
    return cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), degrees, 1.0)


def turned(page: np.ndarray, degrees: float) -> np.ndarray:
    height, width = page.shape[:2]
    matrix = rotation(degrees, (width, height))
    return cv2.warpAffine(page, matrix, (width, height), borderValue=WHITE)


def turned_points(points: np.ndarray, degrees: float, size: tuple[int, int]) -> np.ndarray:
    matrix = rotation(degrees, size)
    return points @ matrix[:, :2].T + matrix[:, 2]


class _Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def __call__(self, kind: str, *inputs: str, output: str = "", **attributes: object) -> str:
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def channels(self, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[str, str]:
        """`red - blue` and green of the pictures as they were before they were normalised."""
        by = self("Mul", "x", self.constant(np.reshape(std, (1, 3, 1, 1))))
        plain = self("Add", by, self.constant(np.reshape(mean, (1, 3, 1, 1))))
        ink = np.reshape([1, 0, -1], (1, 3, 1, 1))
        green = np.reshape([0, 1, 0], (1, 3, 1, 1))
        return self("Conv", plain, self.constant(ink)), self("Conv", plain, self.constant(green))

    def save(self, path: Path, inputs: tuple, outputs: tuple) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "drawn",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
            self.constants,
        )
        opset = [helper.make_opsetid("", 18)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
        return path


def save_detector(path: Path, batch: str | int = "n", size: int = DETECTOR_SIZE) -> Path:
    """Logits of text: 40 × (red - blue - 0.5)."""
    graph = _Graph()
    ink, _ = graph.channels(_MEAN["detection"], _STD["detection"])
    less = graph("Sub", ink, graph.constant(0.5))
    graph("Mul", less, graph.constant(40.0), output="y")
    return graph.save(path, (batch, 3, size, size), (batch, 1, size, size))


def save_recogniser(path: Path, vocabulary: str = VOCABULARY, batch: str | int = "n") -> Path:
    """Logits (batch, 32 steps, letters and CTC's blank), a step for each 4 pixels of width.

    A step whose middle rows are ink of one green reads the letter with the nearest level: its logit is
    20 less 3000 times the squared distance. That of the blank is 20 - ln 9, so that a letter that is
    hit has a probability of 0.9, and far more where greens are mixed or there is paper.
    """
    graph = _Graph()
    ink, green = graph.channels(_MEAN["recognition"], _STD["recognition"])
    middle = [graph.constant(each, np.int64) for each in ([14], [18], [2])]
    ink, green = (graph("Slice", each, *middle) for each in (ink, green))  # 4 rows
    window = {"kernel_shape": [4, 4], "strides": [4, 4]}
    mean = graph("AveragePool", green, **window)
    highest = graph("MaxPool", green, **window)
    lowest = graph("Neg", graph("MaxPool", graph("Neg", green), **window))
    least_ink = graph("Neg", graph("MaxPool", graph("Neg", ink), **window))
    mixed = graph("Relu", graph("Sub", graph("Sub", highest, lowest), graph.constant(0.05)))
    paper = graph("Relu", graph("Sub", graph.constant(0.8), least_ink))
    levels = [LEVELS[letter] for letter in vocabulary]
    distance = graph("Sub", mean, graph.constant(np.reshape(levels, (1, -1, 1, 1))))
    squared = graph("Mul", graph("Mul", distance, distance), graph.constant(-3000.0))
    letters = graph("Add", squared, graph.constant(20.0))
    spoilt = graph("Mul", graph("Add", mixed, paper), graph.constant(1000.0))
    nothing = graph("Add", spoilt, graph.constant(20 - math.log(9)))
    together = graph("Concat", letters, nothing, axis=1)  # (batch, classes, 1, steps)
    steps = graph("Squeeze", together, graph.constant([2], np.int64))
    graph("Transpose", steps, perm=[0, 2, 1], output="y")
    return graph.save(path, (batch, 3, 32, 128), (batch, 32, len(vocabulary) + 1))


def save_orientation(path: Path, size: int) -> Path:
    """Logits of how a crop or page is turned: 0, 90, 180 or 270 degrees counter-clockwise.

    The covariance of place and green over all ink: words that begin with letters from the end of the
    alphabet are greener at their beginning, which is to the left, below, to the right or above.
    """
    graph = _Graph()
    ink, green = graph.channels(_MEAN["recognition"], _STD["recognition"])
    ink = graph("Flatten", graph("Relu", graph("Sub", ink, graph.constant(0.5))))
    bright = graph("Mul", graph("Flatten", green), ink)
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    places = graph.constant(np.stack([-x, y, x, -y], -1).reshape(-1, 4) / size)
    everywhere = graph.constant(np.full((size * size, 1), 1 / size))
    sums = [
        graph("MatMul", each, where) for each in (bright, ink) for where in (places, everywhere)
    ]
    bright_places, all_bright, ink_places, all_ink = sums
    product = graph("Mul", bright_places, all_ink)
    graph("Sub", product, graph("Mul", ink_places, all_bright), output="y")
    return graph.save(path, ("n", 3, size, size), ("n", 4))
