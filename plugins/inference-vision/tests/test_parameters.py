"""Classes that a package's own parameters name are checked before the first call."""

from __future__ import annotations

import pytest
from inference_core.errors import InvalidModel
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from inference_vision.detr import DetrProcessor
from inference_vision.yolo import YoloProcessor
from inference_vision.yolo_nas import YoloNasProcessor
from inference_vision.yolo_world import YoloWorldProcessor

LABELS = ("a", "b", "c")
PROCESSORS = {
    "yolo": (YoloProcessor, {"output0": (1, 7, 84)}),
    "yolo-nas": (YoloNasProcessor, {"boxes": (1, 84, 4), "scores": (1, 84, 3)}),
    "detr": (DetrProcessor, {"dets": (1, 20, 4), "labels": (1, 20, 3)}),
}


def spec(name, shape):
    return TensorSpec(name, "float32", shape)


def made(folder, name, parameters, labels=LABELS):
    cls, outputs = PROCESSORS[name]
    package = ModelPackage(
        "made", folder, (), labels=labels, processor=ProcessorSpec(name), parameters=parameters
    )
    graph = Graph(
        (spec("images", (1, 3, 64, 64)),), tuple(spec(*output) for output in outputs.items())
    )
    return cls(package, {"model": graph})


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"classes": ["a", "zz"]}, "classes: the model has no label 'zz'"),
        ({"classes": "zz"}, "classes: the model has no label 'zz'"),
        ({"classes": [3]}, "classes: there is no class id 3"),
        ({"confidence": {"zz": 0.5}}, "confidence: the model has no label 'zz'"),
    ],
)
def test_a_class_that_is_not_there_is_refused_with_the_manifest(tmp_path, name, parameters, words):
    with pytest.raises(InvalidModel, match=words):
        made(tmp_path, name, parameters)
    (tmp_path / "model.json").touch()
    with pytest.raises(InvalidModel, match=rf"model\.json: .*{words}"):
        made(tmp_path, name, parameters)


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize(
    "parameters",
    [{}, {"classes": ["a", 2]}, {"classes": None}, {"classes": "b"}, {"confidence": {"c": 0.5}}],
)
def test_classes_that_are_there_may_be_named(tmp_path, name, parameters):
    made(tmp_path, name, parameters)


def test_without_labels_only_the_graph_knows_its_classes(tmp_path):
    made(tmp_path, "yolo", {"classes": [2]}, labels=())


def test_an_open_vocabulary_may_change_after_the_parameters(monkeypatch, tmp_path):
    monkeypatch.setattr("inference_vision.text_encoder.TextEncoder.__init__", lambda *_: None)
    package = ModelPackage(
        "made", tmp_path, (), labels=LABELS, processor=ProcessorSpec("yolo-world"),
        parameters={"classes": ["zz"]},
    )  # fmt: skip
    graph = Graph(
        (spec("images", (1, 3, 64, 64)), spec("texts", (1, None, 3))),
        (spec("output0", (1, None, 84)),),
    )
    YoloWorldProcessor(package, {"model": graph, "text": Graph((), ())})
