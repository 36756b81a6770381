"""Hostile and damaged files with everything installed: refused in words, and nothing in them runs."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inference_core import AutoModel, InferenceError, NoBackendFound, Resolution

SUFFIXES = ("", ".onnx", ".pt2", ".pt", ".torchscript", ".gguf", ".tflite", ".safetensors",
            ".engine", ".task", ".json", ".txt")  # fmt: skip
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def resolved(path: Path) -> None:
    try:
        resolution = AutoModel.resolve(path)
    except InferenceError as error:
        assert str(error)  # noqa: PT017
    else:
        assert isinstance(resolution, Resolution)
        assert str(resolution)


@quick
@given(suffix=st.sampled_from(SUFFIXES), content=st.binary(max_size=400))
def test_any_bytes_are_resolved_or_refused(suffix, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model{suffix}")
        path.write_bytes(content)
        resolved(path)


@pytest.fixture(scope="module")
def bundled(shapes):
    return {name: (shapes / name).read_bytes() for name in ("shapes.onnx", "shapes.pt2")}


@pytest.mark.parametrize("name", ["shapes.onnx", "shapes.pt2"])
def test_a_damaged_real_model_is_resolved_or_refused_and_never_crashes_while_loading(
    bundled, name, tmp_path
):
    generator = random.Random(3)
    for number in range(12):
        content = bytearray(bundled[name])
        if number % 3 == 0:
            del content[generator.randrange(len(content)) :]
        else:
            # The structure is at both ends; the middle is weights.
            for _ in range(20):
                place = generator.randrange(3000)
                content[place if number % 3 == 1 else -place - 1] = generator.randrange(256)
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(content)
        resolved(path)
        if name.endswith(".onnx"):
            try:
                AutoModel.from_pretrained(path, backend="onnx").close()
            except InferenceError as error:
                assert path.name in str(error)  # noqa: PT017


@quick
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.sampled_from(["../secret", "model.bin", "onnx", "torch-export", "C:\\x", "/etc/passwd"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["schema_version", "name", "artifacts", "format", "parts",
                                       "model", "processor", "requires", "x"]), inner, max_size=5),
    max_leaves=12,
))  # fmt: skip
def test_any_json_as_manifest_is_resolved_or_refused(tree):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.bin").write_bytes(b"x")
        Path(folder, "model.json").write_text(json.dumps(tree))
        resolved(Path(folder))


# ---- canaries: pickles that would write a file


class Canary:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    pickle.loads(pickle.dumps(Canary(path))).close()
    assert path.exists(), "the canary itself must work"
    path.unlink()
    return path


def torch():
    return pytest.importorskip("torch")


def small_program():
    module = torch().nn.Sequential(torch().nn.Linear(4, 2))
    return torch().export.export(module.eval(), (torch().zeros(1, 4),))


def torch_saved(value) -> bytes:
    buffer = io.BytesIO()
    torch().save(value, buffer)
    return buffer.getvalue()


def with_member(source: Path, target: Path, name: str, content: bytes) -> None:
    """A copy of a zip file, stored as torch stores it, with one member replaced or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member.filename, old.read(member))
        new.writestr(name, content)


def refused(path: Path, canary: Path) -> str:
    with pytest.raises(InferenceError) as caught:
        AutoModel.from_pretrained(path)
    assert not canary.exists(), f"code of {path.name} ran"
    return str(caught.value)


def test_a_canary_in_each_pickle_member_of_an_export_is_refused(canary, tmp_path):
    good = tmp_path / "good.pt2"
    torch().export.save(small_program(), good)
    AutoModel.from_pretrained(good).close()
    with zipfile.ZipFile(good) as archive:
        names = archive.namelist()
    # What torch.export.load unpickles; each gets a canary in turn, bare and inside an archive.
    root = names[0].partition("/")[0]
    members = [name for name in names if name.endswith((".pt", ".pkl"))]
    members += [f"{root}/data/constants/custom_obj_0", f"{root}/data/sample_inputs/other.pt"]
    assert any("sample_inputs" in name for name in members)
    for index, member in enumerate(members):
        for kind, content in (("bare", pickle.dumps(Canary(canary))),
                              ("saved", torch_saved(Canary(canary)))):  # fmt: skip
            path = tmp_path / f"{kind}{index}.pt2"
            with_member(good, path, member, content)
            assert "trust" in refused(path, canary), (member, kind)


def test_a_checkpoint_and_a_plain_pickle_are_refused(canary, tmp_path):
    for name, content in (
        ("zip.pt", torch_saved({"a": Canary(canary)})),
        ("zip.pth", torch_saved(Canary(canary))),
        ("plain.pt", pickle.dumps(Canary(canary))),
        ("plain.ckpt", pickle.dumps(Canary(canary), protocol=2)),
        ("named.pt2", torch_saved(Canary(canary))),
        ("named.onnx", pickle.dumps(Canary(canary))),
    ):
        (tmp_path / name).write_bytes(content)
        assert refused(tmp_path / name, canary)


def test_torchscript_is_refused_without_allow_code(canary, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the format; files of it stay
        scripted = torch().jit.trace(torch().nn.Linear(4, 2), torch().zeros(1, 4))
        path = tmp_path / "model.torchscript"
        scripted.save(path)
    with pytest.raises(NoBackendFound, match="trust") as caught:
        AutoModel.from_pretrained(path)
    assert "allow_code" in str(caught.value)
    AutoModel.from_pretrained(path, allow_code=True).close()


def test_a_manifest_cannot_vouch_for_a_canary(canary, tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "model.pt").write_bytes(torch_saved(Canary(canary)))
    for format_name in ("torch-checkpoint", "torch-export", "torchscript"):
        manifest = {"schema_version": 1, "name": "m", "task": "t",
                    "artifacts": [{"format": format_name, "parts": {"model": "model.pt"}}]}  # fmt: skip
        (folder / "model.json").write_text(json.dumps(manifest))
        assert refused(folder, canary)


def test_a_package_cannot_reach_out_through_a_link(shapes, tmp_path):
    if os.name == "nt":
        pytest.skip("links need a privilege on Windows")
    package = tmp_path / "package"
    shutil.copytree(shapes, package)
    (tmp_path / "secret.onnx").write_bytes((package / "shapes.onnx").read_bytes())
    (package / "shapes.onnx").unlink()
    (package / "shapes.onnx").symlink_to(tmp_path / "secret.onnx")
    with pytest.raises(InferenceError, match="leads out of the package"):
        AutoModel.from_pretrained(package)
