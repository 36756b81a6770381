"""The conformance kit of inference-core, run on this backend with each kind of program it loads."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from inference_core.testing import BackendConformance, Sample


class Layer(torch.nn.Module):
    """y = relu(x @ weight)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(-3.0, 3.0).reshape(3, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ self.weight)


X = np.array([[1, 2, 3], [-1, 0.5, 0], [4, -4, 1], [0, 0, 0]], np.float32)
Y = np.maximum(X @ np.arange(-3, 3, dtype=np.float32).reshape(3, 2), 0)


class TestExportConformance(BackendConformance):
    backend = "torch"

    def make_sample(self, folder: Path) -> Sample:
        path = folder / "layer.pt2"
        torch.export.save(torch.export.export(Layer().eval(), (torch.from_numpy(X),)), path)
        return Sample(path, {"x": X}, {"output0": Y})


class TestTorchScriptConformance(BackendConformance):
    backend = "torch"

    def make_sample(self, folder: Path) -> Sample:
        path = folder / "layer.torchscript"
        with warnings.catch_warnings(action="ignore"):  # torch has deprecated what it still loads
            torch.jit.save(torch.jit.script(Layer().eval()), path)
        return Sample(path, {"x": X}, {"output0": Y}, allow_code=True)
