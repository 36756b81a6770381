"""Every pair of backend and artifact judged, with all reasons, ranked in a fixed order."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import pytest
from inference_core import (
    AutoModel,
    BackendFallback,
    InvalidArgument,
    NoBackendFound,
    PluginError,
    catalog,
    machine,
)
from inference_core.environment import Gpu

# A backend that accepts everything of its format, on the device it is told to state.
RUNS = """
    from inference_core.verdict import Reason
    DEVICE = {device!r}

    @hookimpl
    def can_load(artifact, request):
        if artifact.format != {format!r}:
            return Verdict.reject(Reason("format", "another format"))
        return Verdict.accept(DEVICE)
"""


@pytest.fixture
def runs(fake, plain_machine):
    """Install a backend: name, the format it runs, the device it takes."""

    def add(name, format_name="f", device="cpu"):
        fake.backend(name, can_load=RUNS.format(format=format_name, device=device))

    return add


@pytest.fixture
def package(tmp_path):
    def write(*artifacts, **changes):
        for index, artifact in enumerate(artifacts):
            parts = artifact.setdefault("parts", {"model": f"{index}.bin"})
            for name in parts.values():
                (tmp_path / name).touch()
        artifacts = [{"format": "f", **artifact} for artifact in artifacts]
        manifest = {
            "schema_version": 1,
            "name": "m",
            "task": "t",
            "artifacts": artifacts,
            **changes,
        }
        (tmp_path / "model.json").write_text(json.dumps(manifest))
        return tmp_path

    return write


def order(resolution):
    return [candidate.backend for candidate in resolution.accepted]


def artifacts(resolution):
    return [candidate.artifact.path.name for candidate in resolution.accepted]


def reasons(resolution, backend):
    return [
        reason
        for c in resolution.candidates
        if c.backend == backend
        for reason in c.verdict.reasons
    ]


def test_an_accelerator_comes_before_the_cpu(runs, package):
    runs("torch")
    runs("zzz", device="cuda:0")
    resolution = AutoModel.resolve(package({}))
    assert order(resolution) == ["zzz", "torch"]
    assert resolution.chosen.verdict.device == "cuda:0"


def test_then_the_preference_of_the_systems_this_replaces_then_the_name(runs, package):
    for name in ("beta", "alpha", "onnx", "torch", "trt"):
        runs(name)
    assert order(AutoModel.resolve(package({}))) == ["trt", "torch", "onnx", "alpha", "beta"]


def test_preference_from_argument_variable_and_file_in_that_order(
    runs, package, monkeypatch, tmp_path
):
    for name in ("alpha", "onnx", "torch"):
        runs(name)
    path = package({})
    config = tmp_path / "c.toml"
    config.write_text('preference = ["alpha"]')
    monkeypatch.setenv("INFERENCE_CONFIG", str(config))
    assert order(AutoModel.resolve(path)) == ["alpha", "torch", "onnx"]
    monkeypatch.setenv("INFERENCE_PREFERENCE", "onnx,alpha")
    assert order(AutoModel.resolve(path)) == ["onnx", "alpha", "torch"]
    assert order(AutoModel.resolve(path, preference=["torch", "onnx"])) == [
        "torch",
        "onnx",
        "alpha",
    ]


def test_then_precision_then_dynamic_batch_then_format_and_name(runs, package):
    runs("x")
    path = package(
        {"parts": {"model": "b-static.bin"}, "precision": "fp32", "batch": [1, 1]},
        {"parts": {"model": "half.bin"}, "precision": "fp16", "batch": [1, None]},
        {"parts": {"model": "z-dynamic.bin"}, "precision": "fp32", "batch": [1, None]},
        {"parts": {"model": "a-static.bin"}, "precision": "fp32", "batch": [1, 1]},
    )
    expected = ["z-dynamic.bin", "a-static.bin", "b-static.bin", "half.bin"]
    assert artifacts(AutoModel.resolve(path)) == expected
    assert artifacts(AutoModel.resolve(path, precision="fp16"))[0] == "half.bin"


def test_on_a_gpu_half_precision_comes_first(runs, package):
    runs("x", device="cuda:0")
    path = package({"parts": {"model": "a.bin"}, "precision": "fp32"},
                   {"parts": {"model": "b.bin"}, "precision": "fp16"})  # fmt: skip
    assert artifacts(AutoModel.resolve(path)) == ["b.bin", "a.bin"]


def test_all_reasons_come_at_once(linear, plain_machine):
    path = linear.package(
        processor={"name": "rowz"},
        artifact={"batch": [2, 2], "requires": {"cuda": ">=12", "linear": ">=3", "os": "linux"}},
    )
    resolution = AutoModel.resolve(path, device="mps", precision="int8", batch_size=5)
    codes = [reason.code for reason in reasons(resolution, "linear")]
    assert codes == ["device", "precision", "requirement", "requirement", "batch", "processor"]
    text = str(resolution)
    for reason in reasons(resolution, "linear"):
        assert reason.message in text
    assert "wants linear >=3; found 2.0" in text
    assert "exactly 2 at once" in text
    assert "did you mean 'rows'" in text
    asked = ["device=mps", "precision=int8", "batch_size=5"]
    assert json.loads(json.dumps(resolution.to_json()))["asked"] == asked


@pytest.mark.parametrize(
    ("batch", "message"),
    [([2, 2], "exactly 2"), ([2, 4], "2 to 4"), ([8, None], "at least 8")],
)
def test_a_batch_out_of_range_is_told(runs, package, batch, message):
    runs("x")
    (reason,) = reasons(
        AutoModel.resolve(package({"batch": batch}), batch_size=5 if batch[1] else 3), "x"
    )
    assert reason.code == "batch"
    assert message in reason.message
    assert "None" not in f"{reason}"


def test_facts_of_the_machine_of_the_backend_and_of_the_device_are_matched(
    runs, package, plain_machine, monkeypatch
):
    gpus = (Gpu(0, "NVIDIA T4", 16 << 30, "7.5"), Gpu(1, "NVIDIA L4", 24 << 30, "8.9"))
    gpu_machine = replace(plain_machine, cuda_driver="550.1", cuda_version="12.4", gpus=gpus)
    monkeypatch.setattr(machine, "current", lambda: gpu_machine)
    runs("x", device="cuda:1")
    runs("y", device="cuda:0")
    path = package({"requires": {"gpu.compute_capability": "8.9", "cuda": ">=12.4"}})
    resolution = AutoModel.resolve(path)
    assert order(resolution) == ["x"]
    (reason,) = reasons(resolution, "y")
    assert reason.message == "wants gpu.compute_capability 8.9; found 7.5"


def test_a_forced_backend_is_the_only_one_imported(runs, package, fake):
    import sys

    runs("x")
    fake.backend("angry", "raise RuntimeError('imported')")
    resolution = AutoModel.resolve(package({}), backend="x")
    assert {candidate.backend for candidate in resolution.candidates} == {"x"}
    assert "angry_backend" not in sys.modules
    assert "backend=x" in str(resolution)


def test_a_known_backend_for_certain_parts_is_named_only_where_an_artifact_has_them(
    runs, package, monkeypatch
):
    runs("x")
    reads = catalog.KnownBackend("reads", "inference-reads", "", ("f",), parts=("eye", "mind"))
    monkeypatch.setattr(catalog, "BACKENDS", (reads,))
    assert order(AutoModel.resolve(package({}))) == ["x"]
    assert len(AutoModel.resolve(package({})).candidates) == 1
    parts = {"eye": "eye.bin", "mind": "mind.bin", "hand": "hand.bin"}
    _, absent = AutoModel.resolve(package({"parts": parts})).candidates
    assert (absent.backend, absent.verdict.reasons[0].code) == ("reads", "not-installed")


def test_parameters_that_nothing_takes_are_a_reason(runs, package):
    runs("x")
    (candidate,) = AutoModel.resolve(package({}, parameters={"vocabulary": "abc"})).candidates
    (reason,) = candidate.verdict.reasons
    assert reason.code == "processor"
    assert "states parameters but no processor" in reason.message


def test_a_forced_backend_that_is_known_but_not_installed_says_what_to_install(runs, package):
    runs("x")
    resolution = AutoModel.resolve(package({}), backend="onnx")
    (candidate,) = resolution.candidates
    assert [reason.code for reason in candidate.verdict.reasons] == ["not-installed", "format"]
    assert "inference-onnx[cpu]" in candidate.verdict.reasons[0].fix


def test_known_backends_that_would_run_it_are_named_with_their_command(runs, package, fake):
    path = package({"format": "gguf", "parts": {"model": "m.bin"}}, {"format": "tensorrt"})
    (path / "m.bin").write_bytes(b"GGUF" + b"\3\0\0\0" + b"\0" * 16)
    text = str(AutoModel.resolve(path))
    assert "inference-llama-cpp isn't installed" in text
    assert "inference-trt isn't installed, and this version has none yet" in text
    assert "inference-onnx" not in text


def test_no_backend_at_all_prints_the_whole_resolution(linear, monkeypatch, plain_machine):
    with pytest.raises(NoBackendFound, match="no backend can run") as caught:
        AutoModel.from_pretrained(linear.file(), device="mps")
    assert str(caught.value.resolution) in str(caught.value)
    assert "linear has no mps" in str(caught.value)


def test_a_device_is_known_if_a_backend_reports_it(runs, package, fake):
    path = package({})
    runs("x", device="npu:1")
    with pytest.raises(InvalidArgument, match="no installed backend reports a device npu"):
        AutoModel.resolve(path, device="npu")
    fake.backend(
        "y",
        probe_environment="""
        @hookimpl
        def probe_environment():
            return BackendReport(devices=("npu:1", "cpu"))
    """,
    )
    # Everything but "cpu" ranks as an accelerator.
    assert AutoModel.resolve(path).chosen.verdict.device == "npu:1"
    assert AutoModel.resolve(path, device="npu").chosen.backend == "x"


def test_a_forced_backend_without_its_runtime_says_so_whatever_the_device_is(runs, package, fake):
    fake.backend(
        "x",
        can_load="""
        from inference_core.verdict import Reason

        MISSING = Reason("not-installed", "runtime x isn't installed")

        @hookimpl
        def probe_environment():
            return BackendReport("x", problems=(MISSING,))

        @hookimpl
        def can_load(request):
            return Verdict.reject(MISSING)
    """,
    )
    (candidate,) = AutoModel.resolve(package({}), backend="x", device="npu").candidates
    assert [reason.code for reason in candidate.verdict.reasons] == ["not-installed"]


@pytest.mark.parametrize("how", ["disabled", "api", "import", "can_load", "ambiguous"])
def test_an_unusable_backend_is_a_row_and_stops_nothing(runs, package, fake, monkeypatch, how):
    runs("good")
    if how == "disabled":
        runs("bad")
        monkeypatch.setenv("INFERENCE_DISABLE", "bad")
    elif how == "ambiguous":
        fake.add("inference-bad", {"backends": {"bad": "nothing"}})
        fake.add("inference-worse", {"backends": {"bad": "nothing"}})
    else:
        change = {
            "api": "PLUGIN_API = 99",
            "import": "raise OSError",
            "can_load": "@hookimpl\ndef can_load(): 1/0",
        }
        fake.backend("bad", fake.healthy + change[how])
    resolution = AutoModel.resolve(package({}))
    assert order(resolution) == ["good"]
    (row, *_) = [candidate for candidate in resolution.candidates if candidate.backend == "bad"]
    assert row.distribution == "inference-bad 1.0"
    expected = {"disabled": "disabled", "api": "api-version", "ambiguous": "ambiguous"}
    assert row.verdict.reasons[0].code == expected.get(how, "error")


def test_an_option_that_only_some_have_rules_out_the_others(linear, runs):
    runs("plain", "linear")
    path = linear.file()
    assert order(AutoModel.resolve(path)) == ["linear", "plain"]
    resolution = AutoModel.resolve(path, options={"threads": 2})
    assert order(resolution) == ["linear"]
    assert [reason.code for reason in reasons(resolution, "plain")] == ["option"]
    resolution = AutoModel.resolve(path, options={"threads": 2})
    with pytest.raises(InvalidArgument, match="'linear': threads must be at least 1"):
        AutoModel.resolve(path, options={"threads": 0})
    with pytest.raises(InvalidArgument, match="did you mean 'threads'"):
        AutoModel.resolve(path, options={"thread": 2})


def test_a_known_processor_that_is_not_installed_is_a_reason_with_its_command(linear):
    path = linear.package(processor={"name": "yolo"})
    resolution = AutoModel.resolve(path)
    (reason,) = reasons(resolution, "linear")
    assert reason.code == "processor"
    assert "inference-vision isn't installed" in reason.message
    assert "pip install" in reason.fix


def test_a_processor_that_cannot_be_imported_is_a_reason(linear, fake):
    fake.add("inference-p", {"processors": {"bent": "no_such_module:P"}})
    resolution = AutoModel.resolve(linear.package(processor={"name": "bent"}))
    (reason,) = reasons(resolution, "linear")
    assert "processor 'bent' can't be used: importing no_such_module:P" in reason.message


def test_task_backends_need_no_processor(runs, fake, package):
    fake.backend("story", fake.healthy + "KIND = 'task'")
    runs("graph")
    resolution = AutoModel.resolve(package({}, processor={"name": "yolo"}))
    assert order(resolution) == ["story"]


def test_a_task_backend_does_not_run_a_graph_whose_package_states_a_processor(linear, fake):
    fake.backend("story", fake.healthy + "KIND = 'task'")
    stated = AutoModel.resolve(linear.package(processor={"name": "rows"}))
    assert order(stated) == ["linear"]
    (reason,) = reasons(stated, "story")
    assert reason.code == "processor"
    assert "states the processor 'rows'" in reason.message
    recognised = AutoModel.resolve(linear.file(metadata={"family": "rows"}))
    assert recognised.package.processor.name == "rows"
    assert sorted(order(recognised)) == ["linear", "story"]


def test_a_device_that_a_backend_declares_is_judged_by_it(fake, package, plain_machine):
    can_load = """
    from inference_core.verdict import Reason
    DEVICES = ("cpu", "npu")

    @hookimpl
    def can_load(request):
        return Verdict.reject(Reason("device", f"no {request.device} is here"))
    """
    fake.backend("x", can_load=can_load)
    (candidate,) = AutoModel.resolve(package({}), device="npu", backend="x").candidates
    assert str(candidate.verdict.reasons[0]) == "device: no npu is here"
    with pytest.raises(InvalidArgument, match="device='tpu' isn't known"):
        AutoModel.resolve(package({}), device="tpu")


def test_backends_of_other_formats_come_last_whatever_else_they_lack(runs, fake, package):
    runs("z")
    can_load = """
    from inference_core.verdict import Reason

    @hookimpl
    def can_load(request):
        return Verdict.reject(Reason("format", "another"), Reason("device", "none"))
    """
    fake.backend("a", can_load=can_load)
    fake.backend("b", can_load=can_load.replace('"format"', '"trust"'))
    names = [each.backend for each in AutoModel.resolve(package({})).candidates]
    assert names == ["z", "b", "a"]


def test_resolving_loads_nothing_and_imports_no_framework(linear):
    import sys

    AutoModel.resolve(linear.package())
    assert "linear_session" not in sys.modules


def test_if_the_best_fails_to_load_the_next_is_taken_with_a_warning(linear, runs):
    runs("torch", "linear")  # its load raises
    path = linear.file()
    with pytest.warns(BackendFallback, match=r"torch failed to load model.linear.*taking linear"):
        model = AutoModel.from_pretrained(path)
    with model:
        assert model.backend == "linear"
        assert "it failed to load" in str(model.resolution)
        assert [row[3] for row in model.resolution.rows()] == ["chosen", "broken"]
    for arguments in ({"strict": True}, {"backend": "torch"}):
        with pytest.raises(PluginError, match="load isn't written"):
            AutoModel.from_pretrained(path, **arguments)


def test_if_all_fail_the_resolution_tells_of_each(runs, package):
    runs("one")
    runs("two")
    with (
        pytest.warns(BackendFallback),
        pytest.raises(NoBackendFound, match="every accepted backend failed to load") as caught,
    ):
        AutoModel.from_pretrained(package({}))
    assert str(caught.value).count("load isn't written") == 2


def test_a_model_that_loads_at_once_warns_of_nothing(linear):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoModel.from_pretrained(linear.file()).close()
