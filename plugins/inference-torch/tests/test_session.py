"""Loading and running real torch files."""

from __future__ import annotations

import contextlib
import gc
import json
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from inference_core.errors import InferenceError, InvalidModel, ModelClosed
from inference_core.readers import torch_file
from inference_core.session import Session
from inference_torch import plugin
from inference_torch.options import TorchOptions


@pytest.fixture
def expected(small, images) -> list[np.ndarray]:
    with torch.inference_mode():
        first, rest = small(torch.from_numpy(images))
    return [first.numpy(), rest["map"].numpy()]


def test_a_dynamic_archive_gives_what_the_module_gives(
    files, open_session, images, expected
) -> None:
    session = open_session(files / "dynamic.pt2")
    outputs = plugin.predict(session, {"images": images}, {})
    assert list(outputs) == [spec.name for spec in session.outputs] == ["output0", "output1"]
    for found, wanted in zip(outputs.values(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert session.predict({"images": images[:1]})["output0"].shape == (1, 4)


def test_a_session_is_a_session_and_repeats_what_the_reader_says(files, open_session) -> None:
    session = open_session(files / "dynamic.pt2")
    facts = torch_file.read(files / "dynamic.pt2").facts["model"]
    assert isinstance(session, Session)
    assert (session.inputs, session.outputs) == (facts["inputs"], facts["outputs"])
    assert session.metadata == {"task": "detect"}
    assert (session.device, session.task, session.device_arrays) == ("cpu", None, None)


def test_a_static_archive_runs_and_refuses_another_batch(files, open_session, images) -> None:
    session = open_session(files / "static.pt2")
    assert session.predict({"images": images[:1]})["output1"].shape == (1, 8, 8)
    with pytest.raises((RuntimeError, AssertionError)):
        session.predict({"images": images})


def test_more_than_the_largest_batch_is_refused(files, open_session, images) -> None:
    with pytest.raises((RuntimeError, AssertionError)):
        open_session(files / "dynamic.pt2").predict({"images": np.repeat(images, 5, axis=0)})


def test_two_inputs_of_two_dtypes_go_where_they_belong(files, open_session) -> None:
    session = open_session(files / "two.pt2")
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    outputs = session.predict({"indices": np.array([3, 0, 1]), "x": x})
    np.testing.assert_array_equal(outputs["output0"], x[[3, 0, 1]] * 2)
    np.testing.assert_array_equal(outputs["output1"], np.array([4, 1, 2]))
    assert outputs["output1"].dtype == np.int64


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp16", 2e-3), ("bf16", 2e-2), ("fp32", 1e-6)]
)
def test_a_cast_computes_in_that_precision_and_still_speaks_float32(
    precision, tolerance, files, open_session, images, expected
) -> None:
    session = open_session(files / "dynamic.pt2", precision=precision)
    outputs = session.predict({"images": images})
    for found, wanted in zip(outputs.values(), expected, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, atol=tolerance * 10)
    error = np.abs(outputs["output0"] - expected[0]).max()
    assert (error > 1e-7) == (precision != "fp32"), "a cast that changes no digit wasn't made"


def test_bfloat16_archives_take_and_give_float32(files, open_session, images) -> None:
    for precision in (None, "fp32"):
        session = open_session(files / "bfloat16.pt2", precision=precision)
        assert session.inputs[0].dtype == session.outputs[0].dtype == "bfloat16"
        assert session.predict({"images": images})["output0"].dtype == np.float32


def test_read_only_and_reversed_arrays_are_taken_without_a_warning(
    files, open_session, images
) -> None:
    session = open_session(files / "dynamic.pt2")
    wanted = session.predict({"images": images})["output0"]
    frozen = images.copy()
    frozen.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(session.predict({"images": frozen})["output0"], wanted)
        mirrored = images[:, :, :, ::-1].copy()[:, :, :, ::-1]
        np.testing.assert_array_equal(session.predict({"images": mirrored})["output0"], wanted)
        swapped = images.astype(">f4")
        np.testing.assert_array_equal(session.predict({"images": swapped})["output0"], wanted)
    assert not frozen.flags.writeable


class Overwrites(torch.nn.Module):
    def forward(self, x):
        return x.add_(1) * 2


def test_a_program_that_writes_to_its_input_only_is_thread_safe(tmp_path, open_session) -> None:
    path = tmp_path / "overwrites.pt2"
    torch.export.save(torch.export.export(Overwrites(), (torch.ones(2),)), path)
    assert open_session(path).thread_safe, "every call writes to a copy of its own"


class InPlace(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(2, 2), torch.nn.ReLU(inplace=True), torch.nn.Dropout(0.5)
        )

    def forward(self, x):
        return self.layers(x)


def test_work_in_place_on_what_the_program_made_itself_is_thread_safe(
    tmp_path, open_session
) -> None:
    path = tmp_path / "inplace.pt2"
    torch.export.save(torch.export.export(InPlace().eval(), (torch.ones(1, 2),)), path)
    assert open_session(path).thread_safe


class Counts(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen.add_(1)
        return x + self.seen


def test_a_program_with_state_is_not_thread_safe(tmp_path, open_session) -> None:
    path = tmp_path / "counts.pt2"
    torch.export.save(torch.export.export(Counts(), (torch.ones(2),)), path)
    assert not open_session(path).thread_safe


class Structured(torch.nn.Module):
    def forward(self, pair, *, scale):
        return {"sum": pair[0] + pair[1], "scaled": [pair[0] * scale]}


def test_nested_inputs_are_flat_names_and_outputs_are_numbered(tmp_path, open_session) -> None:
    path = tmp_path / "nested.pt2"
    pair = (torch.ones(2), torch.zeros(2))
    program = torch.export.export(Structured(), (pair,), {"scale": torch.rand(2)})
    torch.export.save(program, path)
    session = open_session(path)
    assert [spec.name for spec in session.inputs] == ["pair_0", "pair_1", "scale"]
    feeds = {name: np.full(2, value, np.float32) for name, value in
             [("pair_0", 2), ("pair_1", 3), ("scale", 5)]}  # fmt: skip
    outputs = session.predict(feeds)
    assert {name: float(array[0]) for name, array in outputs.items()} == {
        "output0": 5,
        "output1": 10,
    }


class Named(torch.nn.Module):
    def forward(self, x):
        return {"scores": x * 2, "count": 3, "boxes": x + 1, "missing": None}


def test_a_dict_of_tensors_names_the_outputs_by_its_keys(tmp_path, open_session) -> None:
    path = tmp_path / "named.pt2"
    torch.export.save(torch.export.export(Named(), (torch.ones(2),)), path)
    for precision in (None, "fp16"):
        session = open_session(path, precision=precision)
        outputs = session.predict({"x": np.full(2, 5, np.float32)})
        assert list(outputs) == [spec.name for spec in session.outputs] == ["scores", "boxes"]
        assert {array.dtype for array in outputs.values()} == {np.dtype(np.float32)}
        assert (outputs["scores"][0], outputs["boxes"][0]) == (10, 6)


class Makes(torch.nn.Module):
    """Names dtypes in its graph, which a cast has to change too."""

    def forward(self, x):
        grid = torch.arange(4, dtype=torch.float32)
        return (x.float() + grid) @ torch.ones(4, 1), (x > 0).sum()


def test_a_cast_reaches_dtypes_that_the_graph_names(tmp_path, open_session) -> None:
    path = tmp_path / "makes.pt2"
    torch.export.save(torch.export.export(Makes(), (torch.rand(2, 4),)), path)
    outputs = open_session(path, precision="bf16").predict({"x": np.ones((2, 4), np.float32)})
    np.testing.assert_array_equal(outputs["output0"], [[10], [10]])
    assert outputs["output1"].dtype == np.int64


def test_torchscript_loads_with_allow_code_and_says_what_it_knows(
    torchscript, open_session, images
) -> None:
    session = open_session(torchscript, allow_code=True)
    assert [spec.name for spec in session.inputs] == ["images"]
    assert [spec.name for spec in session.outputs] == ["output0", "output1"]
    assert json.loads(session.metadata["imgsz"]) == [8, 8]
    assert not session.thread_safe
    outputs = session.predict({"images": images})
    np.testing.assert_allclose(outputs["output1"], images.max((2, 3)))
    half = open_session(torchscript, allow_code=True, precision="bf16").predict({"images": images})
    assert half["output0"].dtype == np.float32


def test_a_pickled_module_loads_with_allow_code(files, open_session, images, expected) -> None:
    session = open_session(files / "module.pt", allow_code=True)
    outputs = session.predict({"images": images})
    np.testing.assert_allclose(outputs["output0"], expected[0], rtol=1e-5, atol=1e-6)
    assert not session.thread_safe


def test_a_pickle_of_something_else_is_refused_with_its_type(tmp_path, open_session) -> None:
    path = tmp_path / "list.pt"
    torch.save([np.float64(1.0)], path)
    with pytest.raises(InvalidModel, match="list"):
        open_session(path, allow_code=True)


def test_eight_threads_get_what_one_gets(files, open_session) -> None:
    inputs = [np.random.default_rng(seed).random((1, 3, 8, 8), np.float32) for seed in range(16)]
    session = open_session(files / "dynamic.pt2")
    assert session.thread_safe
    serial = [session.predict({"images": each})["output0"] for each in inputs]
    together = threading.Barrier(8)

    def work(index: int) -> list[np.ndarray]:
        together.wait()
        return [session.predict({"images": each})["output0"] for each in inputs]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(work, range(8)):
            np.testing.assert_array_equal(np.stack(found), np.stack(serial))


def test_models_load_in_several_threads_at_once(files, open_session, images) -> None:
    with ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(lambda _: open_session(files / "dynamic.pt2"), range(4)))
    results = [session.predict({"images": images})["output0"] for session in sessions]
    assert all(np.array_equal(results[0], result) for result in results)


def test_closing_frees_the_program_and_may_be_repeated(files, open_session, images) -> None:
    session = open_session(files / "dynamic.pt2")
    program = weakref.ref(session._program.__self__.module)
    session.close()
    session.close()
    gc.collect()
    assert program() is None
    with pytest.raises(ModelClosed):
        session.predict({"images": images})


def test_a_damaged_archive_is_an_invalid_model_with_its_path(files, tmp_path, open_session) -> None:
    path = tmp_path / "cut.pt2"
    data = (files / "dynamic.pt2").read_bytes()
    path.write_bytes(data)
    artifact = torch_file.read(path)
    path.write_bytes(data[: len(data) // 2])
    from inference_core.machine import current
    from inference_core.package import Request

    with pytest.raises(InvalidModel, match=r"cut\.pt2"):
        plugin.load(artifact, current(), Request())


def test_threads_are_set_for_the_process(files, open_session) -> None:
    before = torch.get_num_threads()
    try:
        open_session(files / "static.pt2", options=TorchOptions(threads=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_interop_threads_that_come_too_late_are_an_error(files, open_session) -> None:
    current = torch.get_num_interop_threads()
    with contextlib.suppress(RuntimeError):  # set once, here or by an earlier test
        torch.set_num_interop_threads(current)
    with pytest.raises(InferenceError, match="interop_threads"):
        open_session(files / "static.pt2", options=TorchOptions(interop_threads=current + 1))


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # torch's own, while it imports its compiler
def test_a_compiled_program_gives_the_same(files, open_session, images, expected) -> None:
    session = open_session(files / "dynamic.pt2", options=TorchOptions(compile=True))
    outputs = session.predict({"images": images})
    np.testing.assert_allclose(outputs["output0"], expected[0], rtol=1e-4, atol=1e-5)
    assert not session.thread_safe


def test_compiling_without_a_compiler_says_so(files, open_session, monkeypatch) -> None:
    def fail(module, mode):
        def run(*args, **kwargs):
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")

        return run

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(InferenceError, match=r"C\+\+ compiler"):
        open_session(files / "dynamic.pt2", options=TorchOptions(compile=True))
