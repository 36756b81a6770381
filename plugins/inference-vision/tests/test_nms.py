"""Suppression, in pairs and in blocks, gives what the plain greedy algorithm gives."""

from __future__ import annotations

import numpy as np
import pytest
from inference_vision import nms
from inference_vision.nms import BLOCK, non_maximum_suppression


def greedy(boxes, scores, class_ids, iou, max_detections, class_agnostic=False):
    """Non-maximum suppression as textbooks have it: one box at a time, in plain Python."""
    boxes = [tuple(map(float, box)) for box in boxes]
    kept = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if len(kept) == max_detections:
            break
        x1, y1, x2, y2 = boxes[index]
        size = max(0.0, x2 - x1) * max(0.0, y2 - y1)
        for other in kept:
            if class_ids[other] != class_ids[index] and not class_agnostic:
                continue
            left, top, right, bottom = boxes[other]
            wide, high = min(x2, right) - max(x1, left), min(y2, bottom) - max(y1, top)
            if wide > 0 and high > 0:
                shared = wide * high
                if shared > iou * ((right - left) * (bottom - top) + size - shared):
                    break
        else:
            kept.append(index)
    return kept


def random_case(rng, count):
    """Few different scores and coordinates, so that ties and overlaps at the limit are many."""
    corner = rng.integers(0, 5, (count, 2)) * 5
    size = rng.integers(0, 6, (count, 2)) * 5
    boxes = np.concatenate([corner, corner + size], 1).astype(np.float32)
    scores = rng.integers(0, 4, count).astype(np.float32) / 4
    return boxes, scores, rng.integers(0, 3, count)


def telling(boxes, scores, class_ids, iou):
    """What a case can tell: whether a tie of scores decides, boxes of two classes would compete, or
    two boxes overlap by exactly as much as they may."""
    x1, y1, x2, y2 = boxes.T.astype(float)
    wide = np.minimum.outer(x2, x2) - np.maximum.outer(x1, x1)
    high = np.minimum.outer(y2, y2) - np.maximum.outer(y1, y1)
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    size = (x2 - x1) * (y2 - y1)
    allowed = iou * (np.add.outer(size, size) - shared)
    pair = ~np.eye(len(boxes), dtype=bool)
    alike, equal = np.equal.outer(class_ids, class_ids), np.equal.outer(scores, scores)
    over = (shared > allowed) & pair
    at_the_limit = (shared == allowed) & (shared > 0) & alike & pair
    return (over & alike & equal).any(), (over & ~alike).any(), at_the_limit.any()


@pytest.mark.parametrize(("few", "cases"), [(nms.FEW, 10_000), (0, 3_000)], ids=["pairs", "blocks"])
def test_it_agrees_with_the_greedy_algorithm_on_ten_thousand_random_cases(few, cases, monkeypatch):
    monkeypatch.setattr(nms, "FEW", few)
    rng = np.random.default_rng(few)
    removed, told = 0, np.zeros(3, int)
    for _ in range(cases):
        boxes, scores, classes = random_case(rng, int(rng.integers(0, 20)))
        iou = float(rng.choice([0.0, 0.25, 0.45, 0.5, 0.7, 1.0]))
        most = int(rng.choice([1, 5, 300]))
        agnostic = bool(rng.integers(2))
        found = non_maximum_suppression(
            boxes, scores, classes, iou=iou, max_detections=most, class_agnostic=agnostic
        )
        expected = greedy(boxes, scores.tolist(), classes.tolist(), iou, most, agnostic)
        assert found.tolist() == expected
        removed += len(boxes) - len(expected)
        told += telling(boxes, scores, classes, iou)
    # The cases are worth something: ties, classes to keep apart and overlaps at the limit are many.
    assert removed > cases
    ties, classes_apart, at_the_limit = told
    assert ties > cases / 8
    assert classes_apart > cases / 4
    assert at_the_limit > cases / 50


@pytest.mark.parametrize("iou", [0.0, 0.3, 0.9])
def test_it_agrees_across_several_blocks(iou, monkeypatch):
    monkeypatch.setattr(nms, "FEW", 0)
    rng = np.random.default_rng(1)
    boxes, scores, classes = random_case(rng, 3 * BLOCK + 17)
    found = non_maximum_suppression(boxes, scores, classes, iou=iou, max_detections=10_000)
    assert found.tolist() == greedy(boxes, scores, classes, iou, 10_000)


def test_a_chain_of_overlaps_keeps_every_other_box():
    left = np.arange(300, dtype=np.float32)  # each overlaps its neighbours by 0.5 / 1.5
    boxes = np.stack([left * 0.5, left * 0, left * 0.5 + 1, left * 0 + 1], 1)
    scores = np.linspace(1, 0.1, 300, dtype=np.float32)
    found = non_maximum_suppression(boxes, scores, np.zeros(300, int), iou=0.3, max_detections=1000)
    assert found.tolist() == list(range(0, 300, 2))


def test_no_boxes_give_none():
    found = non_maximum_suppression(
        np.empty((0, 4), np.float32), np.empty(0), np.empty(0, int), iou=0.5, max_detections=9
    )
    assert found.shape == (0,)


def test_enormous_boxes_do_not_overflow():
    boxes = np.array([[-3e38, -3e38, 3e38, 3e38]] * 2, np.float32)
    found = non_maximum_suppression(boxes, np.ones(2), np.zeros(2, int), iou=0.5, max_detections=9)
    assert found.tolist() == [0]


def test_many_boxes_go_through_blocks_and_stop_at_the_most_that_are_wanted():
    rng = np.random.default_rng(2)
    boxes, scores, _ = random_case(rng, 3000)
    assert nms.FEW < 3000 * 2999 / 2
    found = non_maximum_suppression(boxes, scores, np.zeros(3000, int), iou=0.9, max_detections=50)
    assert found.tolist() == greedy(boxes, scores.tolist(), [0] * 3000, 0.9, 50)
