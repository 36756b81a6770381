"""What the TensorFlow Lite and task bundle readers see, and that no bytes make them do anything else
than say so."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inference_core.errors import InvalidModel
from inference_core.readers import flatbuffer as reading
from inference_core.readers import task_file, tflite_file
from inference_core.session import TensorSpec

from .flatbuffer_writer import Scalar, Vector, flatbuffer

DTYPES = {0: "float32", 1: "float16", 3: "uint8", 5: "str", 6: "bool", 9: "int8", 18: "bfloat16"}


def tensor(name="x", shape=(1, 3), dtype=0, buffer=0, signature=None, scales=None, rank=True):
    fields = {
        0: Vector("i", shape),
        1: Scalar("b", dtype),
        2: Scalar("I", buffer),
        3: name,
        8: Scalar("?", rank),
    }
    if signature is not None:
        fields[7] = Vector("i", signature)
    if scales is not None:
        fields[4] = {2: Vector("f", scales), 3: Vector("q", [0] * len(scales))}
    return fields


def subgraph(tensors, inputs=(0,), outputs=(1,)):
    return {0: list(tensors), 1: Vector("i", inputs), 2: Vector("i", outputs)}


def signature(key, inputs, outputs, index=0):
    def named(names):
        return [{0: name, 1: Scalar("I", at)} for name, at in names.items()]

    return {0: named(inputs), 1: named(outputs), 2: key, 4: Scalar("I", index)}


def a_model(*subgraphs, buffers=(b"",), metadata=None, operators=(), signatures=()) -> bytes:
    subgraphs = subgraphs or (subgraph([tensor("x"), tensor("y")]),)
    root = {
        0: Scalar("I", 3),
        1: [dict(operator) for operator in operators],
        2: list(subgraphs),
        4: [{0: each} if isinstance(each, bytes) else each for each in buffers],
        7: list(signatures),
    }
    if metadata is not None:
        root[4] = [*root[4], {0: metadata}]
        root[6] = [
            {0: "min_runtime_version", 1: Scalar("I", 0)},
            {0: "TFLITE_METADATA", 1: Scalar("I", len(root[4]) - 1)},
        ]
    return flatbuffer(root, b"TFL3")


def zipped(members: dict[str, str | bytes], method=zipfile.ZIP_DEFLATED, comment=b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def read(folder: Path, content: bytes):
    path = folder / "model.tflite"
    path.write_bytes(content)
    return tflite_file.read(path)


def facts(folder: Path, content: bytes):
    return read(folder, content).facts["model"]


def test_tensors_are_read_in_the_order_of_the_graph(tmp_path):
    tensors = [tensor("b"), tensor("w", (5,), 9), tensor("a", (2, 4), 9), tensor("y", ())]
    artifact = read(tmp_path, a_model(subgraph(tensors, inputs=(2, 0), outputs=(3,))))
    seen = artifact.facts["model"]
    assert artifact.format == "tflite"
    assert artifact.parts == {"model": tmp_path / "model.tflite"}
    assert seen["inputs"] == (TensorSpec("a", "int8", (2, 4)), TensorSpec("b", "float32", (1, 3)))
    assert seen["outputs"] == (TensorSpec("y", "float32", ()),)


@pytest.mark.parametrize(("number", "name"), DTYPES.items())
def test_every_element_type_has_its_name(tmp_path, number, name):
    model = a_model(subgraph([tensor(dtype=number), tensor("y")]))
    assert facts(tmp_path, model)["inputs"][0].dtype == name


@pytest.mark.parametrize(
    ("shape", "stated", "rank", "seen", "batch"),
    [
        ((1, 3), (-1, 3), True, (None, 3), (1, None)),
        ((4, 3), None, True, (4, 3), (4, 4)),
        ((1, 1), (-1, -1), False, (None, None), (1, None)),
        ((), None, True, (), None),
        ((), None, False, None, None),
    ],
)
def test_shapes_and_the_batch_they_mean(tmp_path, shape, stated, rank, seen, batch):
    one = tensor("x", shape, signature=stated, rank=rank)
    artifact = read(tmp_path, a_model(subgraph([one, tensor("y")])))
    assert artifact.facts["model"]["inputs"] == (TensorSpec("x", "float32", seen),)
    assert artifact.batch == batch


def test_quantised_inputs_and_outputs_are_named(tmp_path):
    tensors = [tensor("x", dtype=3, scales=[0.5]), tensor("n", dtype=3), tensor("y", scales=[])]
    seen = facts(tmp_path, a_model(subgraph(tensors, inputs=(0, 1), outputs=(2,))))
    assert seen["tflite.quantized"] == ("x",)


def test_names_come_from_the_signature_of_the_first_subgraph(tmp_path):
    signatures = [
        signature("serving_default", {"image": 0}, {"scores": 1}),
        signature("train", {"a": 0}, {"b": 1}),
        signature("other", {"c": 0}, {"d": 1}, index=1),
    ]
    two = [subgraph([tensor("t:0"), tensor("t:1")])] * 2
    seen = facts(tmp_path, a_model(*two, signatures=signatures))
    assert [spec.name for spec in (*seen["inputs"], *seen["outputs"])] == ["image", "scores"]
    assert {key: each["subgraph"] for key, each in seen["tflite.signatures"].items()} == {
        "serving_default": 0,
        "train": 0,
        "other": 1,
    }
    unclear = facts(tmp_path, a_model(*two, signatures=signatures[1:]))
    assert unclear["inputs"][0].name == "a"
    unclear = facts(tmp_path, a_model(*two, signatures=[signature("x", {}, {}), signatures[1]]))
    assert unclear["inputs"][0].name == "t:0"


def test_each_signature_has_specs_of_its_own_subgraph_in_the_order_of_that(tmp_path):
    one = subgraph([tensor("x"), tensor("y")])
    tensors = [tensor("p", (2,), 9), tensor("q", (3,), 18), tensor("r", (4,)), tensor("s", (5,))]
    other = subgraph(tensors, inputs=(1, 0), outputs=(2,))
    named = signature("other", {"a": 0, "b": 1}, {"extra": 3, "result": 2}, index=1)
    seen = facts(tmp_path, a_model(one, other, signatures=[named]))
    assert seen["inputs"] == (TensorSpec("x", "float32", (1, 3)),)
    assert seen["tflite.signatures"]["other"] == {
        "subgraph": 1,
        "inputs": (TensorSpec("b", "bfloat16", (3,)), TensorSpec("a", "int8", (2,))),
        "outputs": (TensorSpec("result", "float32", (4,)), TensorSpec("extra", "float32", (5,))),
    }


def test_subgraphs_with_variables_are_numbered(tmp_path):
    plain, state = subgraph([tensor(), tensor("y")]), {**tensor("state"), 5: Scalar("?", True)}
    stateful = subgraph([tensor(), tensor("y"), state])
    seen = facts(tmp_path, a_model(plain, stateful, plain, stateful))
    assert seen["tflite.stateful"] == (1, 3)


def test_a_tensor_that_is_returned_twice_keeps_both_its_names(tmp_path):
    twice = subgraph([tensor("x"), tensor("y")], outputs=(1, 1))
    named = signature("serve", {"x": 0}, {"first": 1, "second": 1})
    seen = facts(tmp_path, a_model(twice, signatures=[named]))
    for specs in (seen["outputs"], seen["tflite.signatures"]["serve"]["outputs"]):
        assert [spec.name for spec in specs] == ["first", "second"]


def test_missing_and_repeated_names_get_a_number(tmp_path):
    tensors = [tensor(""), tensor("same"), tensor("same"), tensor("same_2")]
    seen = facts(tmp_path, a_model(subgraph(tensors, inputs=(0, 1, 2, 3), outputs=(0,))))
    assert [spec.name for spec in seen["inputs"]] == ["input_0", "same", "same_2", "same_2_3"]
    assert seen["outputs"][0].name == "output_0"
    tensors = [tensor("a"), tensor("a_3"), tensor("a_3_"), tensor("a")]
    seen = facts(tmp_path, a_model(subgraph(tensors, inputs=(0, 1, 2, 3), outputs=(0,))))
    assert [spec.name for spec in seen["inputs"]] == ["a", "a_3", "a_3_", "a_3__"]


@pytest.mark.parametrize(
    ("constants", "precision"),
    [
        ([(0, 10), (9, 4)], "fp32"),
        ([(1, 10), (0, 4)], "fp16"),
        ([(9, 10), (2, 400), (0, 3)], "int8"),
        ([(9, 5), (0, 5)], None),
        ([], None),
    ],
)
def test_the_precision_is_that_of_most_constants(tmp_path, constants, precision):
    weights = [tensor("w", (count,), kind, buffer=1) for kind, count in constants]
    variable = tensor("v", (10_000,), 9)  # without a buffer: computed, not stored
    model = a_model(subgraph([tensor(), tensor("y"), variable, *weights]), buffers=(b"", b"1234"))
    assert read(tmp_path, model).precision == precision


def test_constants_of_every_subgraph_count(tmp_path):
    ends = [tensor(), tensor("y")]
    graphs = [subgraph([*ends, tensor("w", (count,), kind, buffer=1)])
              for count, kind in ((1, 0), (10, 1))]  # fmt: skip
    assert read(tmp_path, a_model(*graphs, buffers=(b"", b"1234"))).precision == "fp16"


def test_constants_behind_the_flatbuffer_count(tmp_path):
    weight = tensor("w", (2,), 1, buffer=1)
    behind = {1: Scalar("Q", 16), 2: Scalar("Q", 4)}
    model = a_model(subgraph([tensor(), tensor("y"), weight]), buffers=(b"", behind))
    assert read(tmp_path, model).precision == "fp16"
    behind = {1: Scalar("Q", 10**9), 2: Scalar("Q", 4)}
    with pytest.raises(InvalidModel, match="a buffer at byte 1000000000 ends at byte 1000000004"):
        read(tmp_path, a_model(buffers=(b"", behind)))
    inside = {0: b"1234", 1: Scalar("Q", 1), 2: Scalar("Q", 10**9)}  # 1 is as good as none
    model = a_model(subgraph([tensor(), tensor("y"), weight]), buffers=(b"", inside))
    assert read(tmp_path, model).precision == "fp16"


def test_operators_that_are_not_tensorflow_lites_own_are_named(tmp_path):
    operators = [
        {0: Scalar("b", 3)},
        {0: Scalar("b", 32), 1: "TransformLandmarks"},
        {0: Scalar("b", 127), 1: "", 3: Scalar("i", 150)},
        {0: Scalar("b", 32), 1: "FlexErf", 3: Scalar("i", 32)},
        {1: "Newer", 3: Scalar("i", 32)},
        {0: Scalar("b", 32), 1: "not this", 3: Scalar("i", 33)},
    ]
    seen = facts(tmp_path, a_model(operators=operators))
    assert seen["tflite.custom_operators"] == ("TransformLandmarks", "FlexErf", "Newer")


def metadata_with(*files: tuple[str, int], other: tuple[str, int] | None = None) -> bytes:
    """Of an output with these files, and another with one."""
    outputs = [
        {0: "scores", 6: [{0: name, 2: Scalar("b", kind)} for name, kind in found]}
        for found in (files, [other] if other else [])
    ]
    return flatbuffer({0: "birds", 1: "Tells birds", 3: [{3: outputs}], 5: "MIT"}, b"M001")


def test_the_metadata_and_its_labels_are_read(tmp_path):
    model = a_model(metadata=metadata_with(("notes.txt", 1), ("birds.txt", 2), ("birds_de.txt", 2)))
    seen = facts(tmp_path, model + zipped({"birds.txt": "robin\n wren \n", "birds_de.txt": "x"}))
    assert seen["metadata"] == {"name": "birds", "description": "Tells birds", "license": "MIT"}
    assert seen["tflite.labels"] == ("robin", "wren")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("\na\n\nb\n\n", ("", "a", "", "b", "")),
        ("a\r\nb\r\n", ("a", "b")),
        ("", ()),
        ("\n", ("",)),
        ("a\u2028b\u0085c\nd", ("a\u2028b\u0085c", "d")),
        (b"gr\xf6\xdfer\nok", ("gr\ufffd\ufffder", "ok")),
    ],
)
def test_every_line_of_a_file_of_labels_is_a_class(tmp_path, text, labels):
    model = a_model(metadata=metadata_with(("l.txt", 2)))
    assert facts(tmp_path, model + zipped({"l.txt": text}))["tflite.labels"] == labels


def test_labels_of_two_outputs_are_nobodys(tmp_path):
    files = zipped({"a.txt": "a", "b.txt": "b"})
    model = a_model(metadata=metadata_with(("a.txt", 2), other=("b.txt", 2)))
    assert facts(tmp_path, model + files)["tflite.labels"] == ()
    model = a_model(metadata=metadata_with(("a.txt", 2), other=("a.txt", 2)))
    assert facts(tmp_path, model + files)["tflite.labels"] == ("a",)


def test_outputs_without_a_name_in_the_metadata_are_counted(tmp_path):
    metadata = flatbuffer({3: [{3: [{0: "scores"}, {1: "no name"}, {}]}]}, b"M001")
    assert facts(tmp_path, a_model(metadata=metadata))["tflite.unnamed_outputs"] == 2
    assert facts(tmp_path, a_model())["tflite.unnamed_outputs"] == 0


def test_metadata_that_say_little_are_told_from_none(tmp_path):
    metadata = flatbuffer({3: [{3: [{0: "location"}]}]}, b"M001")
    seen = facts(tmp_path, a_model(metadata=metadata))
    assert (seen["tflite.described"], seen["metadata"]) == (True, {})
    assert facts(tmp_path, a_model())["tflite.described"] is False


def test_the_normalisation_of_pixels_is_read(tmp_path):
    def unit(kind, mean, std):
        return {0: Scalar("B", kind), 1: {0: Vector("f", mean), 1: Vector("f", std)}}

    units = [unit(3, [1], [2]), unit(1, [127.5], [64, 32, 16])]
    metadata = flatbuffer({3: [{2: [{0: "image", 4: units}]}]}, b"M001")
    seen = facts(tmp_path, a_model(metadata=metadata))["tflite.normalization"]
    assert seen == {"mean": (127.5,), "std": (64, 32, 16)}
    assert facts(tmp_path, a_model())["tflite.normalization"] == {}


def test_labels_that_are_named_but_not_packed_are_none(tmp_path):
    model = a_model(metadata=metadata_with(("b.txt", 2)))
    assert facts(tmp_path, model)["tflite.labels"] == ()
    assert facts(tmp_path, model + zipped({"c.txt": "c"}))["tflite.labels"] == ()


NAMES = {0: "per'son", 1: 'a "car", {x}: [1]', 2: "größer"}
ENTRIES = {
    "description": "Ultralytics YOLO11n model trained on /data/coco.yaml",
    "task": "detect",
    "stride": 32,
    "end2end": False,
    "imgsz": [320, 640],
    "kpt_shape": (17, 3),
    "names": NAMES,
    "args": {"half": False, "fraction": 1.0, "data": None},
}
WANTED = {key: str(value) for key, value in ENTRIES.items()}


@pytest.mark.parametrize("name", ["temp_meta.txt", "meta.txt"])
def test_ultralytics_entries_written_by_python_are_the_text_of_an_onnx_export(tmp_path, name):
    seen = facts(tmp_path, a_model() + zipped({name: str(ENTRIES)}))
    assert seen["metadata"] == WANTED


def test_ultralytics_entries_in_json_are_the_text_of_an_onnx_export(tmp_path):
    entries = {**ENTRIES, "kpt_shape": [17, 3]}
    seen = facts(tmp_path, a_model() + zipped({"metadata.json": json.dumps(entries, indent=2)}))
    assert seen["metadata"] == {**WANTED, "kpt_shape": "[17, 3]"}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"metadata.json": "{"}, "metadata.json in it is no JSON"),
        ({"metadata.json": "[" * 100_000}, "metadata.json in it is no JSON"),
        ({"metadata.json": "[]"}, "no JSON object"),
        ({"meta.txt": "stride 32"}, "isn't a dict"),
        ({"meta.txt": "{'names': {0: 'a'}"}, "isn't a dict"),
        ({"meta.txt": "{'names': 'a"}, "isn't a dict"),
        ({"meta.txt": "{" * 100_000}, "isn't a dict"),
        ({"meta.txt": " " * (5 << 20)}, "meta.txt in it is larger than 4 MiB"),
        (dict.fromkeys(map(str, range(10_001)), ""), "more than 10,000 members"),
    ],
)
def test_packed_files_that_make_no_sense_are_refused_by_name(tmp_path, members, message):
    with pytest.raises(InvalidModel, match=message):
        read(tmp_path, a_model() + zipped(members))


LABELLED = a_model(metadata=metadata_with(("l.txt", 2)))


def test_a_damaged_archive_is_refused_and_bytes_that_only_look_like_one_are_not(tmp_path):
    archive = zipped({"l.txt": "a"})
    with pytest.raises(InvalidModel, match="zip archive in it is damaged"):
        read(tmp_path, LABELLED + archive.replace(b"PK\1\2", b"XX\1\2"))
    assert facts(tmp_path, LABELLED + b"PK\5\6 weights")["tflite.labels"] == ()
    assert facts(tmp_path, LABELLED + b"PK\5\6 weights" + archive)["tflite.labels"] == ("a",)
    commented = zipped({"l.txt": "a"}, comment=b"made by hand")
    assert facts(tmp_path, LABELLED + commented)["tflite.labels"] == ("a",)
    with pytest.raises(InvalidModel, match=r"comment .* holds the mark of another archive's end"):
        read(tmp_path, LABELLED + zipped({"l.txt": "a"}, comment=b"PK\5\6"))


@pytest.mark.parametrize(("method", "number"), [(zipfile.ZIP_BZIP2, 12), (zipfile.ZIP_LZMA, 14)])
def test_a_packed_file_is_stored_or_deflated(tmp_path, method, number):
    archive = zipped({"l.txt": "a"}, method)
    with pytest.raises(InvalidModel, match=rf"l\.txt in it is packed by method {number} of zip"):
        read(tmp_path, LABELLED + archive)
    stored = zipped({"l.txt": "a"}, zipfile.ZIP_STORED)
    assert facts(tmp_path, LABELLED + stored)["tflite.labels"] == ("a",)


def with_record(archive: bytes, directory: int | None = None) -> bytes:
    """The same archive as zip64: its end says that a record before it has the sizes."""
    end = archive[-22:]
    count, size, offset = struct.unpack("<10xHLL2x", end)
    at = len(LABELLED) + len(archive) - 22
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, directory or size, offset
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    return archive[:-22] + record + locator + end[:8] + b"\xff" * 12 + end[20:]


def test_a_list_of_members_is_only_read_if_it_is_as_long_as_a_models(tmp_path):
    archive = zipped({"l.txt": "a"})
    huge = bytearray(archive)
    huge[-10:-6] = (10**7).to_bytes(4, "little")
    with pytest.raises(InvalidModel, match=r"list of members .* exceeds 1,280,000 bytes"):
        read(tmp_path, LABELLED + bytes(huge))
    assert facts(tmp_path, LABELLED + with_record(archive))["tflite.labels"] == ("a",)
    with pytest.raises(InvalidModel, match=r"list of members .* exceeds 1,280,000 bytes"):
        read(tmp_path, LABELLED + with_record(archive, 2**31))
    no_record = with_record(archive).replace(b"PK\6\6", b"PK\6\5")
    with pytest.raises(InvalidModel, match=r"list of members .* exceeds 1,280,000 bytes"):
        read(tmp_path, LABELLED + no_record)


def elsewhere(buffer: int) -> bytes:
    """A model whose metadata should be in this buffer."""
    named = {0: "TFLITE_METADATA", 1: Scalar("I", buffer)}
    return flatbuffer({2: [subgraph([], (), ())], 4: [{}], 6: [named]}, b"TFL3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\0\0TFL", "identifier TFL3 isn't at byte 4"),
        (b"\x1c\0\0\0TFL3", "truncated or damaged: what lies at byte 28"),
        (b"\x08\0\0\0TFL3\x10\0\0\0", "truncated or damaged: what lies at byte -8"),
        (a_model()[:60], "truncated or damaged"),
        (flatbuffer({}, b"TFL3"), "no subgraph"),
        (a_model(subgraph([tensor()], outputs=(7,))), "tensor 7 is among its outputs"),
        (a_model(subgraph([tensor()], inputs=(-1,), outputs=())), "tensor -1 is among its inputs"),
        (a_model(subgraph([tensor(dtype=99)], outputs=(0,))), "unknown type 99"),
        (a_model(subgraph([tensor(shape=(1,) * 65)], outputs=(0,))), "65 axes"),
        (a_model(signatures=[signature("a", {}, {}, index=1)]), "a signature is of subgraph 1"),
        (a_model(signatures=[signature("a", {"x": 9}, {})]), "tensor 9 is among its inputs"),
        (a_model(metadata=b"12345678"), "identifier M001"),
        (elsewhere(7), "its metadata are in buffer 7; there are 1"),
        (a_model(subgraph([tensor(b"\xff")], outputs=(0,))), "isn't UTF-8"),
    ],
)
def test_an_unsound_file_is_refused_with_the_place(tmp_path, content, message):
    with pytest.raises(InvalidModel, match=message) as caught:
        read(tmp_path, content)
    assert "model.tflite" in str(caught.value)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_TABLES", 8, "more than 8 tables"),
        ("MAX_TEXT_BYTES", 8, "texts exceed 8 bytes"),
        ("MAX_NUMBERS", 8, "more than 8 numbers"),
    ],
)
def test_limits_stop_a_file_that_points_to_the_same_things_again_and_again(
    tmp_path, monkeypatch, limit, value, message
):
    monkeypatch.setattr(reading, limit, value)
    with pytest.raises(InvalidModel, match=message):
        read(tmp_path, a_model(subgraph([tensor(scales=[1])], inputs=(0,) * 9, outputs=())))


def test_a_graph_has_no_more_inputs_than_one_can_have(tmp_path):
    with pytest.raises(InvalidModel, match="a subgraph has 10,001 inputs"):
        read(tmp_path, a_model(subgraph([tensor()], inputs=(0,) * 10_001, outputs=())))


def test_a_list_of_too_many_tables_is_not_even_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_TABLES", 100)
    content = flatbuffer({0: [{}] * 101}, b"TEST")
    source = reading.Flatbuffer(tmp_path, io.BytesIO(content), "test")
    tables = source.root(b"TEST").tables(0)
    with pytest.raises(InvalidModel, match="more than 100 tables"):
        next(tables)


def test_a_file_is_read_in_pages_however_its_parts_lie(tmp_path, monkeypatch):
    model = a_model(subgraph([tensor(f"x{n}", (n, 3)) for n in range(40)], inputs=range(40)))
    whole = facts(tmp_path, model)
    monkeypatch.setattr(reading, "_PAGE", 32)
    monkeypatch.setattr(reading, "_OVERLAP", 8)
    monkeypatch.setattr(reading, "_MAX_PAGES", 2)
    assert facts(tmp_path, model) == whole
    assert whole["inputs"][39] == TensorSpec("x39", "float32", (39, 3))
    source = reading.Flatbuffer(tmp_path, io.BytesIO(model), "test")
    assert b"".join(source.take(at, 1) for at in range(len(model))) == model
    assert len(source.pages) == 2


def test_metadata_of_any_size_are_not_taken_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(tflite_file, "_MAX_METADATA", 40)
    with pytest.raises(InvalidModel, match=r"its metadata are \d+ bytes"):
        read(tmp_path, LABELLED)


def test_a_folder_in_place_of_a_file_is_an_error_that_says_so(tmp_path):
    with pytest.raises(InvalidModel, match="can't be read: Is a directory"):
        tflite_file.read(tmp_path)


RICH = a_model(
    subgraph([tensor("a"), tensor("b", dtype=9, buffer=1, scales=[1.0]), tensor("c")]),
    buffers=(b"", b"1234"),
    operators=[{0: Scalar("b", 32), 1: "Custom"}],
    signatures=[signature("serving_default", {"i": 0}, {"o": 1})],
    metadata=metadata_with(("labels.txt", 2)),
) + zipped({"labels.txt": "a\nb", "meta.txt": str(ENTRIES)})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(RICH) - 1), st.integers(0, 255)), min_size=1, max_size=6
    ),
    length=st.integers(0, len(RICH)) | st.just(len(RICH)),
)
def test_changed_bytes_give_facts_or_an_error_about_the_file(changes, length):
    content = bytearray(RICH)
    for position, byte in changes:
        content[position] = byte
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(InvalidModel):
        artifact = read(Path(folder), bytes(content[:length]))
        assert all(isinstance(spec, TensorSpec) for spec in artifact.facts["model"]["inputs"])


@pytest.mark.parametrize(
    ("members", "task"),
    [
        (["face_detector.tflite", "face_landmarks_detector.tflite"], "face_landmarker"),
        (["hand_detector.tflite", "hand_landmarks_detector.tflite"], "hand_landmarker"),
        (["hand_landmarker.task", "hand_gesture_recognizer.task"], "gesture_recognizer"),
        (["pose_detector.tflite", "pose_landmarks_detector.tflite", "x"], "pose_landmarker"),
        (["pose_detector.tflite"], None),
    ],
)
def test_a_bundles_task_is_told_by_its_members(tmp_path, members, task):
    path = tmp_path / "bundle.task"
    path.write_bytes(zipped(dict.fromkeys(members, "graph")))
    artifact = task_file.read(path)
    assert artifact.format == "mediapipe-task"
    assert artifact.facts == {"model": {"task": task, "members": tuple(members)}}


def test_a_bundle_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "bundle.task"
    path.write_bytes(b"anything")
    with pytest.raises(InvalidModel, match=r"bundle\.task is no MediaPipe task bundle"):
        task_file.read(path)
