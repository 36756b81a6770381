"""The backend as users meet it: through AutoModel."""

from __future__ import annotations

import numpy as np
import pytest
from inference_core import AutoModel, InvalidArgument, NoBackendFound
from onnx import numpy_helper

from .conftest import matmul

WEIGHTS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)


@pytest.fixture
def path(save):
    return save(matmul(numpy_helper.from_array(WEIGHTS, "w"))).path


def test_a_bare_file_needs_no_manifest(path):
    array = np.ones((4, 3), np.float32)
    with AutoModel.from_pretrained(path, backend="onnx", device="cpu") as model:
        assert model.backend == "onnx"
        np.testing.assert_allclose(model.predict_tensors({"x": array})["y"], array @ WEIGHTS)


def test_options_are_checked_before_anything_is_loaded(path):
    with pytest.raises(InvalidArgument, match="did you mean 'threads'"):
        AutoModel.from_pretrained(path, backend="onnx", options={"thread": 2})


def test_a_refusal_prints_every_reason(path):
    with pytest.raises(NoBackendFound) as caught:
        AutoModel.from_pretrained(path, backend="onnx", device="mps", precision="fp16")
    text = str(caught.value)
    assert "precision" in text
    assert "mps" in text
