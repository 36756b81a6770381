"""Real torch files, made once per run, and ways to ask the backend about them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inference_core.environment import Cpu, Environment, Gpu
from inference_core.package import Request
from inference_core.readers import torch_file
from inference_torch import plugin
from inference_torch.options import TorchOptions

ARM_MAC = {"os": "macos", "architecture": "arm64"}


class Small(torch.nn.Module):
    """A convolution, a buffer, a constant; a tensor and a dict come back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.register_buffer("offset", torch.arange(4.0))
        self.scale = torch.ones(2)

    def forward(self, images):
        features = self.norm(self.conv(images))
        return features.mean((2, 3)) + self.offset, {"map": features.sum(1) * self.scale.sum()}


class TwoInputs(torch.nn.Module):
    def forward(self, x, indices):
        return x[indices] * 2, indices + 1


class PickledBuffer(torch.nn.Module):
    pass


def example(batch: int = 2) -> torch.Tensor:
    return torch.linspace(-1, 1, batch * 3 * 8 * 8).reshape(batch, 3, 8, 8)


@pytest.fixture(scope="session")
def small() -> Small:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, small: Small) -> Path:
    """A folder with one file of each kind."""
    folder = tmp_path_factory.mktemp("torch-files")
    batch = torch.export.Dim("batch", min=1, max=8)
    dynamic = torch.export.export(small, (example(),), dynamic_shapes={"images": {0: batch}})
    torch.export.save(
        dynamic, folder / "dynamic.pt2", extra_files={"config.txt": '{"task": "detect"}'}
    )
    torch.export.save(torch.export.export(small, (example(1),)), folder / "static.pt2")
    two = torch.export.export(TwoInputs(), (torch.rand(4, 2), torch.tensor([2, 0, 1])))
    torch.export.save(two, folder / "two.pt2")
    half = Small().eval().to(torch.bfloat16)
    half.scale = half.scale.to(torch.bfloat16)
    program = torch.export.export(half, (example().to(torch.bfloat16),))
    torch.export.save(program, folder / "bfloat16.pt2")
    torch.save(small.state_dict(), folder / "weights.pt")
    torch.save(small, folder / "module.pt")
    torch.save(small.state_dict(), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    return folder


@pytest.fixture(scope="session")
def torchscript(files: Path) -> Path:
    path = files / "traced.torchscript"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls TorchScript deprecated
        traced = torch.jit.trace(TwoOutputs().eval(), example(1))
        config = '{"task": "detect", "names": {"0": "cat"}, "imgsz": [8, 8]}'
        torch.jit.save(traced, path, _extra_files={"config.txt": config})
    return path


class TwoOutputs(torch.nn.Module):
    def forward(self, images):
        return images.mean((2, 3)), images.amax((2, 3))


@pytest.fixture
def machine() -> Callable[..., Environment]:
    def make(gpus: int = 0, **fields: Any) -> Environment:
        found = tuple(Gpu(index, "NVIDIA L4", 24 << 30, "8.9") for index in range(gpus))
        driver = {"cuda_driver": "570.1", "cuda_version": "12.8"} if gpus else {}
        values = {"os": "linux", "os_version": "6", "architecture": "x86_64", "python": "3.11"}
        return Environment(
            **{**values, **driver, **fields},
            cpu=Cpu("cpu", 2, 2, ()),
            memory_bytes=8 << 30,
            gpus=found,
        )

    return make


@pytest.fixture
def judge(machine):
    """`judge(path, device=…)`: the verdict on a file."""

    def ask(
        path: Path, environment: Environment | None = None, options: Any = None, **request: Any
    ):
        request["options"] = options or TorchOptions()
        return plugin.can_load(torch_file.read(path), environment or machine(), Request(**request))

    return ask


@pytest.fixture
def open_session(machine):
    """`open_session(path, precision=…)`: a loaded session, closed after the test."""
    opened = []

    def load(path: Path, options: Any = None, **request: Any):
        request["options"] = options or TorchOptions()
        session = plugin.load(torch_file.read(path), machine(), Request(**request))
        opened.append(session)
        return session

    yield load
    for session in opened:
        session.close()


@pytest.fixture
def images() -> np.ndarray:
    return example().numpy()


@pytest.fixture
def rewrite(tmp_path: Path):
    """`rewrite(path, {member: bytes or None})`: a copy with members replaced, added or removed."""

    def copy(path: Path, changes: dict[str, bytes | None]) -> Path:
        target = tmp_path / f"rewritten-{len(list(tmp_path.iterdir()))}{path.suffix}"
        target.write_bytes(rewritten(path.read_bytes(), changes))
        return target

    return copy


def rewritten(data: bytes, changes: dict[str, bytes | None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = archive.namelist()[0].partition("/")[0]
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, content in changes.items():
        full = name if name in members else f"{root}/{name}"
        members.pop(full, None)
        if content is not None:
            members[full] = content
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.fixture
def rewritten_bytes():
    return rewritten
