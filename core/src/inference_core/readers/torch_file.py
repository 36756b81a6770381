"""What a file written by torch holds, read from its structure: the central directory and its JSON.

Three kinds, told apart by content and never by suffix: `torch.export` archives (the layouts of torch
2.8 and later and of 2.6 to 2.7), TorchScript, and checkpoints of `torch.save` (zip or older pickle).
Nothing is unpickled, no weights are read, and this is no judgement on whether a file is safe to load:
that is the backend's.

Formats: torch/export/pt2_archive and torch/_export/serde/schema.py (export), torch/serialization.py
(checkpoints), torch/csrc/jit/serialization (TorchScript).
"""

from __future__ import annotations

import json
import math
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inference_core.errors import InvalidModel
from inference_core.package import Artifact, Precision
from inference_core.session import TensorSpec

ZIP_MAGIC = b"PK\x03\x04"
# The number that torch.save pickled first before it wrote zip files, as the opcode LONG1 holds it.
LEGACY_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")

MAX_MEMBERS = 100_000
MAX_JSON_BYTES = 64 << 20
MAX_EXTRA_BYTES = 4 << 20  # of all extra files together

# torch/_export/serde/schema.py, ScalarType, in numpy's names where numpy has the type.
_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16",
    28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz", 33: "float8_e8m0fnu", 34: "uint32", 35: "uint64",
}  # fmt: skip
_PRECISIONS: dict[str, Precision] = {
    "float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "int8": "int8", "uint8": "int8",
}  # fmt: skip
_DICTS = ("builtins.dict", "collections.OrderedDict")
_SYMBOL = re.compile(r"(?:Symbol\('(\w+)'[^()]*\)|([a-z]+\d+))")
_UNBOUNDED = 2**31  # torch writes 2^63 - 2, or nothing, for "any size"

# What damaged or hostile bytes make zipfile, zlib and json raise.
_READ_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError,
    OSError, ValueError, OverflowError, MemoryError,
)  # fmt: skip
# What JSON of another structure than expected makes the code below raise.
_STRUCTURE_ERRORS = (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError)


def looks_like_torch(head: bytes) -> bool:
    """Whether a file that begins so may be torch's: a zip file or a pickle."""
    return head.startswith(ZIP_MAGIC) or (
        head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5")
    )


def read(path: Path) -> Artifact:
    """The artifact in a file that torch wrote.

    Facts of a "torch-export": "inputs" and "outputs" (tensors that the caller gives and gets, in
    order; outputs are called by the keys of the dict that the program returns, else "output0",
    "output1", …, because the graph's names for them mean nothing), "metadata" (the extra files),
    "torch.layout" ("pt2" or "2.7"), "torch.schema_version" ("8.20"), "torch.devices" (where its
    tensors were), and "torch.version" if it says so. Of a "torchscript": "metadata". Of a
    "torch-checkpoint": none.

    Raises:
        InvalidModel: the file can't be read, is damaged, or torch didn't write it.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if head.startswith(ZIP_MAGIC):
                with zipfile.ZipFile(file) as archive:
                    return _from_zip(path, archive)
    except InvalidModel:
        raise
    except _READ_ERRORS as error:
        raise InvalidModel(
            f"{path} can't be read as a file of torch: {error or type(error).__name__}"
        ) from error
    if head[:1] == b"\x80" and LEGACY_MAGIC in head:
        return Artifact("torch-checkpoint", {"model": path})
    if looks_like_torch(head):
        raise InvalidModel(f"{path} is a Python pickle, but not one that torch.save writes")
    raise InvalidModel(
        f"{path} is no file that torch writes: it is neither a zip file nor a pickle"
    )


def _from_zip(path: Path, archive: zipfile.ZipFile) -> Artifact:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise InvalidModel(
            f"{path} has {len(members)} members; {MAX_MEMBERS} are the most that is read"
        )
    names = {member.filename for member in members}
    if "serialized_exported_program.json" in names:
        return _export(path, archive, "serialized_exported_program.json", "extra_files/", "2.7")
    # torch puts everything into one folder, called as the file was when it was saved.
    root = members[0].filename.partition("/")[0] + "/" if members else ""
    if root + "models/model.json" in names:
        return _export(path, archive, root + "models/model.json", root + "extra/", "pt2")
    if root + "archive_format" in names:
        raise InvalidModel(
            f"{path} is a .pt2 archive without models/model.json (compiled code alone, or several "
            "models); save one program with torch.export.save"
        )
    if root + "constants.pkl" in names and any(name.startswith(root + "code/") for name in names):
        facts = {"metadata": _metadata(path, archive, root + "extra/")}
        return Artifact("torchscript", {"model": path}, facts={"model": facts})
    if root + "data.pkl" in names:
        return Artifact("torch-checkpoint", {"model": path})
    raise InvalidModel(f"{path} is a zip file, but not one that torch writes")


def _content(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member's bytes, never more than `limit`, whatever sizes the file declares."""
    with archive.open(name) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise InvalidModel(f"{path}: {name} is larger than {limit >> 20} MiB")
    return data


def _json(path: Path, name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidModel(f"{path}: {name} is no JSON: {error}") from error


def _metadata(path: Path, archive: zipfile.ZipFile, folder: str) -> Mapping[str, str]:
    """The extra files as text by name; one that holds a JSON object gives its entries instead.

    Ultralytics writes its metadata so, as `config.txt`. Values become the text that an ONNX export
    of the same model carries: Python's, with whole numbers for keys.
    """
    metadata: dict[str, str] = {}
    left = MAX_EXTRA_BYTES
    for name in archive.namelist():
        if not name.startswith(folder) or name.endswith("/"):
            continue
        with archive.open(name) as member:
            data = member.read(left + 1)
        left -= len(data)
        if left < 0:
            raise InvalidModel(
                f"{path}: its extra files hold more than {MAX_EXTRA_BYTES >> 20} MiB together; "
                "save it with less text beside the program"
            )
        text = data.decode("utf-8", "replace")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None  # plain text, as extra files may well be
        if isinstance(value, dict):
            metadata.update((key, _as_text(entry)) for key, entry in value.items())
        else:
            metadata[name[len(folder) :]] = text
    return metadata


def _as_text(value: Any) -> str:
    if isinstance(value, dict) and all(re.fullmatch(r"[0-9]{1,9}", key) for key in value):
        value = {int(key): entry for key, entry in value.items()}
    return value if isinstance(value, str) else str(value)


def _export(path: Path, archive: zipfile.ZipFile, name: str, extra: str, layout: str) -> Artifact:
    program = _json(path, name, _content(path, archive, name, MAX_JSON_BYTES))
    try:
        graph = program["graph_module"]["graph"]
        signature = program["graph_module"]["signature"]
        tensors = graph["tensor_values"]
        inputs = tuple(_inputs(signature, tensors))
        version = program.get("torch_version")
        facts: dict[str, Any] = {
            "inputs": tuple(spec for spec, _ in inputs),
            "outputs": tuple(_outputs(signature, tensors, _returned_keys(path, name, program))),
            "torch.layout": layout,
            "torch.schema_version": _schema_version(program["schema_version"]),
            "torch.devices": tuple(sorted({str(t["device"]["type"]) for t in tensors.values()})),
        }
        if isinstance(version, str) and version[:1].isdigit():
            facts["torch.version"] = version
        batch = _batch([sizes for _, sizes in inputs], program["range_constraints"])
        precision = _precision(signature, tensors)
    except _STRUCTURE_ERRORS as error:
        raise InvalidModel(
            f"{path}: {name} doesn't describe an exported program: {type(error).__name__} {error}"
        ) from error
    facts["metadata"] = _metadata(path, archive, extra)
    return Artifact(
        "torch-export", {"model": path}, precision=precision, batch=batch, facts={"model": facts}
    )


def _schema_version(version: Mapping[str, int]) -> str:
    return f"{int(version['major'])}.{int(version['minor'])}"


def _inputs(
    signature: Mapping[str, Any], tensors: Mapping[str, Any]
) -> Iterator[tuple[TensorSpec, list[Any]]]:
    """The caller's tensors, with their sizes as the archive writes them.

    An integer that the graph treats as a symbol is an input too, given as an int64 array of rank 0;
    constants are part of the program.
    """
    for entry in signature["input_specs"]:
        if "user_input" not in entry:
            continue
        argument = entry["user_input"]["arg"]
        if "as_tensor" in argument:
            name = argument["as_tensor"]["name"]
            yield _spec(str(name), tensors[name]), tensors[name]["sizes"]
        elif "as_sym_int" in argument:
            yield TensorSpec(str(argument["as_sym_int"]["as_name"]), "int64", ()), []


def _returned_keys(path: Path, name: str, program: Mapping[str, Any]) -> list[str] | None:
    """The keys of the dict that the program returns; None if it returns anything else.

    A dict in a dict, or one with other keys than text, counts as anything else. The call of the whole
    program describes its result as a tree: its type, as context the JSON of a dict's keys, and its
    children, of which those that are no containers have no type.
    """
    calls = program["graph_module"].get("module_call_graph", ())
    trees = [call["signature"]["out_spec"] for call in calls if call["fqn"] == ""]
    if not trees:
        return None
    what = f"{name}, the form of the result,"
    _version, tree = _json(path, what, trees[0])
    children = tree["children_spec"]
    if tree["type"] not in _DICTS or any(child["type"] is not None for child in children):
        return None
    keys = _json(path, what, tree["context"])
    distinct = len(set(keys)) == len(keys) == len(children)
    return keys if distinct and all(isinstance(key, str) for key in keys) else None


def _outputs(
    signature: Mapping[str, Any], tensors: Mapping[str, Any], keys: list[str] | None
) -> Iterator[TensorSpec]:
    """The tensors that come back; numbers and None, which may be among them, are no outputs."""
    arguments = [e["user_output"]["arg"] for e in signature["output_specs"] if "user_output" in e]
    given = [index for index, argument in enumerate(arguments) if "as_tensor" in argument]
    for count, index in enumerate(given):
        name = f"output{count}" if keys is None else keys[index]
        yield _spec(name, tensors[arguments[index]["as_tensor"]["name"]])


def _spec(name: str, tensor: Mapping[str, Any]) -> TensorSpec:
    dtype = _DTYPES.get(tensor["dtype"])
    if dtype is None:
        raise ValueError(f"unknown dtype {tensor['dtype']!r} of {name}")
    sizes = [size.get("as_int") for size in tensor["sizes"]]
    if any(size is not None and not (isinstance(size, int) and size >= 0) for size in sizes):
        raise ValueError(f"sizes {sizes!r} of {name}")
    return TensorSpec(name, dtype, tuple(sizes))


def _batch(inputs: list[list[Any]], ranges: Mapping[str, Any]) -> tuple[int, int | None] | None:
    """Smallest and largest first axis, where all inputs that have axes share it."""
    first = [sizes[0] for sizes in inputs if sizes]
    if not first:
        return None
    if all("as_int" in size for size in first):
        sizes = {int(size["as_int"]) for size in first}
        return (min(sizes), max(sizes)) if len(sizes) == 1 else None
    expressions = {size["as_expr"]["expr_str"] if "as_expr" in size else "" for size in first}
    found = _SYMBOL.fullmatch(expressions.pop()) if len(expressions) == 1 else None
    limits = ranges.get(found.group(1) or found.group(2)) if found else None
    if limits is None:
        return None
    low, high = limits["min_val"], limits["max_val"]
    # torch doesn't hold callers to a lower bound of 2: it only says that 0 and 1 weren't specialised.
    smallest = 1 if low is None or low <= 2 else int(low)
    return smallest, None if high is None or high >= _UNBOUNDED else int(high)


def _precision(signature: Mapping[str, Any], tensors: Mapping[str, Any]) -> Precision | None:
    """What most elements of the weights are stored in; buffers of counters and such don't decide."""
    elements: Counter[str] = Counter()
    for entry in signature["input_specs"]:
        for kind in ("parameter", "buffer", "tensor_constant"):
            if kind in entry:
                tensor = tensors[entry[kind]["arg"]["name"]]
                sizes = [size.get("as_int") or 0 for size in tensor["sizes"]]
                elements[_DTYPES.get(tensor["dtype"], "")] += math.prod(sizes)
    known = [(count, dtype) for dtype, count in elements.items() if dtype in _PRECISIONS]
    return _PRECISIONS[max(known)[1]] if known else None
