"""Draws synthetic scenes of circles, squares and triangles, and scores detections on them.

It is the only source of data of the bundled `shapes` model, for `train_shapes.py`. It is not a
model of natural pictures, and its scoring is not a general benchmark.

Every scene is a function of its random generator alone. What counts as an object:

- a circle, a square (rotated by any angle) or a triangle (no angle below 36 degrees), filled or
  as a closed outline, at least `SMALLEST` pixels long once the picture is letterboxed;
- another thing may cover a part of it; its box is that of the whole shape.

Anything else is a distractor: lines, curves, text, open rings, crosses, stars, long ellipses, long
rectangles, kites. A closed ring is an outlined circle, hence a distractor ring always has a gap.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LABELS = ("circle", "square", "triangle")
DISTRACTORS = ("ring", "cross", "star", "ellipse", "rectangle", "kite")
INPUT_SIZE = 320  # side of the letterboxed input
SMALLEST, LARGEST = 16.0, 150.0  # longer side of an object, in pixels of the letterboxed input
MOST_OBJECTS = 14  # in a scene
LETTERS = "CEFHIJKLMNSTUVWXYZ12357"  # without O, A, D and the like, which hold a circle or triangle
LOWEST_SCORE = 0.005  # of the detections that are scored
SAMPLE_SEED = 0
# Name, size, objects, index of the drawing, no noise (a noisy PNG would be large). Of the first 40
# drawings of each, one that the model gets right in full: that holds for 13 to 23 of the 40.
SAMPLES = (
    ("scene-1.png", (640, 480), 7, 19, True),
    ("scene-2.jpg", (480, 640), 6, 22, False),
    ("scene-3.png", (720, 540), 8, 35, True),
    ("scene-4.jpg", (500, 500), 6, 11, False),
)

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """An RGB picture and its objects: boxes as (x1, y1, x2, y2) pixels, classes as LABELS index."""

    image: Image
    boxes: Floats
    classes: NDArray[np.int64]


def generator(seed: int, split: str, index: int) -> np.random.Generator:
    """The random generator of one scene: splits and indices never share a stream."""
    return np.random.default_rng([seed, ("train", "held-out", "sample").index(split), index])


def letterbox(image: Image) -> tuple[Image, float, float, float]:
    """Fits a picture into the square input, centred on grey: input, scale, left, top padding."""
    height, width = image.shape[:2]
    scale = min(INPUT_SIZE / width, INPUT_SIZE / height)
    inner = round(width * scale), round(height * scale)
    if inner != (width, height):
        image = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    dx, dy = (INPUT_SIZE - inner[0]) / 2, (INPUT_SIZE - inner[1]) / 2
    left, top = round(dx - 0.1), round(dy - 0.1)
    square = np.full((INPUT_SIZE, INPUT_SIZE, 3), 114, np.uint8)
    square[top : top + inner[1], left : left + inner[0]] = image
    return square, scale, left, top


def draw_scene(
    rng: np.random.Generator,
    size: tuple[int, int] | None = None,
    objects: int | None = None,
    clean: bool = False,
) -> Scene:
    """Draws one scene; `size` is (width, height), and `clean` leaves out grain, noise and the like."""
    width, height = size or tuple(int(side) for side in rng.integers(240, 721, 2))
    unit = max(width, height) / INPUT_SIZE  # source pixels per pixel of the letterboxed input
    image = _background(rng, width, height, clean)
    for _ in range(rng.integers(0, 4)):
        _stroke(rng, image, unit)

    count = int(rng.integers(1, MOST_OBJECTS + 1)) if objects is None else objects
    if objects is None and rng.random() < 0.06:
        count = 0
    kinds = [LABELS[i] for i in rng.integers(0, len(LABELS), count)]
    kinds += [DISTRACTORS[i] for i in rng.integers(0, len(DISTRACTORS), rng.integers(0, 7))]
    taken: list[tuple[int, int, int, int]] = []
    boxes: list[tuple[int, int, int, int]] = []
    classes: list[int] = []
    for kind in rng.permutation(kinds):
        box = _add_figure(rng, image, str(kind), unit, taken)
        if box is None:
            continue
        taken.append(box)
        if kind in LABELS:
            boxes.append(box)
            classes.append(LABELS.index(kind))

    if rng.random() < 0.25:
        _stroke(rng, image, unit * 0.5)  # a thin one, over the objects
    if not clean:
        image = _degrade(rng, image, unit)
    return Scene(image, np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int64))


def _colour(rng: np.random.Generator) -> Floats:
    """Any colour, with greys, black and white more often than chance would have it."""
    colour = rng.uniform(0, 255, 3)
    if rng.random() < 0.4:
        colour += rng.uniform(0.5, 1) * (colour.mean() - colour)
    if rng.random() < 0.25:
        colour = 127.5 + (colour - 127.5) * rng.uniform(1, 4)
    return np.clip(colour, 0, 255).astype(np.float32)


def _background(rng: np.random.Generator, width: int, height: int, smooth: bool) -> Image:
    """A smooth field of colours, at times, unless it must be smooth, with a grain or stripes."""
    base, other = _colour(rng), _colour(rng)
    mix = rng.uniform(0, rng.uniform(0.05, 0.6), (rng.integers(2, 6), rng.integers(2, 6), 1))
    tint = rng.uniform(-1, 1, (*mix.shape[:2], 3)) * rng.uniform(0, 40)
    coarse = np.clip(base + mix * (other - base) + tint, 0, 255).astype(np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    relief = np.zeros((height, width), np.float32)
    if not smooth and rng.random() < 0.3:
        cells = max(width, height) // int(rng.integers(2, 9))
        grain = rng.standard_normal((cells, cells), np.float32) * np.float32(rng.uniform(2, 12))
        relief += cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
    if not smooth and rng.random() < 0.25:
        angle, period = rng.uniform(0, math.pi), rng.uniform(6, 60)
        along = math.cos(angle) * np.arange(width) + math.sin(angle) * np.arange(height)[:, None]
        waves = np.sin(along.astype(np.float32) * np.float32(2 * math.pi / period))
        relief += np.float32(rng.uniform(3, 16)) * waves
    return _add(image.astype(np.uint8), cv2.merge([relief] * 3))


def _add(image: Image, change: NDArray[Any]) -> Image:
    """Adds a signed change to a picture, without wrapping around."""
    return np.asarray(cv2.add(image, change, dtype=cv2.CV_8U), np.uint8)


def _stroke(rng: np.random.Generator, image: Image, unit: float) -> None:
    """Draws a line, a wavy curve or a word straight onto the picture."""
    height, width = image.shape[:2]
    colour = _colour(rng).tolist()
    thickness = max(1, round(unit * rng.uniform(0.8, 4)))
    kind = rng.integers(0, 3)
    if kind == 2:
        word = "".join(rng.choice(list(LETTERS), rng.integers(2, 9)))
        origin = int(rng.uniform(-0.1, 0.7) * width), int(rng.uniform(0.1, 1) * height)
        scale = unit * rng.uniform(0.3, 1.4)
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        cv2.putText(image, word, origin, font, scale, colour, thickness, cv2.LINE_AA)
        return
    ends = rng.uniform(-0.1, 1.1, (2, 2)) * (width, height)
    t = np.linspace(0, 1, 40)[:, None]
    points = ends[0] + t * (ends[1] - ends[0])
    if kind == 1:
        normal = (ends[1] - ends[0])[::-1] * (-1, 1)
        points += rng.uniform(0.05, 0.3) * np.sin(t * rng.uniform(2, 12)) * normal
    cv2.polylines(image, [_fixed(points)], False, colour, thickness, cv2.LINE_AA, 4)


def _contour(rng: np.random.Generator, kind: str) -> NDArray[np.float64]:
    """The corners of a figure, turned by a random angle and scaled to a longer side of 1."""
    turn = rng.uniform(0, 2 * math.pi)
    angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    radii: NDArray[np.float64] | float = 1.0
    stretch = 1.0
    if kind == "square":
        angles = np.arange(4) * math.pi / 2
        if rng.random() < 0.3:
            turn = math.pi / 4  # upright
    elif kind == "rectangle":
        half = math.atan(1 / rng.uniform(1.7, 6))
        angles = np.array([half, math.pi - half, math.pi + half, -half])
    elif kind == "triangle":
        # By the inscribed angle theorem, corner angles a, b span arcs 2a, 2b of the circumcircle.
        first, second = rng.uniform(math.radians(42), math.radians(72), 2)
        angles = np.array([0, 2 * first, 2 * (first + second)])
    elif kind == "star":
        angles = np.linspace(0, 2 * math.pi, 2 * int(rng.integers(4, 8)), endpoint=False)
        radii = np.where(np.arange(len(angles)) % 2, rng.uniform(0.3, 0.5), 1)
    elif kind == "cross":
        arm = rng.uniform(0.12, 0.3)
        quarter = np.array([math.atan(arm), math.pi / 4, math.pi / 2 - math.atan(arm)])
        angles = (np.arange(4)[:, None] * math.pi / 2 + quarter).ravel()
        radii = np.tile([math.hypot(1, arm), math.hypot(arm, arm), math.hypot(1, arm)], 4)
    elif kind == "ring":
        angles = np.linspace(0, rng.uniform(0.4, 1.6) * math.pi, 60)
    elif kind == "ellipse":
        stretch = rng.uniform(1.6, 3)
    elif kind == "kite":
        angles, stretch = np.arange(4) * math.pi / 2, rng.uniform(1.6, 2.6)
    points = np.stack([np.cos(angles), np.sin(angles) / stretch], 1) * np.reshape(radii, (-1, 1))
    sine, cosine = math.sin(turn), math.cos(turn)
    points = points @ np.array([[cosine, sine], [-sine, cosine]])
    points -= points.min(0)
    return np.asarray(points / points.max())


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Points in the fixed-point form of OpenCV's drawing functions, with 4 fractional bits."""
    return np.round(points * 16).astype(np.int32)


def _add_figure(
    rng: np.random.Generator,
    image: Image,
    kind: str,
    unit: float,
    taken: list[tuple[int, int, int, int]],
) -> tuple[int, int, int, int] | None:
    """Paints one figure where it covers little of the others; its box, or None without room."""
    height, width = image.shape[:2]
    largest = min(LARGEST * unit, 0.6 * min(width, height))
    length = math.exp(rng.uniform(math.log(SMALLEST * unit), math.log(largest)))
    # A stroke must survive letterboxing, and must leave the inside of an outline open.
    thickness = int(rng.uniform(max(2, 1.3 * unit), max(3, 1.4 * unit, 0.12 * length)))
    margin = thickness + 2
    points = _contour(rng, kind) * (length - thickness) + margin
    patch = np.ceil(points.max(0) + margin).astype(int)
    mask = np.zeros((patch[1], patch[0]), np.uint8)
    outlined = kind == "ring" or rng.random() < 0.3
    if outlined:
        closed = kind != "ring"
        cv2.polylines(mask, [_fixed(points)], closed, 255, thickness, cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(mask, [_fixed(points)], 255, cv2.LINE_AA, 4)
    left, top, box_width, box_height = cv2.boundingRect((mask > 127).astype(np.uint8))
    mask = mask[top : top + box_height, left : left + box_width]

    for _ in range(12):
        x = int(rng.integers(0, width - box_width + 1))
        y = int(rng.integers(0, height - box_height + 1))
        box = x, y, x + box_width, y + box_height
        if all(_covered(box, other) < 0.2 for other in taken):
            break
    else:
        return None
    area = image[y : y + box_height, x : x + box_width]
    paint = _paint(rng, area)
    if not outlined and rng.random() < 0.2:
        edge = [_fixed(points - (left, top))]
        cv2.polylines(paint, edge, True, _colour(rng).tolist(), thickness, cv2.LINE_AA, 4)
    alpha = mask / np.float32(255)
    area[:] = cv2.blendLinear(paint, area, alpha, 1 - alpha)
    return box


def _covered(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """The overlap of two boxes as a fraction of the smaller one."""
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return max(0, wide) * max(0, high) / smaller


def _paint(rng: np.random.Generator, area: Image) -> Image:
    """A colour that stands out from what it is painted on, flat or with a gentle shade."""
    ground = np.array(cv2.mean(area)[:3], np.float32)
    if rng.random() < 0.12:  # faint, yet visible
        away = np.where(ground < 128, 1, -1).astype(np.float32)
        colour = ground + away * np.float32(rng.uniform(28, 45))
    else:
        colour = _colour(rng)
        while np.abs(colour - ground).max() < 60:
            colour = _colour(rng)
    shade = rng.uniform(5, 30) if rng.random() < 0.3 else 0
    column = np.clip(colour + shade * np.linspace(-1, 1, len(area))[:, None, None], 0, 255)
    return np.repeat(column.astype(np.uint8), area.shape[1], 1)


def _degrade(rng: np.random.Generator, image: Image, unit: float) -> Image:
    """What a camera and a file format may do: blur, noise, exposure, JPEG artefacts."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), unit * rng.uniform(0.3, 1.2)).astype(np.uint8)
    if rng.random() < 0.4:
        spread = int(rng.integers(3, 28))
        image = _add(image, rng.integers(-spread, spread + 1, image.shape, np.int8))
    if rng.random() < 0.4:
        gain, shift = rng.uniform(0.6, 1.3), rng.uniform(-30, 30)
        image = np.clip(np.arange(256) * gain + shift, 0, 255).astype(np.uint8)[image]
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))]
        _, data = cv2.imencode(".jpg", image, quality)
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def detections(output: Floats, confidence: float, iou: float) -> Floats:
    """Decodes one picture's output: rows x1, y1, x2, y2, score, class after class-wise NMS."""
    classes, scores = output[4:].argmax(0), output[4:].max(0)
    low, high = output[:2] - output[2:4] / 2, output[:2] + output[2:4] / 2
    rows = np.concatenate([low, high, scores[None], classes[None].astype(np.float32)]).T
    rows = rows[scores >= confidence]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    kept: list[Floats] = []
    while len(rows):
        kept.append(rows[0])
        rows = rows[(rows[:, 5] != rows[0, 5]) | (box_iou(rows[0], rows) < iou)]
    return np.array(kept, np.float32).reshape(-1, 6)


def box_iou(box: Floats, boxes: Floats) -> Floats:
    """IoU of one box with many."""
    shared = np.minimum(box[2:4], boxes[:, 2:4]) - np.maximum(box[:2], boxes[:, :2])
    common = np.clip(shared, 0, None).prod(1)
    sizes = (boxes[:, 2:4] - boxes[:, :2]).prod(1) + (box[2:4] - box[:2]).prod()
    return np.asarray(common / (sizes - common), np.float32)


def as_input(image: Image) -> tuple[Floats, float, float, float]:
    """The model input of one picture, (1, 3, 320, 320), and the letterbox that was applied."""
    square, scale, left, top = letterbox(image)
    return square.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255), scale, left, top


def evaluate(run: Callable[[Floats], Floats], seed: int, count: int) -> tuple[list[float], int]:
    """Average precision at IoU 0.5 of each class on held-out scenes, and their objects.

    All-point interpolation: the area under the precision envelope (PASCAL VOC 2010 onwards).
    """
    found: list[list[tuple[float, bool]]] = [[] for _ in LABELS]
    totals = [0] * len(LABELS)
    for index in range(count):
        scene = draw_scene(generator(seed, "held-out", index))
        inputs, scale, left, top = as_input(scene.image)
        rows = detections(run(inputs)[0], LOWEST_SCORE, 0.5)
        rows[:, :4] = (rows[:, :4] - np.array([left, top] * 2, np.float32)) / scale
        for label in range(len(LABELS)):
            truth = scene.boxes[scene.classes == label]
            totals[label] += len(truth)
            free = np.ones(len(truth), bool)
            for row in rows[rows[:, 5] == label]:
                iou = box_iou(row, truth) * free
                hit = bool(len(truth)) and bool(iou.max() >= 0.5)
                if hit:
                    free[iou.argmax()] = False
                found[label].append((float(row[4]), hit))
    precisions: list[float] = []
    for hits, total in zip(found, totals, strict=True):
        order = [hit for _, hit in sorted(hits, key=lambda pair: -pair[0])]
        positives = np.cumsum(order)
        precision = positives / np.arange(1, len(order) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        precisions.append(float((envelope * order).sum() / total))
    return precisions, sum(totals)


def write_samples(folder: Path) -> None:
    """Draws the sample pictures and their true boxes."""
    folder.mkdir()
    truth = {}
    for name, size, objects, index, clean in SAMPLES:
        scene = draw_scene(generator(SAMPLE_SEED, "sample", index), size, objects, clean)
        cv2.imwrite(str(folder / name), scene.image[..., ::-1])
        truth[name] = [
            {"label": LABELS[label], "xyxy": [int(value) for value in box]}
            for label, box in zip(scene.classes, scene.boxes, strict=True)
        ]
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")
