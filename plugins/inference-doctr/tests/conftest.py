"""Packages of graphs made in code, and machines made up for the tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inference_core import AutoModel
from inference_core.environment import Cpu, Environment, Gpu

from . import drawn

PARAMETERS = {"vocabulary": drawn.VOCABULARY, "recognition": "crnn"}


def write_package(
    folder: Path, orientation: bool = False, size: int = drawn.DETECTOR_SIZE, **changes
):
    """A package of the graphs in `drawn`; `changes` replace entries of its manifest."""
    drawn.save_detector(folder / "detection.onnx", size=size)
    drawn.save_recogniser(folder / "recognition.onnx")
    parts = {"detection": "detection.onnx", "recognition": "recognition.onnx"}
    if orientation:
        drawn.save_orientation(folder / "crops.onnx", 256)
        drawn.save_orientation(folder / "pages.onnx", 512)
        parts |= {"crop_orientation": "crops.onnx", "page_orientation": "pages.onnx"}
    manifest = {
        "schema_version": 1,
        "name": "drawn",
        "task": "ocr",
        "parameters": PARAMETERS,
        "artifacts": [{"format": "onnx", "parts": parts}],
        **changes,
    }
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A package with a detector and a recogniser."""
    return write_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def model(package):
    with AutoModel.from_pretrained(package) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def orienting_model(tmp_path_factory):
    """The same with the two parts that tell how crops and pages are turned."""
    folder = write_package(tmp_path_factory.mktemp("orienting"), orientation=True)
    with AutoModel.from_pretrained(folder) as loaded:
        yield loaded


@pytest.fixture
def machine():
    """A machine without a GPU."""
    return Environment("linux", "6", "x86_64", "3.11", Cpu("cpu", 2, 2, ()), 2**33)


@pytest.fixture
def gpu_machine():
    """A machine that claims a GPU."""
    gpu = Gpu(0, "NVIDIA L4", 24 * 2**30, "8.9")
    return Environment(
        "linux", "6", "x86_64", "3.11", Cpu("cpu", 2, 2, ()), 2**33, "580.1", "13.0", (gpu,)
    )
