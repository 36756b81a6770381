"""What in an ONNX file itself keeps the installed onnxruntime from running it.

Judged by the facts the reader found, without the runtime.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from inference_core.errors import InvalidModel
from inference_core.package import Artifact, Facts, Precision
from inference_core.readers import onnx_file
from inference_core.verdict import Reason

# What onnxruntime's Python interface passes to and from arrays.
TENSOR_DTYPES = {
    *("float16", "float32", "float64", "bfloat16", "bool", "str"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
}

# Newest opset of ONNX's own domain and newest IR version that a release loads. Measured: models
# stamped with each number were loaded with the newest wheel of each release.
_LIMITS = {
    (1, 20): (21, 10),
    (1, 21): (22, 10),
    (1, 22): (22, 10),
    (1, 23): (23, 11),
    (1, 24): (25, 13),
    **{(1, minor): (26, 13) for minor in range(25, 32)},
    (1, 32): (28, 14),
}


def artifact_reasons(artifact: Artifact, runtime: str | None) -> Iterator[Reason]:
    """Why this artifact can't be run by onnxruntime of version `runtime` (None: any)."""
    if artifact.format != "onnx":
        yield Reason("format", f"the onnx backend runs onnx files, not {artifact.format}")
        return
    for role, path in artifact.parts.items():
        try:
            with path.open("rb"):
                facts = artifact.facts.get(role, {})
                if "onnx.ir_version" not in facts:
                    facts = onnx_file.read(path).facts["model"]
        except OSError as error:
            yield Reason("error", f"{path} can't be read: {error.strerror or error}")
        except InvalidModel as error:
            yield Reason("format", str(error))
        else:
            yield from _version_reasons(path, facts, runtime)
            yield from _tensor_reasons(path, facts)
            yield from _external_data_reasons(path, facts)


def precision_reasons(artifact: Artifact, asked: Precision | None) -> Iterator[Reason]:
    """onnxruntime runs a graph in the precision it was exported in and can't cast it."""
    if asked and asked != artifact.precision:
        holds = (
            f"holds {artifact.precision}" if artifact.precision else "doesn't show its precision"
        )
        yield Reason(
            "precision",
            f"{asked} was asked for, but {artifact} {holds}, and onnxruntime can't convert a graph",
            f'precision="{artifact.precision}"' if artifact.precision else "precision=None",
        )


def _version_reasons(path: Path, facts: Facts, runtime: str | None) -> Iterator[Reason]:
    """Reasons of a runtime that is too old; one that isn't in the table is left to judge itself."""
    release = re.match(r"(\d+)\.(\d+)", runtime or "")
    limits = _LIMITS.get((int(release[1]), int(release[2]))) if release else None
    if limits is None:
        return
    max_opset, max_ir = limits
    opset = max((v for d, v in facts["onnx.opsets"].items() if d in {"", "ai.onnx"}), default=0)
    if opset > max_opset:
        yield Reason(
            "format",
            f"{path.name} uses opset {opset}, but onnxruntime {runtime} knows none beyond "
            f"{max_opset}: export it again, or take a newer onnxruntime if there is one",
            f"opset_version={max_opset}",
        )
    if facts["onnx.ir_version"] > max_ir:
        yield Reason(
            "format",
            f"{path.name} is of IR version {facts['onnx.ir_version']}, but onnxruntime {runtime} "
            f"knows none beyond {max_ir}: save it again with an older onnx package or with "
            f"model.ir_version = {max_ir}",
        )


def _tensor_reasons(path: Path, facts: Facts) -> Iterator[Reason]:
    for what in ("inputs", "outputs"):
        for spec in facts[what]:
            if spec.dtype not in TENSOR_DTYPES:
                yield Reason(
                    "format",
                    f"{path.name} has {spec.name!r} of type {spec.dtype} among its {what}, which "
                    "onnxruntime can't exchange as an array",
                )


def _external_data_reasons(path: Path, facts: Facts) -> Iterator[Reason]:
    for location in facts["onnx.external_data"]:
        try:
            folder = path.parent.resolve()
            target = (folder / location).resolve()
            inside, there = target.is_relative_to(folder), target.is_file()
        except (
            OSError,
            ValueError,
            RuntimeError,
        ) as error:  # an impossible name or a loop of links
            yield Reason("error", f"{path.name} keeps weights in {location!r}: {error}")
            continue
        if not inside:
            yield Reason(
                "error",
                f"{path.name} keeps weights in {location!r}, outside its own folder, which is never "
                "read",
            )
        elif not there:
            yield Reason(
                "error",
                f"{path.name} keeps weights in {location!r}, which isn't in {folder}: put it there",
            )
