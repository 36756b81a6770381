"""YOLO models of every task and form of output, from pictures to results, on every backend.

The networks are those of `families`: each answers in the form of its family, with what a real one
gives besides: a box that overlaps the better one it belongs to, and boxes that nothing speaks for.
"""

from __future__ import annotations

import numpy as np
import pytest

from .families import (
    COLOURS,
    RECTANGLES,
    Finder,
    answers,
    check_covers,
    opened,
    scene,
    text_part,
    torch,
    write,
    write_one,
    write_tokenizer,
)

SIDE, CELLS = 96, 24
SCORES = (0.9, 0.8, 0.7)
IMAGES = torch.zeros(2, 3, SIDE, SIDE)
# Twice as wide as the input, and padded above and below; higher than wide, and padded at its sides.
LANDSCAPE = RECTANGLES
PORTRAIT = [(10, 15, 60, 75), None, (50, 90, 95, 140)]
PORTRAIT_SIZE = (100, 150)


@pytest.fixture(scope="module")
def pictures():
    """One more than the graphs take at once."""
    landscape, portrait = scene(LANDSCAPE), scene(PORTRAIT, PORTRAIT_SIZE)
    return [landscape, portrait, landscape]


def check_boxes(found, rectangles, scale):
    """Every colour's rectangle is found once, to the pixel of the input, and nothing else."""
    there = [index for index, rectangle in enumerate(rectangles) if rectangle is not None]
    assert found.labels == tuple(COLOURS[index] for index in there)
    assert found.class_id.tolist() == there
    expected = np.array([rectangles[index] for index in there])
    np.testing.assert_allclose(found.xyxy, expected, atol=1.01 / scale)
    np.testing.assert_allclose(found.confidence, np.array(SCORES)[there], atol=1e-5)


def check_pictures(found):
    first, second, third = found
    check_boxes(first, LANDSCAPE, SIDE / 192)
    check_boxes(second, PORTRAIT, SIDE / 150)
    check_boxes(third, LANDSCAPE, SIDE / 192)


class Yolo(Finder):
    """Detection; the other tasks say what a box has besides."""

    def __init__(self, layout):
        super().__init__()
        self.layout = layout

    def forward(self, images):
        return self.laid_out(images)

    def pixels(self, images):
        """cx, cy, w, h of each colour in pixels of the input."""
        return self.boxes(images) * SIDE

    def extras(self, images, boxes):
        """(batch, 3, E)."""
        return boxes[..., :0]

    def scores(self, images):
        """(batch, 3, 3): how sure each box is of each class; 0 where its colour isn't there."""
        there = (images > 0.5).float().amax((2, 3))
        return torch.diag(torch.tensor(SCORES)) * there[..., None]

    def laid_out(self, images):
        boxes, scores = self.pixels(images), self.scores(images)
        extras = self.extras(images, boxes)
        if self.layout == "end-to-end":
            return torch.cat([corners(boxes), best(scores), extras], 2)
        # A copy of each box that is less sure, and rows that stay empty.
        near = boxes + torch.tensor([1.0, 1.0, 0.0, 0.0])
        boxes, extras = torch.cat([boxes, near], 1), torch.cat([extras, extras], 1)
        scores = torch.cat([scores, scores - 0.1], 1)
        if self.layout == "objectness":
            sure = torch.full_like(scores[..., :1], 0.95)
            scores = torch.cat([sure, scores / sure], 2)
        rows = torch.nn.functional.pad(torch.cat([boxes, scores, extras], 2), (0, 0, 0, 14))
        return rows if self.layout == "objectness" else rows.transpose(1, 2)


def corners(boxes):
    centre, size = boxes.split(2, 2)
    return torch.cat([centre - size / 2, centre + size / 2], 2)


def best(scores):
    """(batch, boxes, 2): best score and its class."""
    score, class_id = scores.max(2, keepdim=True)
    return torch.cat([score, class_id.float()], 2)


class Flat(Yolo):
    """One row per box of any picture: its picture, corners, and score and class in some order."""

    def __init__(self, last_columns):
        super().__init__("flat")
        self.last_columns = last_columns

    def forward(self, images):
        boxes, found = corners(self.pixels(images)), best(self.scores(images))
        picture = torch.arange(len(images), dtype=torch.float32)[:, None, None].expand(-1, 3, 1)
        rows = torch.cat([picture, boxes, found[..., self.last_columns]], 2).flatten(0, 1)
        return rows[found[..., 0].flatten() > 0]


class Counted(Yolo):
    """Padded tables of boxes, and how many of their rows count."""

    def __init__(self, *names):
        super().__init__("counted")
        self.names = names

    def forward(self, images):
        boxes, found = corners(self.pixels(images)), best(self.scores(images))
        order = torch.argsort(found[..., 0], 1, descending=True)
        boxes = torch.gather(boxes, 1, order[..., None].expand(-1, -1, 4))
        found = torch.gather(found, 1, order[..., None].expand(-1, -1, 2))
        counts = found[..., 0] > 0
        # Rows beyond the count hold anything.
        boxes = torch.where(counts[..., None], boxes, torch.tensor([20.0, 20.0, 60.0, 60.0]))
        scores = torch.where(counts, found[..., 0], 0.99)
        number = counts.sum(1, keepdim=True).int()
        columns = (number, boxes, scores, found[..., 1].int())
        return dict(zip(self.names, columns, strict=True))


class YoloNas(Yolo):
    """Boxes and scores as two outputs, before any suppression."""

    def forward(self, images):
        boxes, scores = corners(self.pixels(images)), self.scores(images)
        near = boxes + 1
        return torch.cat([near, boxes], 1), torch.cat([scores - 0.1, scores], 1)


NAS_NAMES = ("num_predictions", "pred_boxes", "pred_scores", "pred_classes")
FORMS = {
    "yolov8": ("yolo", Yolo("boxes-scores")),
    "yolov5": ("yolo", Yolo("objectness")),
    "yolov10": ("yolo", Yolo("end-to-end")),
    "yolov7-flat": ("yolo", Flat([1, 0])),
    "yolov7-counted": ("yolo", Counted("num_dets", "det_boxes", "det_scores", "det_classes")),
    "yolo-nas": ("yolo-nas", YoloNas("boxes, scores")),
    "yolo-nas-flat": ("yolo-nas", Flat([0, 1])),
    "yolo-nas-counted": ("yolo-nas", Counted(*NAS_NAMES)),
}


@pytest.mark.parametrize("form", FORMS)
def test_detectors_find_every_rectangle_of_every_picture(form, tmp_path, pictures):
    processor, network = FORMS[form]
    check_pictures(answers(write_one(tmp_path, processor, network, IMAGES), pictures))


@pytest.mark.parametrize("form", ["yolov7-counted", "yolo-nas-counted"])
def test_names_of_outputs_tell_what_a_bare_file_is(form, tmp_path, pictures):
    write_one(tmp_path, *FORMS[form], IMAGES)
    for file, backend in (("model.onnx", "onnx"), ("model.pt2", "torch")):
        with opened(tmp_path / file, backend) as model:
            found = model(pictures[1], color_format="rgb")
        assert found.labels == ("0", "2"), "it was recognised, and nothing tells the classes' names"


class YoloSegmentation(Yolo):
    """Prototypes are the colours and one that is everywhere, which makes the sums negative outside."""

    def extras(self, images, boxes):
        return torch.cat([torch.eye(3) * 20, torch.full((3, 1), -10)], 1).repeat(len(images), 1, 1)

    def forward(self, images):
        cells = torch.nn.functional.avg_pool2d(images, SIDE // CELLS)
        return self.laid_out(images), torch.cat([cells, torch.ones_like(cells[:, :1])], 1)


@pytest.mark.parametrize("mask_format", ["bitmap", "rle", "polygons"])
@pytest.mark.parametrize("layout", ["boxes-scores", "objectness", "end-to-end"])
def test_masks_cover_the_rectangles(layout, mask_format, tmp_path, pictures):
    folder = write_one(tmp_path, "yolo-segmentation", YoloSegmentation(layout), IMAGES)
    found = answers(folder, pictures, mask_format=mask_format)
    check_pictures(found)
    for picture, each in zip(pictures, found, strict=True):
        for mask, class_id in zip(each.with_masks("bitmap").masks, each.class_id, strict=True):
            check_covers(mask, picture[..., class_id] > 0)


class YoloKeypoints(Yolo):
    """The top left corner, the centre, and a point that lies left of the box."""

    def extras(self, images, boxes):
        centre, size = boxes.split(2, 2)
        points = [(centre - size / 2, 1.0), (centre, 0.5), (centre - size * 2, 0.0)]
        sight = torch.ones_like(centre[..., :1])
        return torch.cat([torch.cat([xy, sight * seen], 2) for xy, seen in points], 2)


@pytest.mark.parametrize("layout", ["boxes-scores", "objectness", "end-to-end"])
def test_keypoints_lie_where_the_rectangles_have_them(layout, tmp_path, pictures):
    names = ["corner", "centre", "outside"]
    stated = {"keypoints": [3, 3], "keypoint_names": names}
    folder = write_one(tmp_path, "yolo-keypoints", YoloKeypoints(layout), IMAGES, **stated)
    found = answers(folder, pictures)
    check_pictures(found)
    for each, rectangles, scale in zip(
        found, (LANDSCAPE, PORTRAIT, LANDSCAPE), (0.5, 0.64, 0.5), strict=True
    ):
        assert each.keypoint_names == tuple(names)
        for points, class_id in zip(each.keypoints, each.class_id, strict=True):
            x1, y1, x2, y2 = rectangles[class_id]
            centre = np.array([x1 + x2, y1 + y2]) / 2
            expected = [(x1, y1), centre, centre - 2 * np.array([x2 - x1, y2 - y1])]
            np.testing.assert_allclose(points[:, :2], expected, atol=2.51 / scale)
            np.testing.assert_allclose(points[:2, :2], expected[:2], atol=1.01 / scale)
            np.testing.assert_allclose(points[:, 2], [1, 0.5, 0], atol=1e-6)


class YoloOriented(Yolo):
    """Turned boxes, from the moments of each colour's pixels."""

    def moments(self, images):
        """(batch, 3, 1) each: mean x and y, variances a and b and covariance c."""
        seen = (images > 0.5).float()
        total = seen.sum((2, 3)).clamp(min=1)[..., None]
        place = torch.arange(SIDE, dtype=torch.float32) + 0.5

        def mean(x, y):
            return (seen * x * y).sum((2, 3))[..., None] / total

        one = torch.ones(())
        x, y = place, place[:, None]
        cx, cy = mean(x, one), mean(one, y)
        a, b, c = mean(x * x, one) - cx * cx, mean(one, y * y) - cy * cy, mean(x, y) - cx * cy
        return cx, cy, a, b, c

    def pixels(self, images):
        cx, cy, a, b, c = self.moments(images)
        spread = torch.sqrt(((a - b) / 2) ** 2 + c * c)
        long, short = (a + b) / 2 + spread, (a + b) / 2 - spread
        size = torch.sqrt(torch.cat([long, short], 2).clamp(min=0) * 12)
        return torch.cat([cx, cy, size], 2)

    def extras(self, images, boxes):
        _, _, a, b, c = self.moments(images)
        return torch.atan2(2 * c, a - b) / 2

    def laid_out(self, images):
        if self.layout != "end-to-end":
            return super().laid_out(images)
        boxes = self.pixels(images)
        return torch.cat([boxes, best(self.scores(images)), self.extras(images, boxes)], 2)


# cx, cy, w, h and the angle in degrees, clockwise as seen, of a turned rectangle of each colour.
TURNED = [(50, 64, 70, 30, 30), (140, 40, 80, 24, -20), (140, 100, 60, 24, 75)]


def turned_corners(cx, cy, width, height, degrees):
    angle = np.deg2rad(degrees)
    along = np.array([np.cos(angle), np.sin(angle)]) * width / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * height / 2
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.array([(cx, cy) + a * along + b * across for a, b in signs])


def turned_scene():
    pixels = scene((None, None, None))
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
    for channel, (cx, cy, width, height, degrees) in enumerate(TURNED):
        angle = np.deg2rad(degrees)
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        inside = (abs(along) <= width / 2) & (abs(across) <= height / 2)
        pixels[..., channel] = inside * 255
    return pixels


@pytest.mark.parametrize("layout", ["boxes-scores", "end-to-end"])
def test_oriented_boxes_are_turned_as_the_rectangles(layout, tmp_path):
    folder = write_one(tmp_path, "yolo-oriented", YoloOriented(layout), IMAGES)
    nothing = scene((None, None, None), PORTRAIT_SIZE)
    found, empty = answers(folder, [turned_scene(), nothing])
    assert (found.labels, len(empty)) == (COLOURS, 0)
    for corners_found, turned in zip(found.corners, TURNED, strict=True):
        expected = turned_corners(*turned)
        # A box that is turned by half a turn is the same one.
        starts = [np.roll(expected, 2 * half, axis=0) for half in range(2)]
        assert min(abs(corners_found - start).max() for start in starts) < 2


class Classifier(Finder):
    def forward(self, images):
        return images.mean((2, 3)) * 20


def test_classification_tells_how_much_of_each_colour_the_middle_has(tmp_path, pictures):
    folder = write_one(tmp_path, "classification", Classifier(), torch.zeros(2, 3, 64, 64))
    for picture, found in zip(pictures, answers(folder, pictures), strict=True):
        height, width = picture.shape[:2]
        top, left = (height - min(height, width)) // 2, (width - min(height, width)) // 2
        middle = picture[top : height - top, left : width - left]
        exponents = np.exp(middle.mean((0, 1)) / 255 * 20)
        expected = exponents / exponents.sum()
        order = np.argsort(-expected, kind="stable")
        assert found.labels[0] == COLOURS[order[0]]
        np.testing.assert_allclose(found.confidence, expected[order], atol=0.01)


class YoloWorld(Yolo):
    """Scores each box by how well its colour fits the words."""

    def forward(self, images, texts):
        there = (images > 0.5).float().amax((2, 3))
        boxes = torch.cat([self.boxes(images) * SIDE] * 2, 1)
        sure = there * torch.tensor(SCORES)
        fits = torch.cat([sure, sure * 0.9], 1)[..., None] * torch.cat(
            [texts.transpose(1, 2)] * 2, 1
        )
        rows = torch.nn.functional.pad(torch.cat([boxes, fits], 2), (0, 0, 0, 14))
        return rows.transpose(1, 2)


def test_yolo_world_finds_what_a_call_names(tmp_path, pictures):
    write_tokenizer(tmp_path)
    detector = (YoloWorld("boxes-scores"), (IMAGES, torch.zeros(2, 4, 3)), None)
    stated = {"labels": list(COLOURS), "processor": {"name": "yolo-world"}}
    write(tmp_path, {"model": detector, "text": text_part()}, **stated)
    check_pictures(answers(tmp_path, pictures))
    named = answers(tmp_path, pictures, labels=("a blue photo", "red"))
    for found, rectangles in zip(named, (LANDSCAPE, PORTRAIT, LANDSCAPE), strict=True):
        assert (found.labels, found.class_id.tolist()) == (("red", "a blue photo"), [1, 0])
        np.testing.assert_allclose(found.xyxy, [rectangles[0], rectangles[2]], atol=2.02)
