"""What is packed into a TensorFlow Lite file beside the graph: metadata, labels, Ultralytics' entries.

The metadata is a flatbuffer in one of the file's buffers; the files that it names are in a zip archive
behind everything else. Ultralytics (and YOLOv5's exporter) put a file of their own into that archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from inference_core.errors import InvalidModel
from inference_core.readers import archives
from inference_core.readers.flatbuffer import Flatbuffer, Table

METADATA_NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_ENTRIES = ("metadata.json", "temp_meta.txt", "meta.txt")
_MAX_TEXT = 4 * 2**20
_LABELS = (2, 3)  # AssociatedFileType: TENSOR_AXIS_LABELS and TENSOR_VALUE_LABELS

_NORMALISATION = 1  # ProcessUnitOptions: NormalizationOptions

# A quoted text, a bracket, a comma or colon, or what is between them.
_TOKEN = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[][(){},:]|[^][(){},:'"\s]+)""")


@dataclass(frozen=True)
class Packed:
    """What was found.

    Attributes:
        metadata: str to str.
        label_files: names of the files with labels, as the metadata knows them.
        normalisation: "mean" and "std" of the input, if that says so.
        labels: their lines, where there is one.
        unnamed_outputs: how many outputs the metadata describes without a name.
        described: whether there is metadata at all.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    label_files: tuple[str, ...] = ()
    normalisation: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    unnamed_outputs: int = 0
    described: bool = False


def described(source: Flatbuffer) -> Packed:
    """What a metadata flatbuffer says.

    Raises:
        InvalidModel: it isn't sound.
    """
    root = source.root(_IDENTIFIER)
    # ModelMetadata: name 0, description 1, version 2, subgraph_metadata 3, author 4, license 5.
    fields = {"name": 0, "description": 1, "version": 2, "author": 4, "license": 5}
    said = {key: root.text(number) for key, number in fields.items()}
    return Packed(
        metadata={key: text for key, text in said.items() if text},
        label_files=tuple(dict.fromkeys(_label_files(root))),
        normalisation=next(_normalisations(root), {}),
        # SubGraphMetadata 3 has output_tensor_metadata, TensorMetadata 0 the name.
        unnamed_outputs=sum(
            not tensor.text(0) for subgraph in root.tables(3) for tensor in subgraph.tables(3)
        ),
        described=True,
    )


def _label_files(root: Table) -> Iterator[str]:
    """Of the outputs: SubGraphMetadata 3 has output_tensor_metadata, TensorMetadata 6 its files.
    Files for other languages than the first come after it."""
    for subgraph in root.tables(3):
        for tensor in subgraph.tables(3):
            found = [each for each in tensor.tables(6) if each.integer(2, "b") in _LABELS]
            yield from (each.text(0) for each in found[:1])


def _normalisations(root: Table) -> Iterator[dict[str, tuple[float, ...]]]:
    """Of the inputs: SubGraphMetadata 2 has input_tensor_metadata, TensorMetadata 4 its process units,
    each of which is a union: the kind 0 and the table 1, of NormalizationOptions mean 0 and std 1."""
    for subgraph in root.tables(3):
        for tensor in subgraph.tables(2):
            for unit in tensor.tables(4):
                options = unit.table(1) if unit.integer(0, "B") == _NORMALISATION else None
                if options is not None:
                    yield {"mean": options.floats(0), "std": options.floats(1)}


def packed_files(path: Path, file: BinaryIO, metadata: Packed) -> Packed:
    """The same with what the archive at the end of the file holds, if there is one.

    Raises:
        InvalidModel: the archive is damaged, or a file in it is.
    """
    archive = archives.open_archive(path, file)
    if archive is None:
        return metadata
    with archive:
        names = archive.namelist()

        def text(name: str) -> str:
            return archives.content(path, archive, name, _MAX_TEXT).decode("utf-8", "replace")

        label_files = metadata.label_files if set(metadata.label_files) <= set(names) else ()
        entries = next((name for name in _ENTRIES if name in names), None)
        return replace(
            metadata,
            metadata=_entries(path, entries, text(entries)) if entries else metadata.metadata,
            labels=_labels(text(label_files[0])) if len(label_files) == 1 else (),
        )


def _labels(text: str) -> tuple[str, ...]:
    """One per line, as `BuildLabelMapFromFiles` in mediapipe/util/label_map_util.cc reads them: a blank
    line is a class without a name, but for one at the end of the file."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return tuple(line.strip() for line in lines)


def _entries(path: Path, name: str, text: str) -> dict[str, str]:
    """Ultralytics' entries as the text that an ONNX export of the same model carries."""
    if not name.endswith(".json"):
        return _of_literal(path, name, text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidModel(f"{path}: {name} in it is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidModel(f"{path}: {name} in it is no JSON object")
    return {key: as_text(entry) for key, entry in value.items()}


def as_text(value: Any) -> str:
    """A value of JSON as Python writes it, with whole numbers for keys that are such."""
    if isinstance(value, dict) and all(re.fullmatch(r"[0-9]{1,9}", key) for key in value):
        value = {int(key): entry for key, entry in value.items()}
    return value if isinstance(value, str) else str(value)


def _of_literal(path: Path, name: str, text: str) -> dict[str, str]:
    """The entries of a dict as Python writes it, each value as the text that stands there.

    It is untrusted, so it is cut at its commas and colons, and never evaluated.
    """
    entries: dict[str, str] = {}
    depth, position, begin, key = 0, 0, 0, ""
    text = text.strip()
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise InvalidModel(f"{path}: {name} in it isn't a dict as Python writes it")
        word, position = token[1], token.end()
        if depth == 1 and word == ":" and not key:
            key, begin = _unquoted(text[begin : token.start(1)]), position
        elif depth == 1 and word in (",", "}"):
            if key:
                entries[key] = _unquoted(text[begin : token.start(1)])
            key, begin = "", position
        if word in ("{", "[", "("):
            depth += 1
            begin = position if depth == 1 else begin
        elif word in ("}", "]", ")"):
            depth -= 1
    if depth or not text.startswith("{"):
        raise InvalidModel(f"{path}: {name} in it isn't a dict as Python writes it")
    return entries


def _unquoted(text: str) -> str:
    """A quoted text without its quotes and the backslashes before them; others as they are."""
    text = text.strip()
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return re.sub(r"\\(['\"\\])", r"\1", text[1:-1])
    return text
