"""Nothing in a file runs without allow_code: every way into torch.export.load that is known here."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inference_core.errors import InvalidModel
from inference_torch.archive_scan import scan_archive, scan_saved
from inference_torch.pickle_scan import ALLOWED_GLOBALS, scan_pickle

PICKLE_MEMBERS = ("data/sample_inputs/model.pt", "data/weights/weight_0", "data/constants/tensor_0")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


class Opens:
    """Unpickling it creates a file, through `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class Shells(Opens):
    """Unpickling it creates a file, through a shell."""

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def saved(value: object, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def global_via_memo(path: Path) -> bytes:
    """os.system(f"touch {path}") with its names fetched from the memo in another order."""
    command = f"touch {path}".encode()
    return (
        b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94" + b"00" + b"h\x01h\x00\x93"
        b"X" + struct.pack("<I", len(command)) + command + b"\x85R."
    )


def instance_opcode(path: Path) -> bytes:
    return b"(S'touch " + str(path).encode() + b"'\nios\nsystem\n."


def object_opcode(path: Path) -> bytes:
    return b"(cos\nsystem\nS'touch " + str(path).encode() + b"'\no."


HOSTILE = {
    "open": lambda path: pickle.dumps(Opens(path), 2),
    "system": lambda path: pickle.dumps(Shells(path), 2),
    "protocol 4": lambda path: pickle.dumps(Shells(path), 4),
    "names from the memo": global_via_memo,
    "INST": instance_opcode,
    "OBJ": object_opcode,
    "zip of torch.save": lambda path: saved(Shells(path)),
    "legacy torch.save": lambda path: saved(Shells(path), _use_new_zipfile_serialization=False),
    "zip after a pickle": lambda path: pickle.dumps(Shells(path), 2) + saved(torch.ones(1)),
}


def pickled(path: Path, member: str, data: bytes) -> dict[str, bytes]:
    """The changes that make `data` the archive's pickle `member`, and its configuration say so."""
    changed = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith("_config.json"):
                config = json.loads(archive.read(name))
                for payload in config["config"].values():
                    payload["use_pickle"] = member.endswith("/" + payload["path_name"])
                changed[name] = json.dumps(config).encode()
    return changed | {member: data}


def assert_refused(path: Path, canary: Path, judge, open_session) -> None:
    verdict = judge(path)
    assert verdict.status == "reject"
    assert [(reason.code, reason.fix) for reason in verdict.reasons] == [
        ("trust", "allow_code=True")
    ]
    with pytest.raises(InvalidModel, match="allow_code=True"):
        open_session(path)
    assert not canary.exists()


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("member", PICKLE_MEMBERS)
def test_a_canary_in_each_pickle_member_is_refused(
    member, hostile, files, rewrite, canary, judge, open_session
) -> None:
    changes = pickled(files / "dynamic.pt2", member, HOSTILE[hostile](canary))
    assert_refused(rewrite(files / "dynamic.pt2", changes), canary, judge, open_session)


def test_the_canaries_do_fire_where_code_is_allowed(files, rewrite, canary, open_session) -> None:
    """Else the tests above could pass because torch never reads those members."""
    for member in PICKLE_MEMBERS:
        changes = pickled(files / "dynamic.pt2", member, saved(Shells(canary)))
        path = rewrite(files / "dynamic.pt2", changes)
        with contextlib.suppress(InvalidModel):  # a file isn't a tensor: torch may fail afterwards
            open_session(path, allow_code=True)
        assert canary.exists(), member
        canary.unlink()


def test_a_zip_inside_a_zip_inside_the_archive_is_refused(
    files, rewrite, rewritten_bytes, canary, judge, open_session
) -> None:
    inner = rewritten_bytes(saved(torch.ones(1)), {"data.pkl": saved(Shells(canary))})
    path = rewrite(files / "dynamic.pt2", {"data/sample_inputs/model.pt": inner})
    assert_refused(path, canary, judge, open_session)


def test_torchscript_inside_the_archive_is_refused(
    files, torchscript, rewrite, canary, judge, open_session
) -> None:
    path = rewrite(files / "dynamic.pt2", {"data/sample_inputs/model.pt": torchscript.read_bytes()})
    assert_refused(path, canary, judge, open_session)


@pytest.mark.parametrize(
    "member",
    [
        "data/aotinductor/model/model.so",
        "data/aotinductor/model/kernel.cubin",
        "data/constants/custom_obj_0",
        "data/constants/opaque_obj_0",
        "extension.dll",
        "unheard_of",
        "models/second.json",
        "data/weights/model.pt",
    ],
)
def test_native_code_and_unknown_members_are_refused(
    member, files, rewrite, canary, judge, open_session
) -> None:
    path = rewrite(files / "dynamic.pt2", {member: b"\x7fELF"})
    assert_refused(path, canary, judge, open_session)


def program_with(path: Path, change) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("models/model.json"))
        program = json.loads(archive.read(name))
    change(program)
    return {name: json.dumps(program).encode()}


def touch(canary: Path) -> str:
    return f"__import__('os').system('touch {canary}')"


def in_size(program, canary) -> None:
    sizes = program["graph_module"]["graph"]["tensor_values"]["images"]["sizes"]
    sizes[0]["as_expr"]["expr_str"] = touch(canary)


def in_guard(program, canary) -> None:
    program["guards_code"] = [touch(canary) + " == 0"]


def in_operator(program, canary) -> None:
    node = program["graph_module"]["graph"]["nodes"][0]
    node["target"] = "torch.os.system"


def in_writing_operator(program, canary) -> None:
    program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.from_file.default"


def in_placeholder(program, canary) -> None:
    graph = program["graph_module"]
    name = f"images={touch(canary)}"
    graph["graph"]["inputs"][-1]["as_tensor"]["name"] = name
    graph["signature"]["input_specs"][-1]["user_input"]["arg"]["as_tensor"]["name"] = name
    graph["graph"]["tensor_values"][name] = graph["graph"]["tensor_values"].pop("images")


def in_argument_names(program, canary) -> None:
    call = program["graph_module"]["module_call_graph"][0]["signature"]
    call["forward_arg_names"] = [f"images={touch(canary)}"]


def in_tree(program, canary) -> None:
    call = program["graph_module"]["module_call_graph"][0]["signature"]
    context = json.dumps({"__enum__": True, "fqn": "os:system", "name": "x"})
    node = {"type": "builtins.tuple", "context": context, "children_spec": []}
    call["out_spec"] = json.dumps([1, node])


@pytest.mark.parametrize(
    "place",
    [
        in_size,
        in_guard,
        in_operator,
        in_writing_operator,
        in_placeholder,
        in_argument_names,
        in_tree,
    ],
)
def test_python_hidden_in_the_programs_json_is_refused(
    place, files, rewrite, canary, judge, open_session
) -> None:
    changes = program_with(files / "dynamic.pt2", lambda program: place(program, canary))
    assert_refused(rewrite(files / "dynamic.pt2", changes), canary, judge, open_session)


def test_torch_does_evaluate_sizes_so_the_check_is_needed(
    files, rewrite, canary, open_session
) -> None:
    changes = program_with(files / "dynamic.pt2", lambda program: in_size(program, canary))
    with pytest.raises(InvalidModel):
        open_session(rewrite(files / "dynamic.pt2", changes), allow_code=True)
    assert canary.exists()


def test_a_file_swapped_after_the_verdict_is_judged_again(
    files, rewrite, canary, tmp_path, machine, monkeypatch
) -> None:
    from inference_core.package import Request
    from inference_core.readers import torch_file
    from inference_core.verdict import Verdict
    from inference_torch import loading

    path = rewrite(files / "dynamic.pt2", {"data/sample_inputs/model.pt": saved(Shells(canary))})
    monkeypatch.setattr(loading, "judge", lambda *_: Verdict.accept("cpu"))
    with pytest.raises(InvalidModel, match="system"):
        loading.load_session(torch_file.read(path), machine(), Request())
    assert not canary.exists()


def test_torchscript_and_pickled_modules_need_allow_code(
    files, torchscript, canary, judge, open_session
) -> None:
    for path in (torchscript, files / "module.pt", files / "legacy.pt"):
        assert_refused(path, canary, judge, open_session)


def test_an_archive_with_two_members_of_one_name_is_refused(files, tmp_path, judge) -> None:
    path = tmp_path / "twice.pt2"
    path.write_bytes((files / "dynamic.pt2").read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("dynamic/ARCHIVE_FORMAT", b"pt2")
    assert "one name" in judge(path).reasons[0].message


def test_compressed_members_and_trailing_bytes_are_refused(files, tmp_path) -> None:
    data = (files / "dynamic.pt2").read_bytes()
    assert scan_archive(io.BytesIO(data)) == []
    assert scan_archive(io.BytesIO(data + b"x"))
    assert scan_archive(io.BytesIO(b"x" + data))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a/archive_format", b"pt2" * 100)
    assert "compressed" in scan_archive(packed)[0].why


def test_an_archive_of_two_layouts_is_refused() -> None:
    """Read as torch 2.7 wrote it, `extra_files/…` is text; read as a .pt2 it is a whole archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("extra_files/archive_format", b"pt2")
        target.writestr("extra_files/data/sample_inputs/model.pt", b"cos\nsystem\n")
        target.writestr("serialized_exported_program.json", b"{}")
    assert scan_archive(packed)


@pytest.fixture
def old_layout(small, tmp_path: Path) -> Path:
    """What torch 2.7 wrote, as the loader of later releases documents it."""
    from torch._export.serde.serialize import serialize

    parts = serialize(torch.export.export(small, (torch.rand(1, 3, 8, 8),)))
    path = tmp_path / "old.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("version", "8.20")
        archive.writestr("serialized_exported_program.json", parts.exported_program)
        archive.writestr("serialized_state_dict.pt", parts.state_dict)
        archive.writestr("serialized_constants.pt", parts.constants)
        archive.writestr("serialized_example_inputs.pt", parts.example_inputs)
        archive.writestr("extra_files/config.txt", '{"task": "detect"}')
    return path


@pytest.mark.filterwarnings("ignore")  # torch calls the layout deprecated
def test_the_older_layout_loads(old_layout, judge, open_session, images) -> None:
    assert judge(old_layout).status == "accept"
    session = open_session(old_layout)
    assert session.metadata == {"task": "detect"}
    assert session.predict({"images": images[:1]})["output0"].shape == (1, 4)


def test_canaries_in_the_older_layout_are_refused(
    old_layout, rewrite, canary, judge, open_session
) -> None:
    for member in ("state_dict", "constants", "example_inputs"):
        path = rewrite(old_layout, {f"serialized_{member}.pt": saved(Shells(canary))})
        assert_refused(path, canary, judge, open_session)


def test_the_built_in_globals_are_all_on_torchs_own_list() -> None:
    from torch._weights_only_unpickler import _get_allowed_globals

    assert set(_get_allowed_globals()) >= ALLOWED_GLOBALS
    for name in ALLOWED_GLOBALS:
        module, _, attribute = name.rpartition(".")
        from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

        assert module not in IMPORT_MAPPING
        assert (module, attribute) not in NAME_MAPPING


def test_what_torch_saves_of_tensors_passes() -> None:
    values = (
        torch.ones(2, 3),
        torch.ones(3, dtype=torch.bfloat16),
        torch.nn.Parameter(torch.ones(2)),
        torch.nn.Linear(2, 2).state_dict(),
        {"a": [torch.zeros(1), 1, 2.5, None, True, "text", (1, 2, 3, 4)]},
        torch.eye(3).to_sparse(),
        torch.float16,
        torch.device("cpu"),
        2**40,
    )
    for value in values:
        assert scan_saved(io.BytesIO(saved(value))) == [], value


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02ctorch\nTensor\n}b.",  # BUILD on the class itself
        b"\x80\x02ccollections\nOrderedDict\n)R}b",  # no STOP
        b"\x80\x02]ccollections\nOrderedDict\n)Re.",  # APPENDS without a mark
        b"\x80\x02h\x05.",  # an unwritten memo entry
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x02X\x01\x00\x00\x00aQ.",  # a persistent id that is no storage
        b"\x80\x02}X\x01\x00\x00\x00a)R.",  # a call of a string
        b"\x80\x02N.N.",  # a second pickle after the first
        b"",
    ],
)
def test_pickles_that_torchs_restricted_unpickler_would_refuse_are_findings(data) -> None:
    assert scan_pickle(data) is not None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_never_make_the_scans_raise(data) -> None:
    scan_pickle(data)
    scan_pickle(b"\x80\x02" + data)
    scan_archive(io.BytesIO(data))
    scan_saved(io.BytesIO(b"PK\3\4" + data))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_mutated_pickle_is_refused_or_loads_without_python_code(position, byte) -> None:
    with zipfile.ZipFile(io.BytesIO(saved({"a": torch.ones(2)}))) as archive:
        data = bytearray(archive.read("archive/data.pkl"))
    data[position % len(data)] = byte
    if scan_pickle(bytes(data)) is None:
        import pickletools

        names = {arg for op, arg, _ in pickletools.genops(bytes(data)) if op.name == "GLOBAL"}
        assert {name.replace(" ", ".") for name in names} <= ALLOWED_GLOBALS
