"""Where else the tensors of an ONNX file lie: the names of the files that hold external data.

A tensor can stand in an initializer, and in the attributes of nodes, of subgraphs' nodes and of
functions; a runtime follows the names in all of them. What the names may be is for others to judge.
"""

from __future__ import annotations

from bisect import bisect_left
from io import FileIO
from pathlib import Path

from inference_core.readers.protobuf import Field, ProtobufFile

# What holds tensors: the fields of each kind of message that can lead to one, and where they lead.
_HOLDERS = {
    "training_info": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor",
                  23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external_data"},
}  # fmt: skip


class ExternalData(ProtobufFile):
    """One pass over one file that collects names of files.

    Attributes:
        external: the names found so far, as they are written.
    """

    KIND = "ONNX"

    def __init__(self, path: Path, file: FileIO) -> None:
        super().__init__(path, file)
        self.external: set[str] = set()

    def nested(self, kind: str, message: Field) -> None:
        """The files that tensors at any depth inside a message lie in.

        Most nodes have none: only what holds the word "location", without which no file is named,
        is walked at all. Whether a tensor says that its data is external isn't asked, for that may
        stand in another piece of the same tensor, which protobuf merges.
        """
        marks = self.positions(b"location", message)
        if not marks:
            return
        pending = [(kind, message)]
        while pending:
            kind, message = pending.pop()
            if kind == "external_data":
                key, value = self.entry(message, kind)
                if key == "location":
                    self.external.add(value)
                continue
            inner = _HOLDERS[kind]
            for f in self.fields(message.start, message.stop, f"a {kind}", tuple(inner)):
                following = bisect_left(marks, f.start)
                if following < len(marks) and marks[following] < f.stop:
                    pending.append((inner[f.number], self.message(f, inner[f.number])))

    def entry(self, f: Field, what: str) -> tuple[str, str]:
        """StringStringEntryProto."""
        key = value = ""
        for part in self.fields(f.start, self.message(f, what).stop, what, (1, 2)):
            if part.number == 1:
                key = self.text(part, f"a key of {what}")
            elif part.number == 2:
                value = self.text(part, f"a value of {what}")
        return key, value
