"""What the ONNX reader sees, and that no bytes whatsoever make it do anything else than say so."""

from __future__ import annotations

import contextlib
import math
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core.errors import InvalidModel
from inference_core.readers import onnx_file, protobuf
from inference_core.readers.onnx_file import looks_like_onnx, read
from inference_core.session import TensorSpec
from onnx import TensorProto, helper

DTYPES = {
    "FLOAT": "float32", "UINT8": "uint8", "INT8": "int8", "UINT16": "uint16", "INT16": "int16",
    "INT32": "int32", "INT64": "int64", "STRING": "str", "BOOL": "bool", "FLOAT16": "float16",
    "DOUBLE": "float64", "UINT32": "uint32", "UINT64": "uint64", "COMPLEX64": "complex64",
    "COMPLEX128": "complex128", "BFLOAT16": "bfloat16", "FLOAT8E4M3FN": "float8_e4m3fn",
    "FLOAT8E4M3FNUZ": "float8_e4m3fnuz", "FLOAT8E5M2": "float8_e5m2",
    "FLOAT8E5M2FNUZ": "float8_e5m2fnuz", "UINT4": "uint4", "INT4": "int4",
    "FLOAT4E2M1": "float4_e2m1fn", "FLOAT8E8M0": "float8_e8m0fnu",
}  # fmt: skip


def a_model(
    *, shape=("n", 3), inputs=None, outputs=None, weights=(), opset=18, ir=10, metadata=None
) -> bytes:
    tensors = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    results = outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "graph", tensors, results, list(weights))
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=ir,
        producer_name="the tests",
        producer_version="1.0",
    )
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def weight(name: str, dtype: int, count: int) -> TensorProto:
    size = helper.tensor_dtype_to_np_dtype(dtype).itemsize
    return helper.make_tensor(name, dtype, [count], bytes(count * size), raw=True)


def external(location: str | None) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    if location is not None:
        tensor.external_data.add(key="location", value=location)
    return tensor


def read_bytes(folder: Path, content: bytes):
    path = folder / "model.onnx"
    path.write_bytes(content)
    return read(path)


def facts(artifact):
    return artifact.facts["model"]


def test_versions_producer_and_metadata_are_read(tmp_path):
    metadata = {"task": "detect", "names": "{0: 'circle', 1: 'größer'}"}
    artifact = read_bytes(tmp_path, a_model(metadata=metadata))
    assert artifact.format == "onnx"
    assert artifact.parts == {"model": tmp_path / "model.onnx"}
    assert facts(artifact)["onnx.ir_version"] == 10
    assert facts(artifact)["onnx.opsets"] == {"": 18}
    assert facts(artifact)["onnx.producer"] == "the tests 1.0"
    assert facts(artifact)["metadata"] == metadata


@pytest.mark.parametrize(("onnx_name", "name"), DTYPES.items())
def test_every_element_type_has_its_name(tmp_path, onnx_name, name):
    spec = helper.make_tensor_value_info("x", TensorProto.DataType.Value(onnx_name), [2])
    assert facts(read_bytes(tmp_path, a_model(inputs=[spec])))["inputs"][0].dtype == name


def test_the_names_of_element_types_cover_all_that_onnx_defines():
    assert len(onnx_file._DTYPES) >= len(TensorProto.DataType.keys())


@pytest.mark.parametrize(
    ("shape", "seen", "batch"),
    [
        (("n", 3, None), (None, 3, None), (1, None)),
        ((4, 3), (4, 3), (4, 4)),
        ((-1, 3), (None, 3), (1, None)),
        ((0, 3), (0, 3), None),
        ((), (), None),
        (None, None, None),
    ],
)
def test_shapes_and_the_batch_they_mean(tmp_path, shape, seen, batch):
    artifact = read_bytes(tmp_path, a_model(shape=shape))
    assert facts(artifact)["inputs"] == (TensorSpec("x", "float32", seen),)
    assert artifact.batch == batch


def test_inputs_that_disagree_have_no_batch(tmp_path):
    inputs = [helper.make_tensor_value_info(name, 1, [size]) for name, size in (("x", 1), ("z", 2))]
    assert read_bytes(tmp_path, a_model(inputs=inputs)).batch is None


def test_initializers_are_no_inputs(tmp_path):
    inputs = [helper.make_tensor_value_info(name, 1, ["n"]) for name in ("x", "w")]
    artifact = read_bytes(tmp_path, a_model(inputs=inputs, weights=[weight("w", 1, 3)], ir=3))
    assert [spec.name for spec in facts(artifact)["inputs"]] == ["x"]


def test_what_is_no_tensor_says_what_it_is(tmp_path):
    outputs = [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, ["n"])]
    artifact = read_bytes(tmp_path, a_model(outputs=outputs))
    assert facts(artifact)["outputs"] == (TensorSpec("y", "sequence", None),)


@pytest.mark.parametrize(
    ("weights", "precision"),
    [
        ([], None),
        ([("a", TensorProto.FLOAT, 10)], "fp32"),
        ([("a", TensorProto.FLOAT16, 10), ("b", TensorProto.FLOAT, 2)], "fp16"),
        ([("a", TensorProto.BFLOAT16, 10)], "bf16"),
        ([("a", TensorProto.INT8, 10), ("b", TensorProto.INT32, 90)], "int8"),
        ([("a", TensorProto.UINT8, 10), ("shape", TensorProto.INT64, 90)], "int8"),
        ([("a", TensorProto.FLOAT, 5), ("b", TensorProto.FLOAT16, 5)], None),
        ([("a", TensorProto.DOUBLE, 5)], None),
    ],
)
def test_precision_is_that_of_most_weights(tmp_path, weights, precision):
    content = a_model(weights=[weight(*entry) for entry in weights])
    assert read_bytes(tmp_path, content).precision == precision


@pytest.mark.parametrize("location", ["weights.bin", "sub/weights.bin", "../outside.bin"])
def test_external_data_is_named_as_the_file_names_it(tmp_path, location):
    artifact = read_bytes(tmp_path, a_model(weights=[external(location)]))
    assert facts(artifact)["onnx.external_data"] == (location,)


def test_external_data_without_a_file_name_is_refused(tmp_path):
    with pytest.raises(InvalidModel, match="'w' is external, but no file is named"):
        read_bytes(tmp_path, a_model(weights=[external(None)]))


def model_of_nodes(*nodes, functions=()) -> bytes:
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])]
    graph = helper.make_graph(list(nodes), "graph", [], outputs)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=list(functions))
    return model.SerializeToString()


def constant(location: str, name: str = "y", padding: bytes = b""):
    tensor = external(location)
    tensor.raw_data = padding
    return helper.make_node("Constant", [], [name], value=tensor)


def nested_in_branches(location: str, depth: int):
    node = constant(location)
    for _ in range(depth):
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])]
        branch = helper.make_graph([node], "branch", [], outputs)
        node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
        del node.attribute[1:]
    return node


def in_a_subgraph_initializer(location: str):
    outputs = [helper.make_tensor_value_info("w", TensorProto.FLOAT, [3])]
    branch = helper.make_graph([], "branch", [], outputs, [external(location)])
    return helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)


def in_a_list_of_tensors(location: str):
    node = helper.make_node("Own", [], ["y"], domain="own")
    node.attribute.add(name="many", type=onnx.AttributeProto.TENSORS, tensors=[external(location)])
    return node


def in_a_sparse_tensor(location: str):
    node = helper.make_node("Constant", [], ["y"])
    attribute = node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.values.CopyFrom(external(location))
    return node


@pytest.mark.parametrize(
    "node",
    [
        constant,
        lambda location: constant(location, padding=b"location" * 10_000),
        in_a_subgraph_initializer,
        in_a_list_of_tensors,
        in_a_sparse_tensor,
        lambda location: nested_in_branches(location, 25),
    ],
)
def test_external_data_inside_nodes_is_named(tmp_path, node):
    names = facts(read_bytes(tmp_path, model_of_nodes(node("../secret.bin"))))
    assert names["onnx.external_data"] == ("../secret.bin",)


def test_external_data_inside_functions_is_named(tmp_path):
    opsets = [helper.make_opsetid("", 18)]
    function = helper.make_function("own", "F", [], ["y"], [constant("/etc/x")], opsets)
    call = helper.make_node("F", [], ["y"], domain="own")
    artifact = read_bytes(tmp_path, model_of_nodes(call, functions=[function]))
    assert facts(artifact)["onnx.external_data"] == ("/etc/x",)


def test_a_tensor_in_two_pieces_hides_no_external_data(tmp_path):
    # Protobuf merges both pieces of the attribute's tensor into one that is external.
    flag = TensorProto(name="w", data_type=1, dims=[3], data_location=TensorProto.EXTERNAL)
    named = external("../secret.bin")
    named.ClearField("data_location")
    attribute = b"".join(
        onnx.AttributeProto(name="value", type=4, t=piece).SerializeToString()
        for piece in (flag, named)
    )
    node = onnx.NodeProto(op_type="Constant", output=["y"]).SerializeToString()
    head = onnx.ModelProto(ir_version=10, opset_import=[helper.make_opsetid("", 18)])
    content = head.SerializeToString() + prefixed(7, prefixed(1, node + prefixed(5, attribute)))
    tensor = onnx.load_from_string(content).graph.node[0].attribute[0].t
    assert tensor.data_location == TensorProto.EXTERNAL
    assert tensor.external_data[0].value == "../secret.bin"
    assert facts(read_bytes(tmp_path, content))["onnx.external_data"] == ("../secret.bin",)


def prefixed(number: int, content: bytes) -> bytes:
    """A field that holds `content`."""
    length, groups = len(content), []
    while length > 127:
        groups.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *groups, length]) + content


@pytest.mark.parametrize("padding", range(8160, 8200))
def test_a_name_that_straddles_two_windows_is_seen(tmp_path, padding, monkeypatch):
    monkeypatch.setattr(protobuf, "_CHUNK", 8192)
    node = constant("../secret.bin")
    node.attribute[0].doc_string = "x" * padding
    node.attribute.insert(0, onnx.AttributeProto(name="a", s=b"x" * padding, type=3))
    artifact = read_bytes(tmp_path, model_of_nodes(node, constant("near.bin", "z")))
    assert facts(artifact)["onnx.external_data"] == ("../secret.bin", "near.bin")


def test_large_tables_inside_nodes_cost_no_fields(tmp_path, monkeypatch):
    # As tree ensembles have them: a field per number.
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 100)
    trees = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], nodes_values=[0.5] * 5000)
    assert facts(read_bytes(tmp_path, model_of_nodes(trees)))["onnx.external_data"] == ()


def test_the_bytes_searched_inside_nodes_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(protobuf, "MAX_SEARCHED_BYTES", 1000)
    node = helper.make_node("Own", [], ["y"], domain="own", table=b"x" * 2000)
    with pytest.raises(InvalidModel, match="nodes exceed 1,000 bytes"):
        read_bytes(tmp_path, model_of_nodes(node))


def test_repeating_the_word_is_limited_as_fields_are(tmp_path, monkeypatch):
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 1000)
    with pytest.raises(InvalidModel, match="more than 1,000 fields"):
        read_bytes(tmp_path, model_of_nodes(constant("a.bin", padding=b"location" * 2000)))


def test_weights_are_not_read(tmp_path):
    path = tmp_path / "model.onnx"
    content = a_model(weights=[weight("w", TensorProto.FLOAT, 2_000_000)])
    path.write_bytes(content)
    taken = 0

    class Counting:
        def __init__(self, file):
            self.file = file
            self.seek = file.seek

        def read(self, size):
            nonlocal taken
            data = self.file.read(size)
            taken += len(data)
            return data

    with path.open("rb", buffering=0) as file:
        onnx_file._Walk(path, Counting(file)).model()
    assert len(content) > 8_000_000
    assert taken < 64_000


def test_the_end_of_a_truncated_file_is_named(tmp_path):
    content = a_model(weights=[weight("w", TensorProto.FLOAT, 1000)])
    with pytest.raises(
        InvalidModel, match=r"model\.onnx is no sound.*truncated.*the file at byte 2000"
    ):
        read_bytes(tmp_path, content[:2000])


def test_a_file_that_lost_only_its_opset_is_refused(tmp_path):
    content = a_model()
    start = content.rindex(helper.make_opsetid("", 18).SerializeToString()) - 2
    with pytest.raises(InvalidModel, match="states no opset"):
        read_bytes(tmp_path, content[:start])


@pytest.mark.parametrize("content", [b"", b"hello, world\n" * 100, b"\x89PNG\r\n\x1a\n" * 9])
def test_other_files_are_refused_with_their_path(tmp_path, content):
    with pytest.raises(InvalidModel, match=r"model\.onnx"):
        read_bytes(tmp_path, content)


def test_a_missing_file_is_refused_with_its_path(tmp_path):
    with pytest.raises(InvalidModel, match=r"nothing\.onnx can't be read"):
        read(tmp_path / "nothing.onnx")


def test_the_number_of_fields_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 20)
    with pytest.raises(InvalidModel, match="more than 20 fields"):
        read_bytes(tmp_path, a_model())


def test_the_amount_of_text_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(protobuf, "MAX_TEXT_BYTES", 1000)
    with pytest.raises(InvalidModel, match="exceed 1,000 bytes"):
        read_bytes(tmp_path, a_model(metadata={"k": "v" * 1000}))


def test_metadata_longer_than_the_window_is_read(tmp_path):
    metadata = {"names": "x" * 100_000, "after": "y"}
    assert facts(read_bytes(tmp_path, a_model(metadata=metadata)))["metadata"] == metadata


MODEL = a_model(
    weights=[weight("w", TensorProto.FLOAT, 40), external("weights.bin")],
    metadata={"task": "detect"},
)
NESTED = model_of_nodes(nested_in_branches("weights.bin", 2), in_a_sparse_tensor("more.bin"))


def refuse_or_read(content: bytes) -> None:
    # Any exception but InvalidModel fails the test.
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(InvalidModel):
        assert read_bytes(Path(folder), content).format == "onnx"


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_refused_or_read(content):
    refuse_or_read(content)


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_in_place_of_a_graph_are_refused_or_read(content):
    refuse_or_read(b"\x08\x0a\x3a" + bytes([len(content)]) + content + b"\x42\x02\x10\x12")


@given(st.integers(0, len(MODEL) - 1))
@settings(max_examples=150, deadline=None)
def test_every_truncation_is_refused_or_read(size):
    refuse_or_read(MODEL[:size])


@pytest.mark.parametrize("model", [MODEL, NESTED])
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6))
@settings(max_examples=200, deadline=None)
def test_mutations_are_refused_or_read(model, changes):
    content = bytearray(model)
    for position, byte in changes:
        content[int(position * len(content))] = byte
    refuse_or_read(bytes(content))


def test_models_are_told_by_their_first_bytes():
    assert looks_like_onnx(MODEL)
    assert looks_like_onnx(MODEL[:16])
    assert looks_like_onnx(
        onnx.ModelProto(ir_version=8, graph=onnx.GraphProto()).SerializeToString()
    )


@pytest.mark.parametrize(
    "head",
    [b"", b"\x08", b"PK\x03\x04" * 4, b"GGUF\x03\x00\x00\x00", b"hello world", b"\x08\x0aabc"],
)
def test_other_first_bytes_are_told_apart(head):
    assert not looks_like_onnx(head)


def test_agrees_with_the_onnx_package_on_shapes_and_names(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(20):
        shape = [int(d) if d else f"axis{i}" for i, d in enumerate(rng.integers(0, 5, 4))]
        content = a_model(shape=shape)
        spec = facts(read_bytes(tmp_path, content))["inputs"][0]
        theirs = onnx.load_from_string(content).graph.input[0].type.tensor_type.shape.dim
        assert spec.shape == tuple(d.dim_value if d.HasField("dim_value") else None for d in theirs)
        assert math.prod(d or 1 for d in spec.shape) > 0
