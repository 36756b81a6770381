"""Reading the header: what is no MLP is refused in words, and no header makes it read too much."""

from __future__ import annotations

import json

import numpy as np
import pytest
from inference_core import InvalidModel
from inference_example.weights import MAX_HEADER, read_mlp

from .conftest import header_of, tensors, write, write_mlp

DATA = b"".join(map(bytes, tensors().values()))


def test_the_layers_are_found_with_their_place_in_the_file(tmp_path):
    path = write_mlp(tmp_path / "m.safetensors")
    mlp = read_mlp(path)
    assert [weight.shape for weight, _ in mlp.layers] == [(3, 2), (1, 3)]
    assert mlp.metadata == {"activation": "relu"}
    content = path.read_bytes()
    for (weight, _), n in zip(mlp.layers, range(2), strict=True):
        array = tensors()[f"layers.{n}.weight"]
        assert content[weight.offset :][: array.nbytes] == array.tobytes()


def changed(name: str, **fields: object) -> dict:
    header = header_of(tensors())
    header[name] = {**header[name], **fields}
    return header


FIRST = "layers.0.weight"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (changed(FIRST, dtype="BF16"), "layers.0.weight is BF16, and only F32 and F16 can be run"),
        (changed(FIRST, shape=[3, 2**62]), "not of its size"),
        (changed(FIRST, shape=[-3, -2]), "impossible shape"),
        (changed(FIRST, shape=[3.0, 2]), "impossible shape"),
        (changed(FIRST, shape=[True, 6]), "impossible shape"),
        (changed(FIRST, shape=[2, 3]), r"is \(2, 3\), and by its neighbours \(3, 3\)"),
        (changed(FIRST, shape=[6]), "by its neighbours"),
        (changed("layers.1.bias", shape=[]), "by its neighbours"),
        (changed(FIRST, data_offsets=[0, 2**63]), "not of its size"),
        (changed(FIRST, data_offsets=[-24, 0]), "isn't where the tensor before it ends"),
        (changed("layers.1.bias", data_offsets=[0, 4]), "isn't where the tensor before it ends"),
        (changed(FIRST, data_offsets=None), "no MLP"),
        ({FIRST: "F32"}, "no MLP"),
        ({"__metadata__": ["relu"]}, "no MLP"),
        ({}, "its header describes"),
        ([1, 2], "no MLP"),
        (None, "no MLP"),
        (1e400, "no MLP"),
    ],
)  # fmt: skip
def test_a_wrong_header_is_refused_in_words(tmp_path, header, message):
    path = write(tmp_path / "m.safetensors", header, DATA)
    with pytest.raises(InvalidModel, match=message) as caught:
        read_mlp(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("remove", "add", "message"),
    [
        ("layers.1.bias", {}, "layers.1.bias is missing"),
        (FIRST, {}, "layers.0.weight is missing"),
        (None, {"head": np.zeros(1, np.float32)}, "head is no tensor of an MLP"),
    ],
)
def test_tensors_that_make_no_mlp_are_named(tmp_path, remove, add, message):
    arrays = {name: array for name, array in tensors().items() if name != remove} | add
    data = b"".join(map(bytes, arrays.values()))
    path = write(tmp_path / "m.safetensors", header_of(arrays), data)
    with pytest.raises(InvalidModel, match=message):
        read_mlp(path)


def test_every_truncated_file_is_refused(tmp_path):
    content = write_mlp(tmp_path / "m.safetensors").read_bytes()
    for length in range(len(content)):
        path = tmp_path / "short.safetensors"
        path.write_bytes(content[:length])
        with pytest.raises(InvalidModel):
            read_mlp(path)


def test_bytes_after_the_data_are_refused(tmp_path):
    path = write(tmp_path / "m.safetensors", header_of(tensors()), DATA + b"more")
    with pytest.raises(InvalidModel, match="its header describes"):
        read_mlp(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (0).to_bytes(8, "little"),
        (MAX_HEADER + 1).to_bytes(8, "little") + b" " * (MAX_HEADER + 2),
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
        (4).to_bytes(8, "little") + b"\xff\xfe{}",
    ],
    ids=["empty", "huge length", "no header", "long header", "deep header", "no text"],
)
def test_a_hostile_start_is_refused(tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(InvalidModel, match="is no MLP in a safetensors file"):
        read_mlp(path)


@pytest.mark.parametrize("name", ["missing.safetensors", "", "x" * 4000, "nul\0"])
def test_what_cannot_be_opened_is_an_error_in_words(tmp_path, name):
    with pytest.raises(InvalidModel):
        read_mlp(tmp_path / name)


def test_a_header_made_longer_by_spaces_is_read(tmp_path):
    # As safetensors itself writes it, to start the data at a multiple of eight.
    text = json.dumps(header_of(tensors())).encode() + b"     "
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + DATA)
    assert len(read_mlp(path).layers) == 2


def test_files_that_safetensors_itself_writes_are_read(tmp_path):
    numpy_files = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "m.safetensors"
    for dtype in ("float32", "float16"):
        arrays = {name: np.ascontiguousarray(a) for name, a in tensors(dtype).items()}
        numpy_files.save_file(arrays, path, metadata={"activation": "tanh"})
        mlp = read_mlp(path)
        assert [weight.shape for weight, _ in mlp.layers] == [(3, 2), (1, 3)]
        assert mlp.metadata == {"activation": "tanh"}
