"""The manifest `model.json`: its schema, and how it becomes a `ModelPackage`.

The only file that imports pydantic for packages, and only when a manifest is read. Paths in it are
relative to its folder and must stay inside: no "..", no absolute path, no link that leads out.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from inference_core.arguments import did_you_mean
from inference_core.configuration import Configuration
from inference_core.errors import InvalidModel
from inference_core.package import Artifact, Facts, ModelPackage, Precision, ProcessorSpec
from inference_core.readers.formats import facts_of

NAME = "model.json"
MAX_BYTES = 4 << 20

_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ProcessorEntry(_Strict):
    """The processor, and settings that it understands."""

    name: _Name
    settings: dict[str, Any] = {}


class ArtifactEntry(_Strict):
    """One complete alternative of the model."""

    format: _Name = Field(description="onnx, torch-export, torchscript, tensorrt, gguf, …")
    parts: dict[_Name, str] = Field(
        min_length=1, description="relative path by role; usually 'model'"
    )
    sha256: dict[str, _Sha256] = Field({}, description="lower-case hex digest by relative path")
    precision: Precision | None = None
    batch: tuple[int, int | None] | None = Field(
        None, description="smallest and largest batch; null as largest means any", strict=False
    )
    requires: dict[str, str | list[str]] = Field({}, description="environment facts that must hold")

    @field_validator("batch")
    @classmethod
    def _range(cls, batch: tuple[int, int | None] | None) -> tuple[int, int | None] | None:
        if batch and (batch[0] < 1 or (batch[1] is not None and batch[1] < batch[0])):
            raise ValueError("batch is [smallest, largest] with 1 <= smallest <= largest")
        return batch


class Manifest(_Strict):
    """A model: what it is, and the artifacts that hold it."""

    schema_uri: str | None = Field(None, alias="$schema")
    schema_version: Literal[1]
    name: _Name
    task: _Name | None = None
    labels: list[str] = []
    processor: ProcessorEntry | None = None
    parameters: dict[str, Any] = Field({}, description="defaults of the per-call options")
    artifacts: list[ArtifactEntry] = Field(min_length=1)

    @field_validator("schema_version", mode="before")
    @classmethod
    def _no_boolean(cls, version: object) -> object:
        if isinstance(version, bool):  # True equals 1
            raise ValueError("schema_version is the number 1")
        return version


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `model.json` (draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "inference-core model manifest",
        **Manifest.model_json_schema(),
    }


def read(folder: Path, settings: Configuration | None = None) -> ModelPackage:
    """The package that `folder/model.json` describes; its files exist and lie inside the folder.

    Args:
        folder: where the manifest is.
        settings: which installed readers may be asked for the facts of formats that aren't built
            in; None asks none.

    Raises:
        InvalidModel: the manifest is no JSON, doesn't fit the schema, or names a file that is
            missing or outside the folder.
    """
    path = folder / NAME
    manifest = _validated(path)
    artifacts = tuple(
        _artifact(entry, index, manifest, path, settings)
        for index, entry in enumerate(manifest.artifacts)
    )
    processor = manifest.processor
    return ModelPackage(
        name=manifest.name,
        root=folder,
        artifacts=artifacts,
        task=manifest.task,
        labels=tuple(manifest.labels),
        processor=ProcessorSpec(processor.name, processor.settings) if processor else None,
        parameters=manifest.parameters,
    )


def _validated(path: Path) -> Manifest:
    try:
        if not path.is_file():  # a pipe would never end
            raise InvalidModel(f"{path} is no file")
        if path.stat().st_size > MAX_BYTES:
            raise InvalidModel(f"{path} is larger than {MAX_BYTES >> 20} MiB: that is no manifest")
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidModel(f"{path} is no JSON: {error}") from error
    try:
        return Manifest.model_validate(data)
    except (ValidationError, RecursionError) as error:
        raise InvalidModel(f"{path} is no valid manifest: {_issues(error)}") from None


def _issues(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    fields = {
        name for model in (Manifest, ArtifactEntry, ProcessorEntry) for name in model.model_fields
    }
    lines = []
    for issue in error.errors(include_url=False)[:10]:
        where = ".".join(map(str, issue["loc"])) or "the file"
        hint = ""
        if issue["type"] == "extra_forbidden":
            hint = did_you_mean(str(issue["loc"][-1]), fields)
        lines.append(f"{where}: {issue['msg']}{hint}")
    return "; ".join(lines)


def _artifact(
    entry: ArtifactEntry, index: int, stated: Manifest, path: Path, settings: Configuration | None
) -> Artifact:
    where, home = f"{path}: artifacts.{index}", path.parent
    parts = {role: _inside(home, name, where) for role, name in entry.parts.items()}
    facts: dict[str, Facts] = {}
    precision, batch = entry.precision, entry.batch
    for role, part in parts.items():
        seen = facts_of(entry.format, part, settings)
        if seen is not None:
            facts[role] = next(iter(seen.facts.values()), {})
            precision, batch = precision or seen.precision, batch or seen.batch
    return Artifact(
        format=entry.format,
        parts=parts,
        sha256={_inside(home, name, where): sha for name, sha in entry.sha256.items()},
        precision=precision,
        batch=batch,
        requires=entry.requires,
        facts=facts,
        task=stated.task,
    )


def _inside(folder: Path, name: str, where: str) -> Path:
    """The file a manifest names, which must exist below `folder`, links followed."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    unsafe = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if unsafe or not name.strip() or "\x00" in name:
        raise InvalidModel(f"{where}: {name!r} must be a relative path inside the package")
    path = folder / posix
    try:
        real, home = path.resolve(strict=True), folder.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidModel(f"{where}: {name!r} can't be found: {path}") from error
    if not real.is_relative_to(home):
        raise InvalidModel(f"{where}: {name!r} is a link that leads out of the package, to {real}")
    if not (real.is_file() or real.is_dir()):
        raise InvalidModel(f"{where}: {name!r} is neither a file nor a folder")
    return path
