"""Graphs that answer otherwise than such parts do: told before they run, or when they have run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from inference_core import AutoModel, InferenceError, InvalidModel, NoBackendFound
from onnx import helper, numpy_helper

from . import drawn
from .conftest import write_package
from .test_documents import pdf

SIDE = drawn.DETECTOR_SIZE


def rewire(path: Path, shape: list | None, *nodes: tuple) -> None:
    """Let a graph's answer go through more nodes (kind, inputs, output, attributes).

    Args:
        path: of the graph, whose answer is then called "before".
        shape: what the graph says of its new answer "y"; None for nothing.
        nodes: the last gives "y".
    """
    model = onnx.load(path)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["before" if name == "y" else name for name in node.output]
    for kind, inputs, output, attributes in nodes:
        graph.node.append(helper.make_node(kind, inputs, [output], **attributes))
    graph.initializer.append(numpy_helper.from_array(np.arange(3), "three"))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape))
    onnx.save(model, path)


def page() -> np.ndarray:
    found = drawn.blank()
    drawn.write(found, "head", 100, 100)
    return found


TWO_MAPS = ("Concat", ["before", "before"], "y", {"axis": 1})
THREE_TURNS = ("Gather", ["before", "three"], "y", {"axis": 1})
SIGMOID = ("Sigmoid", ["before"], "y", {})
CLIPPED = ("HardSigmoid", ["before"], "y", {})
NOTHING = ("Sub", ["before", "before"], "zero", {})
NAN = (NOTHING, ("Div", ["zero", "zero"], "y", {}))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", [["n", 2, SIDE, SIDE], None])
def test_a_detector_of_two_maps_is_refused(tmp_path, shape, turned):
    write_package(tmp_path)
    rewire(tmp_path / "detection.onnx", shape, TWO_MAPS)
    if shape:
        with pytest.raises(
            NoBackendFound, match=r"detection\.onnx.* should give one map of a page"
        ):
            AutoModel.from_pretrained(tmp_path)
        return
    with (
        AutoModel.from_pretrained(tmp_path) as model,
        pytest.raises(InvalidModel, match=r"detection\.onnx, the detector, gives 2 maps"),
    ):
        model(page(), color_format="rgb", assume_straight_pages=not turned)


@pytest.mark.parametrize("shape", [["n", 3], ["n", None], None])
@pytest.mark.parametrize("part", ["crops", "pages"])
def test_a_classifier_of_three_orientations_is_refused(tmp_path, part, shape):
    write_package(tmp_path, orientation=True)
    rewire(tmp_path / f"{part}.onnx", shape, THREE_TURNS)
    if shape and shape[1]:
        with pytest.raises(NoBackendFound, match=rf"{part}\.onnx.* should tell 4 orientations"):
            AutoModel.from_pretrained(tmp_path)
        return
    with (
        AutoModel.from_pretrained(tmp_path) as model,
        pytest.raises(InvalidModel, match=rf"{part}\.onnx.* tells 3 orientations, and should 4"),
    ):
        model(page(), color_format="rgb", assume_straight_pages=False, detect_orientation=True)


@pytest.mark.parametrize("last", [SIGMOID, CLIPPED])
@pytest.mark.parametrize("picture", [page(), drawn.blank()], ids=["text", "blank"])
def test_a_detector_that_gives_probabilities_is_refused(tmp_path, last, picture):
    write_package(tmp_path)
    rewire(tmp_path / "detection.onnx", ["n", 1, SIDE, SIDE], last)
    with (
        AutoModel.from_pretrained(tmp_path) as model,
        pytest.raises(InvalidModel, match=r"gives probabilities, and should give logits.*sigmoid"),
    ):
        model(picture, color_format="rgb")


@pytest.mark.parametrize(
    ("part", "called"), [("detection", "detector"), ("recognition", "recogniser")]
)
def test_answers_that_are_no_numbers_name_the_part_and_the_page(tmp_path, part, called):
    write_package(tmp_path)
    shape = ["n", 1, SIDE, SIDE] if part == "detection" else ["n", 32, 9]
    rewire(tmp_path / f"{part}.onnx", shape, *NAN)
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(pdf([[], [], [("head", 100, 100)]]))
    said = rf"letter\.pdf, page 3: .*{part}\.onnx, the {called}, gives NaN or infinite"
    with AutoModel.from_pretrained(tmp_path) as model, pytest.raises(InferenceError, match=said):
        model(letter, pages=[3])


def test_an_answer_of_other_axes_is_refused_when_it_shows(tmp_path):
    write_package(tmp_path)
    flat = ("Flatten", ["before"], "y", {})
    rewire(tmp_path / "detection.onnx", None, flat)
    with (
        AutoModel.from_pretrained(tmp_path) as model,
        pytest.raises(InvalidModel, match="answers with 2 axes, and should with 4"),
    ):
        model(page(), color_format="rgb")
