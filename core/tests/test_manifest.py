"""`model.json`: what is read from it, what is refused, and that nothing outside is touched."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inference_core import InferenceError, InvalidModel, ModelPackage, configuration, manifest
from inference_core.package import ProcessorSpec
from inference_core.readers import read_package

VALID = {
    "$schema": "https://example.org/schema.json",
    "schema_version": 1,
    "name": "shapes",
    "task": "object-detection",
    "labels": ["circle", "square"],
    "processor": {"name": "yolo", "settings": {"layout": "boxes"}},
    "parameters": {"confidence": 0.25},
    "artifacts": [
        {
            "format": "plan",
            "parts": {"model": "model.bin", "text": "sub/text.bin"},
            "sha256": {"model.bin": "ab" * 32},
            "precision": "fp16",
            "batch": [1, None],
            "requires": {"cuda": ">=12", "gpu.compute_capability": ["8.9", "9.0"]},
        }
    ],
}


def package_with(folder: Path, content: object) -> Path:
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "sub" / "text.bin").write_bytes(b"weights")
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "model.json").write_bytes(raw)
    return folder


def changed(**changes: object) -> dict:
    return {**VALID, **changes}


def artifact_with(**changes: object) -> dict:
    return changed(artifacts=[{**VALID["artifacts"][0], **changes}])


def test_a_whole_manifest_becomes_a_package(tmp_path):
    package = manifest.read(package_with(tmp_path, VALID))
    assert package.name == "shapes"
    assert package.root == tmp_path
    assert [each.task for each in package.artifacts] == ["object-detection"]
    assert package.task == "object-detection"
    assert package.labels == ("circle", "square")
    assert package.processor == ProcessorSpec("yolo", {"layout": "boxes"})
    assert package.parameters == {"confidence": 0.25}
    (artifact,) = package.artifacts
    assert artifact.parts == {
        "model": tmp_path / "model.bin",
        "text": tmp_path / "sub" / "text.bin",
    }
    assert artifact.sha256 == {tmp_path / "model.bin": "ab" * 32}
    assert (artifact.precision, artifact.batch) == ("fp16", (1, None))
    assert artifact.requires == VALID["artifacts"][0]["requires"]
    assert artifact.part("text").parts == {"text": tmp_path / "sub" / "text.bin"}


def test_the_least_that_a_manifest_needs(tmp_path):
    least = {"schema_version": 1, "name": "m",
             "artifacts": [{"format": "plan", "parts": {"model": "model.bin"}}]}  # fmt: skip
    package = manifest.read(package_with(tmp_path, least))
    assert (package.task, package.labels, package.processor) == (None, (), None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        ([], "no valid manifest"),
        ({}, "schema_version: Field required"),
        (changed(schema_version=2), "schema_version"),
        (changed(schema_version="1"), "schema_version"),
        (changed(name=""), "name"),
        (changed(name=None), "name"),
        (changed(labels="circle"), "labels"),
        (changed(labels=[1]), "labels.0"),
        (changed(artefacts=[]), "artefacts: .*did you mean 'artifacts'"),
        (changed(artifacts=[]), "artifacts"),
        (changed(processor="yolo"), "processor"),
        (artifact_with(precision="fp8"), "artifacts.0.precision"),
        (artifact_with(batch=[0, 1]), r"batch is \[smallest, largest\]"),
        (artifact_with(batch=[4, 2]), r"batch is \[smallest, largest\]"),
        (artifact_with(batch=4), "artifacts.0.batch"),
        (artifact_with(parts={}), "artifacts.0.parts"),
        (artifact_with(parts={"model": 3}), "artifacts.0.parts.model"),
        (artifact_with(sha256={"model.bin": "abc"}), "sha256"),
        (artifact_with(requires={"cuda": 12}), "requires"),
        (artifact_with(requirs={}), "did you mean 'requires'"),
        (artifact_with(parts={"model": "missing.bin"}), "'missing.bin' can't be found"),
        (artifact_with(format="onnx"), "model.bin"),
        (artifact_with(format="gguf"), "GGUF"),
        (artifact_with(format="tflite"), "TensorFlow Lite"),
        (artifact_with(format="gguf", parts={"model": "sub"}), "sub"),
        (artifact_with(format="tflite", parts={"model": "sub"}), "sub"),
        (artifact_with(format="onnx", parts={"model": "sub"}), "sub"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path, content, message):
    package_with(tmp_path, content)
    with pytest.raises(InvalidModel, match=message) as caught:
        manifest.read(tmp_path)
    assert str(tmp_path) in str(caught.value)


ESCAPES = [
    "../outside.bin", "sub/../../outside.bin", "sub/..", "/etc/passwd", "C:\\Windows\\x", "C:x",
    "c:/x", "\\\\server\\share\\x", "\\x", "..\\outside.bin", "sub\\..\\..\\outside.bin", "//x/y",
    "", "  ", "model\x00.bin", "~/x", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("field", ["parts", "sha256"])
def test_a_path_that_leaves_the_package_is_refused(tmp_path, name, field):
    (tmp_path / "outside.bin").write_bytes(b"secret")
    folder = tmp_path / "package"
    folder.mkdir()
    value = {"model": name} if field == "parts" else {name: "ab" * 32}
    package_with(folder, artifact_with(**{field: value}))
    with pytest.raises(InvalidModel):
        manifest.read(folder)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_out_of_the_package_is_refused_and_one_inside_is_fine(tmp_path, kind):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "outside.bin").write_bytes(b"secret")
    folder = tmp_path / "package"
    folder.mkdir()
    if kind == "file":
        (folder / "link.bin").symlink_to(tmp_path / "secret" / "outside.bin")
        package_with(folder, artifact_with(parts={"model": "link.bin"}))
    else:
        (folder / "link").symlink_to(tmp_path / "secret")
        package_with(folder, artifact_with(parts={"model": "link/outside.bin"}))
    with pytest.raises(InvalidModel, match="leads out of the package"):
        manifest.read(folder)
    (folder / "within.bin").symlink_to("model.bin")
    package_with(folder, artifact_with(parts={"model": "within.bin"}))
    manifest.read(folder)


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "loop.bin").symlink_to("loop.bin")
    package_with(tmp_path, artifact_with(parts={"model": "loop.bin"}))
    with pytest.raises(InvalidModel, match=r"loop\.bin"):
        manifest.read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.bin")
    package_with(tmp_path, artifact_with(parts={"model": "pipe.bin"}, format="onnx"))
    with pytest.raises(InvalidModel, match=r"pipe\.bin' is neither a file nor a folder"):
        manifest.read(tmp_path)
    (tmp_path / "model.json").unlink()
    os.mkfifo(tmp_path / "model.json")
    with pytest.raises(InvalidModel, match="is no file"):
        manifest.read(tmp_path)


def test_a_manifest_larger_than_any_is_refused_before_it_is_parsed(tmp_path):
    package_with(tmp_path, b" " * (manifest.MAX_BYTES + 1))
    with pytest.raises(InvalidModel, match="larger than 4 MiB"):
        manifest.read(tmp_path)


def test_the_schema_is_a_json_schema_that_names_every_field():
    schema = manifest.json_schema()
    json.dumps(schema)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(schema["properties"]) == set(VALID)
    assert schema["required"] == ["schema_version", "name", "artifacts"]
    assert schema["additionalProperties"] is False
    entry = schema["$defs"]["ArtifactEntry"]
    assert set(entry["properties"]) == set(VALID["artifacts"][0])


# ---- arbitrary and mutated manifests

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from([*ESCAPES, "model.bin", "sub", "sub/text.bin", "onnx", "gguf", "tflite",
                     "torchscript", "torch-checkpoint", "torch-export", "plan", "fp16"]),
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def mutated(draw):
    """A valid manifest with one to three places changed, removed or added to."""
    tree = json.loads(json.dumps(VALID))
    for _ in range(draw(st.integers(1, 3))):
        node, place = tree, None
        for _ in range(draw(st.integers(1, 4))):
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            place = (node, draw(st.sampled_from(keys)))
            node = place[0][place[1]]
            if not isinstance(node, (dict, list)):
                break
        if place is None:
            continue
        holder, key = place
        action = draw(st.sampled_from(["replace", "delete", "add"]))
        if action == "replace":
            holder[key] = draw(anything)
        elif action == "delete":
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = draw(anything)
        else:
            holder.append(draw(anything))
    return tree


class Opened:
    """Files that this process opens, as the interpreter's own audit events tell."""

    def __init__(self) -> None:
        self.watching = False
        self.paths: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if self.watching and event == "open" and isinstance(arguments[0], (str, bytes)):
            self.paths.append(os.fsdecode(arguments[0]))


@pytest.fixture(scope="module")
def opened():
    watcher = Opened()  # an audit hook can't be removed, so there is one per module
    yield watcher
    watcher.watching = False


def read_and_watch(folder: Path, opened: Opened) -> None:
    defaults = configuration.Configuration(folder)
    opened.paths.clear()
    opened.watching = True
    try:
        package = read_package(folder, defaults)
    except InferenceError:
        pass
    else:
        assert isinstance(package, ModelPackage)
    finally:
        opened.watching = False
    home = folder.resolve()
    for path in opened.paths:
        assert Path(path).resolve().is_relative_to(home), f"{path} was opened"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=st.one_of(mutated(), anything))
def test_any_manifest_gives_a_package_or_an_error_of_ours_and_opens_nothing_outside(
    fake, opened, tree
):
    with tempfile.TemporaryDirectory() as outer:
        (Path(outer) / "outside.bin").write_bytes(b"secret")
        folder = Path(outer, "package")
        folder.mkdir()
        try:
            raw = json.dumps(tree).encode()
        except (ValueError, UnicodeEncodeError):
            return
        (folder / "link.bin").symlink_to("../outside.bin")
        package_with(folder, raw)
        # What the first read of a manifest imports is opened outside the package.
        read_package_once(folder)
        read_and_watch(folder, opened)


def read_package_once(folder: Path) -> None:
    with contextlib.suppress(InferenceError):
        read_package(folder, configuration.Configuration(folder))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(max_size=200))
def test_any_bytes_as_manifest_give_an_error_of_ours(fake, raw):
    with tempfile.TemporaryDirectory() as folder:
        package_with(Path(folder), raw)
        with pytest.raises(InferenceError):
            read_package(Path(folder), configuration.Configuration(Path(folder)))
