"""Trains, measures and packages `shapes`, the small detector that is bundled with the plugin.

It is for making that one package again from nothing but a seed: it is not a training framework,
and the model only knows the drawn circles, squares and triangles of `shapes_scenes.py`.

    python tools/train_shapes.py

The package is written only if the exported ONNX file, run by ONNX Runtime on scenes that were not
trained on, reaches a mean average precision of `REQUIRED`. The same seed and number of steps give
the same weights on the same machine and versions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from shapes_scenes import (
    INPUT_SIZE,
    LABELS,
    LOWEST_SCORE,
    MOST_OBJECTS,
    Floats,
    as_input,
    draw_scene,
    evaluate,
    generator,
    letterbox,
    write_samples,
)
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "plugins/inference-vision/src/inference_vision/models/shapes"
REQUIRED = 0.90  # mAP@0.5 below which no package is written
STRIDES = (8, 16)
STEPS = 5600
BATCH = 8
SCENES = 6000
THREADS = 2
HELD_OUT = 500
LEARNING_RATE = 3e-3
LARGEST_BATCH = 64  # of the torch.export file


class Conv(nn.Sequential):  # type: ignore[misc]
    """A convolution without bias, batch normalisation and a ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Block(nn.Module):  # type: ignore[misc]
    """A residual separable convolution, linear between its depthwise and its pointwise part."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what it is mixed with."""
        return F.relu(x + self.norm(self.mix(self.wide(x))), inplace=True)


class Detector(nn.Module):  # type: ignore[misc]
    """An anchor-free detector: one box and one score per class at every cell of two grids.

    A cell predicts the distances from its centre to the four sides of the box, as FCOS does (Tian
    et al. 2019). A coarser grid of stride 32 only gives context, and predicts nothing.
    """

    points: Tensor
    strides: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(Conv(3, 24, 7, 4), Conv(24, 48, 3, 2), Block(48, 3), Block(48, 3))
        self.middle = nn.Sequential(Conv(48, 64, 3, 2), Block(64, 5), Block(64, 5))
        self.coarse = nn.Sequential(Conv(64, 64, 3, 2), Block(64, 5), Block(64, 5))
        self.down = Conv(64, 48, 1)
        self.heads = nn.ModuleList(
            nn.Sequential(
                Block(width, kernel), Block(width, kernel), nn.Conv2d(width, 4 + len(LABELS), 1)
            )
            for width, kernel in ((48, 3), (64, 5))
        )
        for head in self.heads:
            # Half-sides of two strides, and rare objects (the prior of the focal loss paper, Lin
            # et al. 2017), so that training does not begin with a flood of false objects.
            head[-1].bias.data[:4] = 2.0
            head[-1].bias.data[4:] = -4.6
        cells = [torch.arange(INPUT_SIZE // stride) * stride + stride / 2 for stride in STRIDES]
        grids = [torch.stack(torch.meshgrid(c, c, indexing="xy")).flatten(1) for c in cells]
        sizes = [torch.full((1, g.shape[1]), float(s)) for g, s in zip(grids, STRIDES, strict=True)]
        self.register_buffer("points", torch.cat(grids, 1), persistent=False)
        self.register_buffer("strides", torch.cat(sizes, 1), persistent=False)

    def predict(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (batch, 4, cells) as x1, y1, x2, y2, and logits (batch, classes, cells)."""
        fine = self.fine(images)
        middle = self.middle(fine)
        middle = middle + F.interpolate(self.coarse(middle), scale_factor=2.0)
        fine = fine + F.interpolate(self.down(middle), scale_factor=2.0)
        raw = torch.cat(
            [head(x).flatten(2) for head, x in zip(self.heads, (fine, middle), strict=True)], 2
        )
        before, after = (F.softplus(raw[:, :4]) * self.strides).chunk(2, 1)
        return torch.cat([self.points - before, self.points + after], 1), raw[:, 4:]

    def forward(self, images: Tensor) -> Tensor:
        """The exported layout: rows cx, cy, w, h in input pixels, then a score per class."""
        boxes, logits = self.predict(images)
        low, high = boxes.chunk(2, 1)
        return torch.cat([(low + high) / 2, high - low, logits.sigmoid()], 1)


def training_scene(seed: int, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """One letterboxed scene; missing objects are boxes without area, which hold no cell centre."""
    cv2.setNumThreads(1)
    scene = draw_scene(generator(seed, "train", index))
    image, scale, left, top = letterbox(scene.image)
    boxes, classes = torch.zeros(MOST_OBJECTS, 4), torch.zeros(MOST_OBJECTS, dtype=torch.int64)
    fitted = scene.boxes * np.float32(scale) + np.array([left, top] * 2, np.float32)
    boxes[: len(fitted)] = torch.from_numpy(fitted)
    classes[: len(fitted)] = torch.from_numpy(scene.classes)
    return torch.from_numpy(image.transpose(2, 0, 1)), boxes, classes


def training_scenes(seed: int) -> list[Tensor]:
    """Images, boxes and classes of all training scenes."""
    with ProcessPoolExecutor(THREADS) as pool:
        drawn = pool.map(partial(training_scene, seed), range(SCENES), chunksize=100)
        return [torch.stack(part) for part in zip(*drawn, strict=True)]


def turned(images: Tensor, boxes: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """Pictures and boxes in one of the eight ways to mirror and turn a square."""
    if way & 1:  # x and y swapped
        images, boxes = images.transpose(2, 3), boxes[..., [1, 0, 3, 2]]
    for axis in (0, 1):
        if way & 2 << axis:
            images, boxes = images.flip(3 - axis), boxes.clone()
            boxes[..., [axis, axis + 2]] = INPUT_SIZE - boxes[..., [axis + 2, axis]]
    return images, boxes


def overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and complete IoU of boxes (..., 4), broadcast (CIoU: Zheng et al. 2020)."""
    (low_a, high_a), (low_b, high_b) = a.split(2, -1), b.split(2, -1)
    size_a, size_b = (high_a - low_a).clamp(min=1e-6), (high_b - low_b).clamp(min=1e-6)
    shared = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0).prod(-1)
    iou = shared / (size_a.prod(-1) + size_b.prod(-1) - shared)
    hull = torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)
    distance = (low_a + high_a - low_b - high_b).square().sum(-1) / 4
    slant_a, slant_b = (torch.atan(size[..., 0] / size[..., 1]) for size in (size_a, size_b))
    aspect = 4 / math.pi**2 * (slant_a - slant_b).square()
    with torch.no_grad():
        weight = aspect / (1 - iou + aspect + 1e-6)
    return iou, iou - distance / hull.square().sum(-1).clamp(min=1e-6) - weight * aspect


def assign(
    predicted: Tensor, scores: Tensor, points: Tensor, boxes: Tensor, classes: Tensor
) -> tuple[Tensor, Tensor]:
    """Target box and class scores of every cell, by task alignment (TOOD: Feng et al. 2021).

    An object takes the cells inside its box where score^0.5 * IoU^6 is among its 10 highest; a
    cell wanted by several objects goes to the one it overlaps most. The target score of a cell is
    its alignment, scaled so that the best cell of an object gets the object's best IoU.
    """
    offsets = torch.cat([points - boxes[..., None, :2], boxes[..., None, 2:] - points], -1)
    iou, _ = overlaps(predicted[:, None], boxes[:, :, None])  # (batch, objects, cells)
    score = scores.gather(2, classes[:, None].expand(-1, scores.shape[1], -1)).transpose(1, 2)
    aligned = score.sqrt() * iou.pow(6) + 1e-12
    aligned = torch.where(offsets.amin(-1) > 0, aligned, 0.0)
    tenth = aligned.topk(10).values[..., -1:]
    chosen = (aligned >= tenth) & (aligned > 0)
    owner = torch.where(chosen, iou, -1.0).argmax(1)  # (batch, cells)
    chosen &= F.one_hot(owner, boxes.shape[1]).transpose(1, 2).bool()
    aligned, iou = aligned * chosen, iou * chosen
    quality = aligned / aligned.amax(-1, keepdim=True).clamp(min=1e-12) * iou.amax(-1, keepdim=True)
    box_targets = boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    labels = F.one_hot(classes.gather(1, owner), scores.shape[2])
    return box_targets, labels * quality.amax(1)[..., None]


def loss_of(model: Detector, images: Tensor, boxes: Tensor, classes: Tensor) -> Tensor:
    """Binary cross-entropy of the scores, and CIoU loss of the boxes weighted by target score."""
    raw_boxes, logits = (output.transpose(1, 2) for output in model.predict(images))
    with torch.no_grad():
        targets = assign(raw_boxes, logits.sigmoid(), model.points.T, boxes, classes)
    box_targets, score_targets = targets
    weights = score_targets.sum(-1)
    total = weights.sum().clamp(min=1)
    _, ciou = overlaps(raw_boxes, box_targets)
    entropy = F.binary_cross_entropy_with_logits(logits, score_targets, reduction="sum")
    return (entropy + 3 * ((1 - ciou) * weights).sum()) / total


def train(seed: int, steps: int, minutes: float | None) -> tuple[Detector, int, float]:
    """The trained detector, the steps it was trained for, and the minutes it took in all."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(THREADS)
    started = time.monotonic()
    images, boxes, classes = training_scenes(seed)
    print(f"drew {SCENES} scenes in {(time.monotonic() - started) / 60:.1f} min", flush=True)
    model = Detector().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    begun, average, step = time.monotonic(), 0.0, 0
    while (done := (time.monotonic() - begun) / 60 / minutes if minutes else step / steps) < 1:
        for group in optimizer.param_groups:  # a short warm-up, then a cosine down to zero
            group["lr"] = LEARNING_RATE * min(1, done / 0.04) * (1 + math.cos(math.pi * done)) / 2
        rows = torch.randint(SCENES, (BATCH,))
        pictures, truth = turned(images[rows], boxes[rows], int(torch.randint(8, ())))
        pictures = pictures.float().div(255).contiguous(memory_format=torch.channels_last)
        loss = loss_of(model, pictures, truth, classes[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        step += 1
        average += (loss.item() - average) / min(step, 100)
        if step % 100 == 0:
            elapsed = (time.monotonic() - begun) / 60
            print(f"step {step} ({done:.0%}): {elapsed:.1f} min, loss {average:.3f}", flush=True)
    return model.eval(), step, (time.monotonic() - started) / 60


def export(model: Detector, folder: Path) -> None:
    """Writes `shapes.onnx` and `shapes.pt2`, with the batch normalisation folded away."""
    model = model.to(memory_format=torch.contiguous_format)
    for module in model.modules():
        if isinstance(module, Conv):
            module[0] = fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    example = (torch.zeros(2, 3, INPUT_SIZE, INPUT_SIZE),)
    shapes = ({0: torch.export.Dim("batch", min=1, max=LARGEST_BATCH)},)

    program = torch.export.export(model, example, dynamic_shapes=shapes)
    for node in program.graph.nodes:  # the traces name files of the machine that exported
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node"):
            node.meta.pop(key, None)
    program.example_inputs = None  # otherwise two pictures would be stored as well
    torch.export.save(program, folder / "shapes.pt2")

    exported = torch.onnx.export(
        model,
        example,
        dynamo=True,
        opset_version=18,
        input_names=["images"],
        output_names=["output0"],
        dynamic_shapes=shapes,
        verbose=False,
    )
    assert exported is not None
    proto = exported.model_proto
    proto.ir_version = min(proto.ir_version, 10)
    del proto.metadata_props[:], proto.graph.metadata_props[:]
    graph = proto.graph
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    properties = {
        "description": "shapes: a small detector of circles, squares and triangles",
        "task": "detect",
        "names": str(dict(enumerate(LABELS))),
        "imgsz": str([INPUT_SIZE, INPUT_SIZE]),
        "stride": str(max(STRIDES)),
        "batch": "1",
    }
    onnx.helper.set_model_props(proto, properties)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, folder / "shapes.onnx")


def reload(folder: Path, seed: int) -> Callable[[Floats], Floats]:
    """Runs the ONNX file, once both files are known to give the same outputs on scenes."""
    session = onnxruntime.InferenceSession(
        folder / "shapes.onnx", providers=["CPUExecutionProvider"]
    )
    program = torch.export.load(folder / "shapes.pt2").module()
    for batch in (1, 3):
        scenes = [draw_scene(generator(seed, "held-out", index)) for index in range(batch)]
        inputs = np.concatenate([as_input(scene.image)[0] for scene in scenes])
        (first,) = session.run(None, {"images": inputs})
        with torch.no_grad():
            second = program(torch.from_numpy(inputs)).numpy()
        difference = np.abs(first - second)
        boxes, scores = difference[:, :4].max(), difference[:, 4:].max()
        print(f"batch {batch}: files differ by {boxes:.1e} px in boxes, {scores:.1e} in scores")
        if boxes > 1e-2 or scores > 1e-4:
            raise SystemExit("the ONNX and the torch.export file do not give the same outputs")
    return lambda inputs: np.asarray(session.run(None, {"images": inputs})[0], np.float32)


def write_description(folder: Path) -> None:
    """Writes `model.json`."""
    files = ("shapes.onnx", "onnx", (1, None)), ("shapes.pt2", "torch-export", (1, LARGEST_BATCH))
    artifacts = []
    for path, kind, batch in files:
        digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        entry = {"format": kind, "precision": "fp32", "batch": batch, "parts": {"model": path}}
        artifacts.append({**entry, "sha256": {path: digest}})
    description = {
        "schema_version": 1,
        "name": "shapes",
        "task": "object-detection",
        "labels": LABELS,
        "processor": {"name": "yolo", "settings": {"layout": "boxes-scores"}},
        "parameters": {"confidence": 0.25, "iou": 0.45},
        "artifacts": artifacts,
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n")


CARD = """\
# shapes

A small detector of circles, squares and triangles in drawn scenes, trained from scratch on
synthetic pictures alone. It is bundled so that an installation can be tried, tested and measured
offline and without a download.

It is **not** for photographs or for any decision that matters: it knows nothing but such drawings,
and it is no indication of how accurate a larger model is on real pictures.

## Figures

| Class | AP@0.5 |
| --- | --- |
{rows}

Measured on {held_out} held-out scenes with {objects} objects, with the exported ONNX file in ONNX
Runtime: scores from {lowest}, class-wise NMS at IoU 0.5, all-point interpolation, boxes in pixels
of the source picture. The held-out scenes come from the same generator as the training scenes, from
random streams that are never trained on.

- Parameters: {parameters:,}, the same in `shapes.onnx` and `shapes.pt2`.
- Training: {scenes:,} scenes, mirrored and turned at random; {steps:,} steps of {batch} scenes,
  seed {seed}, {minutes:.1f} minutes on {threads} CPU threads, drawing included.

## Input and output

Input `images`: float32 (batch, 3, 320, 320), RGB, 0 to 1, letterboxed onto grey 114. Output
`output0`: float32 (batch, 7, 2000), the layout of YOLOv8: centre x, centre y, width and height in
pixels of the input, then a score for circle, square and triangle. Non-maximum suppression is up to
the caller. The network is anchor-free, with grids of stride 8 and 16.

## What counts as an object

- A circle, a square at any angle, or a triangle with no angle below 36 degrees; filled, or a closed
  outline; from 16 pixels of the letterboxed input. Other things may cover a part of it, and its box
  is that of the whole shape.
- Not objects: lines, curves, text, open rings, crosses, stars, and ellipses, rectangles and kites
  at least 1.6 times as long as wide. What lies between these and a true circle or square was never
  shown, so its score means little.

`samples/` holds pictures of the same generator, and `truth.json` their true boxes. They were chosen
from 40 drawings each, of which the model got 13 to 23 right in full at a confidence of 0.25: all
objects found and nothing else. What it mostly gets wrong are kites, which it takes for triangles.

## To make it again

    python tools/train_shapes.py --seed {seed} --steps {steps}

The same seed and number of steps give the same weights on the same machine and versions (here:
torch {torch}, numpy {numpy}, OpenCV {opencv}).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains and packages; the exit status."""
    parser = argparse.ArgumentParser(description="Train, measure and package the shapes detector.")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps (%(default)s)")
    parser.add_argument("--minutes", type=float, help="train for a time instead; not reproducible")
    parser.add_argument("--seed", type=int, default=0, help="seed of all randomness (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="package folder (the plugin's)")
    options = parser.parse_args(arguments)

    model, steps, minutes = train(options.seed, options.steps, options.minutes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "shapes")
        folder.mkdir()  # the temporary folder itself is closed to other users, and would stay so
        export(model, folder)
        precisions, objects = evaluate(reload(folder, options.seed), options.seed, HELD_OUT)
        mean = sum(precisions) / len(precisions)
        print(f"mAP@0.5 {mean:.4f}:", *(f"{p:.4f}" for p in precisions))
        if mean < REQUIRED:
            print(f"below {REQUIRED}: {options.out} is left as it is", file=sys.stderr)
            return 1
        write_samples(folder / "samples")
        write_description(folder)
        rows = [*zip(LABELS, precisions, strict=True), ("**mean (mAP@0.5)**", mean)]
        card = CARD.format(
            rows="\n".join(f"| {label} | {value:.3f} |" for label, value in rows),
            held_out=HELD_OUT,
            objects=objects,
            lowest=LOWEST_SCORE,
            parameters=sum(weight.numel() for weight in model.parameters()),
            scenes=SCENES,
            batch=BATCH,
            threads=THREADS,
            steps=steps,
            seed=options.seed,
            minutes=minutes,
            torch=torch.__version__,
            numpy=np.__version__,
            opencv=cv2.__version__,
        )
        (folder / "README.md").write_text(card)
        shutil.copytree(folder, options.out, dirs_exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
