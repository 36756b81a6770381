"""The tables of what core's readers tell and check, compared with what they tell of real files.

Each format has one small file here, written by hand so that no framework is needed. How complete the
tables' sentences are is tested in test_reference.py.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from inference_core.configuration import Configuration
from inference_core.readers import _SUFFIX_ONLY, read_package
from inference_core.readers.formats import READERS
from onnx import TensorProto, helper

PAGE = Path(__file__).parents[1] / "docs" / "authors" / "readers-and-sources.md"

TENSOR = {"dtype": 7, "sizes": [{"as_int": 1}], "device": {"type": "cpu"}}
PROGRAM = {
    "graph_module": {
        "graph": {"tensor_values": {"x": TENSOR}},
        "signature": {
            "input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
            "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "x"}}}}],
        },
    },
    "schema_version": {"major": 8, "minor": 20},
    "range_constraints": {},
    "torch_version": "2.13.0",
}


# A root table at byte 20 with its vtable before it; its field 2, the subgraphs, is a vector of one
# table, which has no fields.
TFLITE = struct.pack("<I4s5H2xi3I2Hi", 20, b"TFL3", 10, 8, 0, 0, 4, 12, 4, 1, 8, 4, 4, 4)


def onnx_file(path: Path) -> None:
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([], "same", [info], [info])
    path.write_bytes(helper.make_model(graph).SerializeToString())


def archive(members: dict[str, str]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            for name, text in members.items():
                file.writestr(f"m/{name}", text)

    return write


def safetensors_file(path: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def transformers_folder(path: Path) -> None:
    path.mkdir()
    (path / "config.json").write_text('{"model_type": "bert"}')


def written(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


SAMPLES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "onnx": ("m.onnx", onnx_file),
    "torch-export": ("m.pt2", archive({"models/model.json": json.dumps(PROGRAM)})),
    "torchscript": ("m.torchscript", archive({"constants.pkl": "", "code/m.py": ""})),
    "torch-checkpoint": ("m.pt", archive({"data.pkl": ""})),
    "gguf": ("m.gguf", written(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))),
    "tflite": ("m.tflite", written(TFLITE)),
    "safetensors": ("m.safetensors", safetensors_file),
    "transformers": ("m", transformers_folder),
    "tensorrt": ("m.engine", written(b"engine")),
    "mediapipe-task": ("m.task", archive({"face_detector.tflite": ""})),
}


def rows(heading: str) -> list[tuple[str, str]]:
    """First and second cell of each row of the table below a heading."""
    section = PAGE.read_text("utf-8").split(f"### {heading}\n")[1].partition("\n### ")[0]
    return re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)


def documented_facts(format_name: str) -> set[str]:
    return {
        fact
        for fact, cell in rows("What the readers of core tell")
        if f"`{format_name}`" in cell.partition(":")[0]
    }


@pytest.mark.parametrize("format_name", SAMPLES)
def test_the_table_has_the_facts_that_a_reader_gives_and_no_others(format_name, tmp_path):
    name, write = SAMPLES[format_name]
    write(tmp_path / name)
    (artifact,) = read_package(tmp_path / name, Configuration(tmp_path / "none.toml")).artifacts
    assert artifact.format == format_name
    facts = artifact.facts.get("model", {})
    assert set(facts) == documented_facts(format_name)


def test_every_format_that_core_reads_is_in_both_tables():
    assert {*READERS, *_SUFFIX_ONLY, "transformers"} == set(SAMPLES)
    assert [name for name, _ in rows("What the readers of core have checked")] == list(SAMPLES)
    named = {
        name
        for _, cell in rows("What the readers of core tell")
        for name in re.findall(r"`([^`]+)`", cell.partition(":")[0])
    }
    assert named <= set(SAMPLES)
