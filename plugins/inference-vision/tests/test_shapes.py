"""The bundled model finds on its sample pictures what is on them, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from inference_core.errors import ModelNotFound
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.bundled import sample_paths, shapes
from inference_vision.yolo import YoloOptions, YoloProcessor

LABELS = ("circle", "square", "triangle")


def iou(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.clip(sides, 0, None).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


@pytest.fixture(scope="module")
def predict():
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        shapes("shapes") / "shapes.onnx", providers=["CPUExecutionProvider"]
    )

    def specs(values):
        return tuple(
            TensorSpec(v.name, "float32", tuple(n if isinstance(n, int) else None for n in v.shape))
            for v in values
        )

    root = shapes("shapes")
    package = ModelPackage("shapes", root, (), labels=LABELS, processor=ProcessorSpec("yolo"))
    graph = Graph(specs(session.get_inputs()), specs(session.get_outputs()))
    processor = YoloProcessor(package, {"model": graph})

    def run(pictures, **options):
        chosen = YoloOptions(**options)
        feeds, context = processor.preprocess(pictures, chosen)
        names = [output.name for output in session.get_outputs()]
        outputs = dict(zip(names, session.run(names, feeds), strict=True))
        return processor.postprocess(outputs, context, chosen)

    return run


def test_every_object_of_every_sample_is_found_and_nothing_else(predict):
    truth = json.loads((shapes("shapes") / "samples" / "truth.json").read_text(encoding="utf-8"))
    paths = sample_paths()
    assert {path.name for path in paths} == set(truth)
    for path in paths:
        (found,) = predict([path])
        objects = truth[path.name]
        assert len(found) == len(objects), path.name
        for item in objects:
            box = np.array(item["xyxy"], float)
            overlaps = [iou(box, np.array(d.xyxy)) for d in found if d.label == item["label"]]
            assert max(overlaps, default=0) >= 0.5, (path.name, item)


def test_a_batch_gives_what_single_pictures_give(predict):
    paths = sample_paths()
    for path, together in zip(paths, predict(paths), strict=True):
        (alone,) = predict([path])
        np.testing.assert_allclose(together.xyxy, alone.xyxy, atol=0.01)
        assert together.labels == alone.labels


def test_only_the_bundled_name_is_known():
    with pytest.raises(ModelNotFound, match="'shapes'"):
        shapes("shaeps")
