"""Whose memory is whose: callers and programs never see each other's writes."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from inference_core import AutoModel


class Returns(torch.nn.Module):
    """Something computed, and everything that it could return as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("buffer", torch.arange(4.0))
        self.weight = torch.nn.Parameter(torch.ones(4))
        self.constant = torch.full((4,), 5.0)

    def forward(self, x):
        return x + 1, self.buffer, self.buffer[1:3], self.weight, self.constant, x, x.view(2, 2)


class Overwrites(torch.nn.Module):
    def forward(self, x):
        x.add_(1)
        return x * 2


class Remembers(torch.nn.Module):
    """Returns what it keeps, and writes to that in the next run."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, x):
        self.seen.add_(x)
        return self.seen


class Accumulates(torch.nn.Module):
    """Its result is 16 x, if nothing else writes to the buffer meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sum", torch.zeros(20_000))

    def forward(self, x):
        self.sum.zero_()
        for _ in range(16):
            self.sum.add_(x)
        return self.sum + 0


KINDS = ("export", "torchscript", "pickle")


@pytest.fixture
def save(tmp_path: Path):
    """`save(module, kind, example)`: the module in a file of that kind."""

    def write(module: torch.nn.Module, kind: str, example: torch.Tensor) -> Path:
        path = tmp_path / f"model-{kind}.pt2"
        if kind == "export":
            torch.export.save(torch.export.export(module.eval(), (example,)), path)
        elif kind == "pickle":
            torch.save(module, path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch calls TorchScript deprecated
                torch.jit.save(torch.jit.script(module), path)
        return path

    return write


@pytest.mark.parametrize("kind", KINDS)
def test_writing_to_results_changes_neither_the_model_nor_the_inputs(
    kind, save, open_session
) -> None:
    session = open_session(save(Returns(), kind, torch.ones(4)), allow_code=True)
    x = np.arange(4, dtype=np.float32)
    outputs = session.predict({"x": x})
    first = {name: array.copy() for name, array in outputs.items()}
    assert len(first) == 7
    for array in outputs.values():
        array[:] = 99
    np.testing.assert_array_equal(x, np.arange(4))
    for name, array in session.predict({"x": x}).items():
        np.testing.assert_array_equal(array, first[name], err_msg=name)


def test_writing_to_inputs_later_changes_no_result(save, open_session) -> None:
    session = open_session(save(Returns(), "export", torch.ones(4)))
    x = np.arange(4, dtype=np.float32)
    outputs = session.predict({"x": x})
    x[:] = -1
    np.testing.assert_array_equal(outputs["output5"], np.arange(4))


def test_what_a_program_computes_itself_is_not_copied(save, open_session, monkeypatch) -> None:
    session = open_session(save(Returns(), "export", torch.ones(4)))
    clones = []
    clone = torch.Tensor.clone
    monkeypatch.setattr(torch.Tensor, "clone", lambda t: clones.append(t) or clone(t))
    session.predict({"x": np.ones(4, np.float32)})
    assert len(clones) == 6, "all but the sum, which shares memory with nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_run_changes_no_earlier_result(kind, save, open_session) -> None:
    session = open_session(save(Remembers(), kind, torch.ones(2)), allow_code=True)
    x = np.ones(2, np.float32)
    first = session.predict({"x": x})["output0"]
    second = session.predict({"x": x})["output0"]
    np.testing.assert_array_equal(first, [1, 1])
    np.testing.assert_array_equal(second, [2, 2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("writable", [True, False])
def test_a_program_that_writes_to_its_input_leaves_the_callers_array_alone(
    kind, writable, save, open_session
) -> None:
    session = open_session(save(Overwrites(), kind, torch.ones(2)), allow_code=True)
    x = np.ones(2, np.float32)
    x.flags.writeable = writable
    np.testing.assert_array_equal(session.predict({"x": x})["output0"], [4, 4])
    np.testing.assert_array_equal(x, [1, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_with_a_buffer_that_it_writes_to_is_right_from_many_threads(kind, save) -> None:
    path = save(Accumulates(), kind, torch.ones(20_000))
    with AutoModel.from_pretrained(path, backend="torch", allow_code=True) as model:

        def wrong(value: int) -> int:
            x = np.full(20_000, value, np.float32)
            found = (model.predict_tensors({"x": x})["output0"] for _ in range(20))
            return sum(bool((array != 16 * value).any()) for array in found)

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(wrong, range(1, 9))) == 0
