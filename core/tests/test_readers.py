"""What a path holds, told without a runtime; and that no bytes make a reader raise anything else."""

from __future__ import annotations

import io
import json
import os
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inference_core import (
    InferenceError,
    InvalidModel,
    ModelNotFound,
    ModelPackage,
    PluginWarning,
    configuration,
    readers,
)
from inference_core.readers import read_package

from .flatbuffer_writer import flatbuffer

SUFFIXES = ["", ".bin", ".json", *readers._SUFFIX_FORMATS]


def read(path: Path) -> ModelPackage:
    return read_package(path, configuration.Configuration(path))


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(*entries: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(entries)) + b"".join(entries)


def safetensors(header: object) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


TFLITE = flatbuffer({2: [{}]}, b"TFL3")  # one empty subgraph
ARCHITECTURE = string("general.architecture") + struct.pack("<I", 8) + string("llama")
NUMBERS = string("n") + struct.pack("<IIQ", 9, 4, 3) + b"\0" * 12
WORDS = string("w") + struct.pack("<IIQ", 9, 8, 2) + string("a") + string("b")
SCALAR = string("s") + struct.pack("<If", 6, 1.5)


def test_the_header_of_a_gguf_file(tmp_path, fake):
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(NUMBERS, WORDS, SCALAR, ARCHITECTURE))
    (artifact,) = read(path).artifacts
    assert artifact.format == "gguf"
    assert artifact.facts["model"]["gguf.version"] == 3
    assert artifact.facts["model"]["metadata"] == {"general.architecture": "llama"}


def test_the_header_of_a_safetensors_file(tmp_path, fake):
    path = tmp_path / "m.safetensors"
    tensors = {
        "a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
        "__metadata__": {"format": "pt"},
    }
    path.write_bytes(safetensors(tensors) + b"\0" * 12)
    (artifact,) = read(path).artifacts
    assert (artifact.format, artifact.precision) == ("safetensors", "bf16")
    assert artifact.facts["model"]["metadata"] == {"format": "pt"}


@pytest.mark.parametrize(
    ("name", "content", "format_name"),
    [
        ("m.tflite", TFLITE, "tflite"),
        ("m.engine", b"anything", "tensorrt"),
        ("m.plan", b"anything", "tensorrt"),
        ("m.task", zipped("face_detector.tflite"), "mediapipe-task"),
        ("no-suffix", TFLITE, "tflite"),
        ("wrong.bin", gguf(ARCHITECTURE), "gguf"),
        ("m.ckpt", zipped("a/data.pkl"), "torch-checkpoint"),
        ("m.torchscript", zipped("a/constants.pkl", "a/code/x.py"), "torchscript"),
        ("UPPER.TFLITE", TFLITE, "tflite"),
    ],
)
def test_formats_are_known_by_suffix_or_content(tmp_path, fake, name, content, format_name):
    path = tmp_path / name
    path.write_bytes(content)
    package = read(path)
    assert package.name == path.stem
    assert [artifact.format for artifact in package.artifacts] == [format_name]
    assert package.artifacts[0].path == path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"Dear diary,\n", "is no model that is known here.*text file"),
        ("notes.txt", "Grüße".encode(), "text"),
        ("photo.png", b"\x89PNG\r\n\x1a\n....", "it is a picture"),
        ("photo.jpg", b"\xff\xd8\xff\xe0....", "it is a picture"),
        ("noise.bin", b"\x99\xff\x00\xfe" * 9, "binary, of no format known"),
        ("empty.onnx", b"", "is empty"),
        ("empty", b"", "is empty"),
        ("m.onnx", gguf(ARCHITECTURE), "named like onnx but holds gguf"),
        ("m.gguf", TFLITE, "named like gguf but holds tflite"),
        ("m.tflite", b"x", "TFL3"),
        ("m.task", b"anything", "no MediaPipe task bundle"),
        ("m.task", TFLITE, "named like mediapipe-task but holds tflite"),
        ("m.gguf", b"GGU", "GGUF"),
        ("m.gguf", b"GGUF", "truncated"),
        ("m.gguf", gguf(version=9), "version 9"),
        ("m.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "entries is damaged"),
        ("m.gguf", gguf(ARCHITECTURE)[:-2], "truncated"),
        ("m.gguf", gguf(string("k") + struct.pack("<I", 99)), "unknown type 99"),
        ("m.gguf", gguf(string("k") + struct.pack("<IIQ", 9, 8, 2**62)), "truncated"),
        ("m.gguf", gguf(string("k") + struct.pack("<IIQ", 9, 4, 2**62)), "truncated"),
        ("m.safetensors", b"x", "truncated"),
        ("m.safetensors", struct.pack("<Q", 2**60) + b"{}", "truncated"),
        ("m.safetensors", safetensors([]), "damaged"),
        ("m.safetensors", safetensors(b"{"), "damaged"),
        ("m.safetensors", safetensors({"a": {}}), "damaged"),
        ("m.safetensors", safetensors(b"[" * 90_000), "damaged"),
        ("m.safetensors", safetensors({"a": {"dtype": "F32", "data_offsets": [0, 1e999]}}),
         "damaged"),
        ("m.pt2", b"PK\x03\x04", "torch"),
        ("m.pt2", zipped("a/other"), "not one that torch writes"),
        ("m.pt", b"\x80\x02}.", "pickle"),
        ("m.pt", b"text", "neither a zip file nor a pickle"),
    ],
)  # fmt: skip
def test_what_is_no_model_is_refused_with_its_path(tmp_path, fake, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidModel, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_an_empty_folder_and_one_of_other_things(tmp_path, fake):
    with pytest.raises(InvalidModel, match=r"empty folder: a model folder holds a model\.json"):
        read(tmp_path)
    for index in range(8):
        (tmp_path / f"{index}.bin").touch()
    with pytest.raises(InvalidModel, match=r"only 0\.bin.* and 2 more; name a file in it"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("config", "architectures"),
    [
        ({"model_type": "bert", "architectures": ["BertModel"]}, ("BertModel",)),
        ({"model_type": "bert"}, ()),
        ({"model_type": "bert", "architectures": 5}, ()),
        ({"architectures": None}, ()),
    ],
)
def test_a_hugging_face_folder(tmp_path, fake, config, architectures):
    (tmp_path / "config.json").write_text(json.dumps(config))
    (artifact,) = read(tmp_path).artifacts
    assert artifact.format == "transformers"
    assert artifact.facts["model"]["transformers.architectures"] == architectures
    assert artifact.facts["model"]["transformers.custom_code"] is False


def test_custom_code_in_a_hugging_face_folder_is_seen(tmp_path, fake):
    config = {"model_type": "mine", "auto_map": {"AutoModel": "code.py"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (artifact,) = read(tmp_path).artifacts
    assert artifact.facts["model"]["transformers.custom_code"] is True


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff", b"[]", b"{}"])
def test_a_config_that_is_none_is_refused(tmp_path, fake, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InvalidModel, match=r"config\.json"):
        read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_pipes_and_devices_are_not_waited_for(tmp_path, fake):
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null")):
        with pytest.raises(InvalidModel, match="neither a file nor a folder"):
            read(path)
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "config.json")
    with pytest.raises(InvalidModel, match="is no file"):
        read(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_or_folder_is_refused(tmp_path, fake):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(InferenceError, match=r"model\.onnx.*(read|opened)"):
        read(path)
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0)
    with pytest.raises(InferenceError, match="folder"):
        read(folder)
    folder.chmod(0o700)


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b", "missing.onnx"])
def test_a_path_to_nothing_is_no_model(tmp_path, fake, name):
    with pytest.raises(ModelNotFound) as caught:
        read(tmp_path / name)
    assert len(str(caught.value)) < 1000


def test_a_manifest_may_name_a_checkpoint(tmp_path, fake):
    (tmp_path / "m.pt").write_bytes(zipped("a/data.pkl"))
    manifest = {"schema_version": 1, "name": "m",
                "artifacts": [{"format": "torch-checkpoint", "parts": {"model": "m.pt"}}]}  # fmt: skip
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    assert read(tmp_path).artifacts[0].format == "torch-checkpoint"
    (tmp_path / "m.pt").write_bytes(zipped("a/constants.pkl", "a/code/x.py"))
    with pytest.raises(InvalidModel, match="stated to be torch-checkpoint but is torchscript"):
        read(tmp_path)


READERS = """
    from inference_core.errors import InvalidModel
    from inference_core.package import Artifact, ModelPackage

    def one(path):
        if path.suffix == ".mine":
            return ModelPackage("mine", path, (Artifact("mine", {"model": path}),))

    def text(path):
        return "a str" if path.suffix == ".text" else None

    def crash(path):
        if path.suffix == ".crash":
            raise SystemExit(1)

    def damaged(path):
        if path.suffix == ".damaged":
            raise InvalidModel("seen to be damaged")
"""


@pytest.fixture
def installed(fake):
    names = ("one", "text", "crash", "damaged")
    fake.add("inference-r", {"readers": {n: f"r_module:{n}" for n in names}}, {"r_module": READERS})
    fake.add("inference-broken", {"readers": {"broken": "no_such_module:read"}})
    return fake


@pytest.mark.parametrize(
    ("name", "message"),
    [("text", r"reader 'text' \(inference-r 1.0\) returned str instead of a ModelPackage"),
     ("crash", r"reader 'crash' \(inference-r 1.0\) raised SystemExit.*INFERENCE_DISABLE")],
)  # fmt: skip
def test_an_installed_reader_that_fails_is_named_and_passed_over(
    installed, tmp_path, name, message
):
    path = tmp_path / f"a.{name}"
    path.write_bytes(TFLITE)
    with pytest.warns(PluginWarning, match=message):
        assert read(path).artifacts[0].format == "tflite"


def test_an_installed_reader_may_say_that_its_file_is_damaged(installed, tmp_path):
    (tmp_path / "a.damaged").write_bytes(b"x")
    with pytest.raises(InvalidModel, match="seen to be damaged"):
        read(tmp_path / "a.damaged")


def test_an_installed_reader_recognises_its_files_and_a_broken_one_stops_nothing(
    installed, tmp_path
):
    (tmp_path / "a.mine").write_bytes(b"x")
    assert read(tmp_path / "a.mine").name == "mine"
    (tmp_path / "b.tflite").write_bytes(TFLITE)
    assert read(tmp_path / "b.tflite").artifacts[0].format == "tflite"


def test_two_readers_that_claim_a_file_are_both_named(installed, tmp_path):
    installed.add("inference-s", {"readers": {"two": "r_module:one"}})
    (tmp_path / "a.mine").write_bytes(b"x")
    with pytest.raises(
        InvalidModel, match=r"claimed by reader 'one'.* and reader 'two'.*model.json"
    ):
        read(tmp_path / "a.mine")


# ---- arbitrary bytes

magic = st.sampled_from(
    [b"", b"GGUF\3\0\0\0", b"\0\0\0\0TFL3", b"PK\x03\x04", b"\x80\x02", b"\x08\x07", b"\x0a\x04",
     struct.pack("<Q", 20) + b'{"a":', gguf(ARCHITECTURE, NUMBERS), zipped("a/data.pkl"),
     zipped("a/models/model.json"), safetensors({"a": {"dtype": "F32", "data_offsets": [0, 4]}})]
)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(suffix=st.sampled_from(SUFFIXES), start=magic, rest=st.binary(max_size=300))
def test_any_bytes_give_a_package_or_an_error_of_ours(fake, suffix, start, rest):
    check_bytes(suffix, start + rest)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    suffix=st.sampled_from(SUFFIXES),
    whole=st.sampled_from([gguf(ARCHITECTURE, WORDS, NUMBERS, SCALAR), zipped("a/data.pkl", "b"),
                           zipped("x/models/model.json", "x/archive_format"),
                           safetensors({"a": {"dtype": "F32", "data_offsets": [0, 4]}})]),
    at=st.integers(0, 400), byte=st.integers(0, 255), cut=st.integers(0, 400),
)  # fmt: skip
def test_flipped_and_cut_files_give_a_package_or_an_error_of_ours(
    fake, suffix, whole, at, byte, cut
):
    damaged = bytearray(whole)
    damaged[at % len(damaged)] ^= byte
    check_bytes(suffix, bytes(damaged[: len(damaged) - cut % len(damaged)]))


def check_bytes(suffix: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model{suffix}")
        path.write_bytes(content)
        try:
            package = read(path)
        except InferenceError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert isinstance(package, ModelPackage)
