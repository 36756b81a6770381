"""Models made in code, machines made up for the tests, and the trained models where they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from inference_core.environment import Cpu, Environment, Gpu
from inference_core.package import Artifact, Request
from inference_core.readers import tflite_file
from inference_tflite import plugin
from inference_tflite.options import TfliteOptions

from .models import Graph, Tensor, constant, dense, reshape, tflite

MODELS = "INFERENCE_TEST_MEDIAPIPE_MODELS"
"""The variable that names the folder of MediaPipe's models; the session trained_models fetches them."""


def identity(dtype: str = "float32", shape=(2, 3), **quantisation) -> bytes:
    """y = x."""
    tensors = [Tensor(name, shape, dtype, **quantisation) for name in ("x", "y")]
    return tflite(Graph(tensors, ["x"], ["y"], [reshape("x", "y", shape)]))


def layer(weights: np.ndarray, bias: np.ndarray, batch: int = -1) -> bytes:
    """y = x @ weights + bias, for any batch or a fixed one."""
    inner, outer = weights.shape
    ends = [
        Tensor("x", (abs(batch), inner), signature=(batch, inner)),
        Tensor("y", (abs(batch), outer), signature=(batch, outer)),
    ]
    constants = [constant("w", np.ascontiguousarray(weights.T)), constant("b", bias)]
    return tflite(Graph([*ends, *constants], ["x"], ["y"], [dense(["x", "w", "b"], "y")]))


@pytest.fixture
def save(tmp_path):
    """Write a model; the artifact that core's reader makes of it."""

    def write(model: bytes, name: str = "model.tflite") -> Artifact:
        path = tmp_path / name
        path.write_bytes(model)
        return tflite_file.read(path)

    return write


@pytest.fixture
def machine():
    """A machine without a GPU."""
    return Environment("linux", "6", "x86_64", "3.11", Cpu("cpu", 1, 1, ()), 2**33)


@pytest.fixture
def gpu_machine():
    """A machine that claims a GPU."""
    gpu = Gpu(0, "NVIDIA L4", 24 * 2**30, "8.9")
    cpu = Cpu("cpu", 1, 1, ())
    return Environment("linux", "6", "x86_64", "3.11", cpu, 2**33, "580.1", "13.0", (gpu,))


@pytest.fixture
def load(machine):
    """Load an artifact with options; sessions are closed at the end."""
    sessions = []

    def with_options(artifact: Artifact, device: str | None = None, **options):
        request = Request(device=device, options=TfliteOptions(**options))
        session = plugin.load(artifact, machine, request)
        sessions.append(session)
        return session

    yield with_options
    for session in sessions:
        session.close()


@pytest.fixture(scope="session")
def trained() -> Path:
    """The folder with MediaPipe's trained models."""
    folder = Path(os.environ.get(MODELS, ""))
    if not os.environ.get(MODELS):
        pytest.skip(
            f"{MODELS} isn't set: run nox -s mediapipe_models, and set it to what that prints"
        )
    if not any(folder.glob("**/*.tflite")):
        pytest.fail(f"{MODELS} is {folder}, which holds no .tflite files")
    return folder
