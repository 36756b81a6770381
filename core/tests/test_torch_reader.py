"""The reader of torch files, on archives built by hand in torch's layout: core's tests have no torch.

The same reader on files that torch itself wrote is tested in inference-torch.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inference_core.errors import InvalidModel
from inference_core.readers import torch_file
from inference_core.session import TensorSpec

FLOAT, HALF, LONG = 7, 6, 5
BATCH = "Symbol('s0', positive=True, integer=True)"


def size(value: int | str) -> dict[str, Any]:
    return {"as_int": value} if isinstance(value, int) else {"as_expr": {"expr_str": value}}


def tensor(dtype: int, *sizes: int | str, device: str = "cpu") -> dict[str, Any]:
    return {"dtype": dtype, "sizes": [size(each) for each in sizes], "device": {"type": device}}


def program(**changes: Any) -> dict[str, Any]:
    """An exported program with a weight, one input and one output, as its JSON describes it."""
    tensors = {
        "p_weight": tensor(HALF, 4, 3),
        "b_steps": tensor(LONG),
        "images": tensor(FLOAT, BATCH, 3, 8, 8),
        "cat_5": tensor(FLOAT, BATCH, 84, f"Mul(Integer(2), {BATCH})"),
    }
    signature = {
        "input_specs": [
            {"parameter": {"arg": {"name": "p_weight"}, "parameter_name": "weight"}},
            {"buffer": {"arg": {"name": "b_steps"}, "buffer_name": "steps", "persistent": True}},
            {"user_input": {"arg": {"as_tensor": {"name": "images"}}}},
            {"user_input": {"arg": {"as_none": True}}},
        ],
        "output_specs": [
            {"buffer_mutation": {"arg": {"name": "b_steps"}, "buffer_name": "steps"}},
            {"user_output": {"arg": {"as_tensor": {"name": "cat_5"}}}},
        ],
    }
    return {
        "graph_module": {"graph": {"tensor_values": tensors, "nodes": []}, "signature": signature},
        "range_constraints": {"s0": {"min_val": 1, "max_val": 8}},
        "schema_version": {"major": 8, "minor": 20},
        "torch_version": "2.13.0+cpu",
        **changes,
    }


def zipped(members: dict[str, bytes | str], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def export(description: Any = None, **extra: str) -> bytes:
    return zipped(
        {
            "net/models/model.json": json.dumps(description or program()),
            "net/data/weights/weight_0": b"\0" * 24,
            **{f"net/extra/{name.replace('_', '.')}": text for name, text in extra.items()},
            "net/archive_format": "pt2",
            "net/archive_version": "0",
        }
    )


@pytest.fixture
def read(tmp_path: Path):
    def from_bytes(data: bytes):
        path = tmp_path / "model.bin"
        path.write_bytes(data)
        return torch_file.read(path)

    return from_bytes


def test_an_exported_program_gives_its_inputs_outputs_batch_and_precision(read) -> None:
    artifact = read(export())
    facts = artifact.facts["model"]
    assert artifact.format == "torch-export"
    assert facts["inputs"] == (TensorSpec("images", "float32", (None, 3, 8, 8)),)
    assert facts["outputs"] == (TensorSpec("output0", "float32", (None, 84, None)),)
    assert (artifact.batch, artifact.precision) == ((1, 8), "fp16")
    assert (facts["torch.version"], facts["torch.schema_version"]) == ("2.13.0+cpu", "8.20")
    assert (facts["torch.layout"], facts["torch.devices"]) == ("pt2", ("cpu",))


def test_the_layout_of_torch_2_6_and_2_7_is_read_too(read) -> None:
    members = {
        "version": "8.5",
        "serialized_exported_program.json": json.dumps(program()),
        "serialized_state_dict.pt": b"",
        "extra_files/note.txt": "hello",
    }
    artifact = read(zipped(members))
    assert artifact.format == "torch-export"
    assert artifact.facts["model"]["torch.layout"] == "2.7"
    assert artifact.facts["model"]["metadata"] == {"note.txt": "hello"}


@pytest.mark.parametrize(
    ("limits", "batch"),
    [
        ({"min_val": 2, "max_val": None}, (1, None)),
        ({"min_val": 0, "max_val": 2**63 - 2}, (1, None)),
        ({"min_val": 4, "max_val": 16}, (4, 16)),
    ],
)
def test_the_batch_range_is_that_of_the_symbol(limits, batch, read) -> None:
    assert read(export(program(range_constraints={"s0": limits}))).batch == batch


@pytest.mark.parametrize(
    ("first", "batch"), [(4, (4, 4)), ("s0", (1, 8)), (f"Add({BATCH}, Integer(1))", None)]
)
def test_a_batch_is_fixed_a_symbol_or_unknown(first, batch, read) -> None:
    description = program()
    tensors = description["graph_module"]["graph"]["tensor_values"]
    tensors["images"] = tensor(FLOAT, first, 3)
    assert read(export(description)).batch == batch


LEAF = {"type": None, "context": None, "children_spec": []}


def returning(kind: str, keys: str | None, *children: Any) -> dict[str, Any]:
    """A program that returns two tensors and between them a number, in a form of this kind."""
    description = program()
    outputs = description["graph_module"]["signature"]["output_specs"]
    outputs.append({"user_output": {"arg": {"as_int": 7}}})
    outputs.append({"user_output": {"arg": {"as_tensor": {"name": "images"}}}})
    tree = {"type": kind, "context": keys, "children_spec": list(children)}
    calls = [
        {"fqn": "head", "signature": None},
        {"fqn": "", "signature": {"out_spec": json.dumps([1, tree])}},
    ]
    description["graph_module"]["module_call_graph"] = calls
    return description


def names_of_outputs(artifact: Any) -> list[str]:
    return [spec.name for spec in artifact.facts["model"]["outputs"]]


@pytest.mark.parametrize("kind", ["builtins.dict", "collections.OrderedDict"])
def test_a_program_that_returns_a_dict_names_its_outputs_by_the_keys(kind, read) -> None:
    description = returning(kind, '["scores", "count", "boxes"]', LEAF, LEAF, LEAF)
    assert names_of_outputs(read(export(description))) == ["scores", "boxes"]


@pytest.mark.parametrize(
    ("kind", "keys", "children"),
    [
        ("builtins.tuple", "null", [LEAF] * 3),
        ("builtins.dict", '["a", "b"]', [LEAF, {"type": "builtins.list", "children_spec": [LEAF]}]),
        ("builtins.dict", '["a", "a", "b"]', [LEAF] * 3),
        ("builtins.dict", "[0, 1, 2]", [LEAF] * 3),
    ],
    ids=["tuple", "nested", "one key twice", "numbers"],
)
def test_outputs_of_any_other_form_are_numbered(kind, keys, children, read) -> None:
    artifact = read(export(returning(kind, keys, *children)))
    assert names_of_outputs(artifact) == ["output0", "output1"]


@pytest.mark.parametrize("keys", [None, "7", "[", "[" * 100_000, '["a", "b"]'])
def test_a_damaged_form_of_the_result_is_refused_with_its_path(keys, read) -> None:
    children = [LEAF] * (2 if keys == '["a", "b"]' else 3)
    with pytest.raises(InvalidModel, match=r"model\.bin: net/models/model\.json"):
        read(export(returning("builtins.dict", keys, *children)))


def test_an_integer_that_the_graph_keeps_open_is_an_input_of_rank_0(read) -> None:
    description = program()
    specs = description["graph_module"]["signature"]["input_specs"]
    specs.append({"user_input": {"arg": {"as_sym_int": {"as_name": "count"}}}})
    assert read(export(description)).facts["model"]["inputs"][1] == TensorSpec("count", "int64", ())


def test_extra_files_are_metadata_and_an_object_in_one_gives_its_entries(read) -> None:
    config = json.dumps({"task": "detect", "names": {"0": "cat"}, "stride": 32, "nms": True})
    metadata = read(export(config_txt=config, note_txt="by hand")).facts["model"]["metadata"]
    assert metadata == {
        "task": "detect",
        "names": "{0: 'cat'}",
        "stride": "32",
        "nms": "True",
        "note.txt": "by hand",
    }


def test_torchscript_and_checkpoints_are_told_apart_by_content(read) -> None:
    saved = {"net/data.pkl": b"\x80\x02}.", "net/version": "3"}
    assert read(zipped(saved)).format == "torch-checkpoint"
    script = {
        **saved,
        "net/constants.pkl": b"\x80\x02).",
        "net/code/__torch__.py": "",
        "net/extra/config.txt": '{"a": 1}',
    }
    artifact = read(zipped(script))
    assert artifact.format == "torchscript"
    assert artifact.facts["model"]["metadata"] == {"a": "1"}
    legacy = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    assert read(legacy + pickle.dumps(1001, protocol=2)).format == "torch-checkpoint"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "neither"),
        (b"just text", "neither"),
        (pickle.dumps({"a": 1}), "not one that torch.save writes"),
        (zipped({}), "can't be read|neither"),
        (zipped({"word/document.xml": "<a/>"}), "not one that torch writes"),
        (zipped({"net/archive_format": "pt2", "net/data/aotinductor/model/a.so": b""}), "compiled"),
        (zipped({"net/models/model.json": "{"}), "no JSON"),
        (zipped({"net/models/model.json": "[]"}), "doesn't describe"),
        (zipped({"net/models/model.json": "[" * 100_000}), "no JSON"),
        (zipped({"net/models/model.json": b"\xff\xfe\xff"}), "no JSON"),
        (export(program(schema_version=None)), "doesn't describe"),
        (export()[:-30], "can't be read"),
    ],
)
def test_what_is_no_torch_file_is_refused_with_its_path(data, says, read) -> None:
    with pytest.raises(InvalidModel, match=says) as refused:
        read(data)
    assert "model.bin" in str(refused.value)


def test_a_member_that_unpacks_to_more_than_the_limit_is_refused(read, monkeypatch) -> None:
    monkeypatch.setattr(torch_file, "MAX_JSON_BYTES", 1 << 20)
    bomb = zipped({"net/models/model.json": b" " * (2 << 20)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000
    with pytest.raises(InvalidModel, match="larger than 1 MiB"):
        read(bomb)


def test_extra_files_share_one_budget_however_many_they_are(read) -> None:
    """Each is a fifth of the budget: five fit, six don't, and no sixth is unpacked in full."""
    fifth = torch_file.MAX_EXTRA_BYTES // 5
    members = {"net/models/model.json": json.dumps(program())}

    def archive(count: int) -> bytes:
        extra = {f"net/extra/{index}.txt": b" " * fifth for index in range(count)}
        return zipped(members | extra, zipfile.ZIP_DEFLATED)

    metadata = read(archive(5)).facts["model"]["metadata"]
    assert [len(text) for text in metadata.values()] == [fifth] * 5
    with pytest.raises(InvalidModel, match=r"model\.bin: its extra files hold more than 4 MiB"):
        read(archive(6))


def test_many_small_files_of_extra_text_take_little_memory(read) -> None:
    """40 MiB in a file of less than 100 kB."""
    extra = {f"net/extra/{index}.txt": b" " * (1 << 20) for index in range(40)}
    bomb = zipped({"net/models/model.json": json.dumps(program())} | extra, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidModel, match="extra files"):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_too_many_members_are_refused(read, monkeypatch) -> None:
    monkeypatch.setattr(torch_file, "MAX_MEMBERS", 3)
    with pytest.raises(InvalidModel, match="members"):
        read(export(a="1", b="2"))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pt2"):
        with pytest.raises(InvalidModel):
            torch_file.read(path)


def test_sniffing_knows_zip_files_and_pickles() -> None:
    assert torch_file.looks_like_torch(export()[:16])
    assert torch_file.looks_like_torch(b"\x80\x02\x8a")
    assert not any(map(torch_file.looks_like_torch, (b"", b"\x80", b"GGUF", b"\x08\x07\x12")))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=400), magic=st.sampled_from([b"", b"PK\3\4", b"\x80\2", b"PK\5\6"]))
def test_random_bytes_are_an_artifact_or_an_invalid_model(data, magic, read) -> None:
    with contextlib.suppress(InvalidModel):
        read(magic + data)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    position=st.integers(0, 10**6),
    byte=st.integers(0, 255),
    cut=st.integers(0, 10**6) | st.none(),
)
def test_mutated_and_truncated_archives_are_an_artifact_or_an_invalid_model(
    position, byte, cut, read
) -> None:
    data = bytearray(export(config_txt='{"task": "detect"}'))
    data[position % len(data)] = byte
    with contextlib.suppress(InvalidModel):
        read(bytes(data if cut is None else data[: cut % len(data)]))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.floats()
    | st.sampled_from(["", "images", BATCH]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["as_int", "arg"]), inner)
    ),
    max_leaves=6,
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=JSON, place=st.integers(0, 10**6))
def test_any_entry_replaced_by_any_json_is_an_artifact_or_an_invalid_model(
    value, place, read
) -> None:
    description = program()
    places = list(entries(description))
    container, key = places[place % len(places)]
    container[key] = value
    with contextlib.suppress(InvalidModel):
        read(export(description))


def entries(value: Any):
    """(container, key) of everything inside a JSON value."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from entries(value[key])
