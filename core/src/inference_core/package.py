"""A model as pure data: what it is, which artifacts hold it, and what the caller asks of it.

Readers make a `ModelPackage` from a path; the resolver and the hooks read it; nothing here opens a
file or imports more than the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

Precision = Literal["fp32", "fp16", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

Facts = Mapping[str, Any]
Requires = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class ProcessorSpec:
    """Which processor turns inputs into tensors and tensors into results, and its settings.

    `recognised` is True where the package doesn't state it, but a processor knows the graph.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    recognised: bool = False


@dataclass(frozen=True, slots=True)
class Artifact:
    """One complete alternative of a model: everything one backend needs to run it.

    Attributes:
        format: "onnx", "torch-export", "torchscript", "torch-checkpoint", "tensorrt", "gguf",
            "tflite", "mediapipe-task", "safetensors", "transformers", or a third party's name.
        parts: absolute path of each part by role; nearly always the one role "model".
        sha256: expected digest in lower-case hex by absolute path, checked before a load.
        precision: what the weights are stored in, None if unknown.
        batch: smallest and largest batch it takes; None as largest means any; None if unknown.
        requires: facts this machine must have, see `inference_core.requires`.
        facts: what the reader saw in each part, by role. Tensor formats give "inputs" and
            "outputs" (tuples of TensorSpec) and "metadata" (a mapping of str to str).
        task: the task that the package states, for task backends; None where it states none.
        settings: of the package's processor, recognised in this artifact's file; they count where the
            package states none.
    """

    format: str
    parts: Mapping[str, Path]
    sha256: Mapping[Path, str] = field(default_factory=dict)
    precision: Precision | None = None
    batch: tuple[int, int | None] | None = None
    requires: Requires = field(default_factory=dict)
    facts: Mapping[str, Facts] = field(default_factory=dict)
    task: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The path of the first part: the only one, for all but multi-part models."""
        return next(iter(self.parts.values()))

    @property
    def is_graph(self) -> bool:
        """Whether the reader saw a graph of tensors in it, which processors can work with."""
        return any("outputs" in facts for facts in self.facts.values())

    def part(self, role: str) -> Artifact:
        """The artifact reduced to one part, as tensor backends load it."""
        return replace(self, parts={role: self.parts[role]}, facts={role: self.facts.get(role, {})})

    def __str__(self) -> str:
        names = "+".join(path.name for path in self.parts.values())
        return f"{names} ({self.precision})" if self.precision else names


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """One set of trained weights with one task, in one or more artifacts.

    Attributes:
        name: what to call it in reports.
        root: the folder (or file) it was read from.
        artifacts: the alternatives, in the order they were listed.
        task: "object-detection", "image-classification", …; None for a plain graph, or if unknown.
        labels: class names in the order of class ids.
        processor: None for a plain graph or a task backend.
        parameters: defaults of the per-call options ("confidence": 0.25).
    """

    name: str
    root: Path
    artifacts: tuple[Artifact, ...]
    task: str | None = None
    labels: tuple[str, ...] = ()
    processor: ProcessorSpec | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for, as `can_load` and `load` see it.

    Attributes:
        backend: name of the only backend to consider, or None.
        device: "cpu", "cuda", "cuda:1", "mps", …, or None for the backend's best.
        precision: what to compute in, or None for what the artifact has.
        batch_size: how many inputs must go through the graph at once, or None.
        options: options of the backend (threads, …): an instance of the class the backend declares
            as `OPTIONS`, validated by core; None if it declares none.
        allow_code: whether running code that comes with the model is allowed.
    """

    backend: str | None = None
    device: str | None = None
    precision: Precision | None = None
    batch_size: int | None = None
    options: Any = None
    allow_code: bool = False
