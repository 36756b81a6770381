"""The backend as a user meets it: through AutoModel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from inference_core import AutoModel, NoBackendFound


def test_a_bare_pt2_runs_through_automodel(files, images) -> None:
    with AutoModel.from_pretrained(files / "two.pt2", backend="torch") as model:
        x = np.ones((4, 2), np.float32)
        outputs = model.predict_tensors({"x": x, "indices": np.array([0, 1, 2])})
        assert model.backend == "torch"
        np.testing.assert_array_equal(outputs["output0"], np.full((3, 2), 2))


def test_a_refused_file_says_allow_code_and_allow_code_loads_it(torchscript, images) -> None:
    with pytest.raises(NoBackendFound, match="allow_code=True"):
        AutoModel.from_pretrained(torchscript)
    with AutoModel.from_pretrained(torchscript, allow_code=True, backend="torch") as model:
        assert model.backend == "torch"


def test_options_reach_the_backend_and_a_typo_is_told(files) -> None:
    with pytest.raises(TypeError, match="threads"):
        AutoModel.from_pretrained(files / "two.pt2", backend="torch", options={"thread": 1})
    AutoModel.from_pretrained(files / "two.pt2", backend="torch", options={"threads": 1}).close()


class Between(torch.nn.Module):
    def forward(self, x):
        return ((x > 0) & (x < 2) | (x == 5)).float()


def test_operators_on_bits_only_compute(tmp_path):
    x = torch.tensor([-1.0, 0.5, 3.0, 5.0])
    torch.export.save(torch.export.export(Between(), (x,)), tmp_path / "between.pt2")
    with AutoModel.from_pretrained(tmp_path / "between.pt2", backend="torch") as model:
        assert model({"x": x.numpy()})["output0"].tolist() == [0, 1, 0, 1]
