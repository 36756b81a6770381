"""The backend as users meet it: through AutoModel, and one test per reason that it gives."""

from __future__ import annotations

import numpy as np
import pytest
from inference_core import (
    Artifact,
    AutoModel,
    InvalidArgument,
    ModelClosed,
    NoBackendFound,
    Request,
)
from inference_example import plugin
from inference_example.options import ACTIVATIONS

from .conftest import expected, write_mlp

X = np.array([[1, 2], [-3, 0.5], [0, 0]], np.float32)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_file_runs_as_its_metadata_says(tmp_path, activation, dtype):
    path = write_mlp(tmp_path / "m.safetensors", activation, dtype=dtype)
    with AutoModel.from_pretrained(path, backend="example") as model:
        outputs = model.predict_tensors({"x": X})
    np.testing.assert_allclose(outputs["y"], expected(X, activation), rtol=1e-6)
    assert outputs["y"].dtype == np.float32


def test_one_layer_needs_no_activation(tmp_path):
    path = write_mlp(tmp_path / "m.safetensors", activation=None, layers=1)
    with AutoModel.from_pretrained(path, backend="example") as model:
        assert model({"x": X[:1]})["y"].tolist() == [[-3, 3.5, -1]]


def test_an_unstated_activation_is_asked_for_and_the_answer_is_taken(tmp_path):
    path = write_mlp(tmp_path / "m.safetensors", activation=None)
    resolution = AutoModel.resolve(path, backend="example")
    (reason,) = resolution.candidates[0].verdict.reasons
    assert (reason.code, reason.fix) == ("option", 'options={"activation": "relu"}')
    with AutoModel.from_pretrained(
        path, backend="example", options={"activation": "tanh"}
    ) as model:
        np.testing.assert_allclose(model({"x": X})["y"], expected(X, "tanh"), rtol=1e-6)


def test_an_activation_that_is_not_known_is_refused(tmp_path):
    path = write_mlp(tmp_path / "m.safetensors", "gelu")
    with pytest.raises(NoBackendFound, match=r"'gelu' isn't one of relu, tanh, none"):
        AutoModel.from_pretrained(path, backend="example")
    with pytest.raises(InvalidArgument, match="activation='gelu'"):
        AutoModel.from_pretrained(path, backend="example", options={"activation": "gelu"})


def test_all_reasons_are_given_at_once(tmp_path):
    path = write_mlp(tmp_path / "m.safetensors", activation=None)
    with pytest.raises(NoBackendFound) as caught:
        AutoModel.from_pretrained(path, backend="example", device="mps", precision="fp16")
    (candidate,) = caught.value.resolution.candidates
    assert [reason.code for reason in candidate.verdict.reasons] == [
        "option",
        "device",
        "precision",
    ]


def test_every_part_is_judged(tmp_path, environment):
    good = write_mlp(tmp_path / "good.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(good.read_bytes()[:-1])
    artifact = Artifact("safetensors", {"one": good, "two": bad})
    (reason,) = plugin.can_load(artifact, environment, Request()).reasons
    assert str(bad) in reason.message


def test_of_another_format_nothing_else_is_said(tmp_path, environment):
    artifact = Artifact("gguf", {"model": tmp_path / "missing.gguf"})
    verdict = plugin.can_load(artifact, environment, Request(device="cuda"))
    assert [reason.code for reason in verdict.reasons] == ["format"]


def test_a_file_that_changed_after_it_was_judged_is_an_error_in_words(tmp_path, environment):
    path = write_mlp(tmp_path / "m.safetensors")
    artifact = Artifact("safetensors", {"model": path})
    assert plugin.can_load(artifact, environment, Request()).status == "accept"
    write_mlp(path, activation=None)
    with pytest.raises(ValueError, match="doesn't state which activation"):
        plugin.load(artifact, environment, Request())
    path.unlink()
    with pytest.raises(ValueError, match="can't be read"):
        plugin.load(artifact, environment, Request())


def test_a_closed_session_says_so(tmp_path, environment):
    path = write_mlp(tmp_path / "m.safetensors")
    session = plugin.load(Artifact("safetensors", {"model": path}), environment, Request())
    session.close()
    session.close()
    with pytest.raises(ModelClosed, match=r"m\.safetensors was closed"):
        plugin.predict(session, {"x": X}, {})


def test_a_missing_numpy_is_told_with_the_command_that_installs_it(
    tmp_path, environment, monkeypatch
):
    monkeypatch.setattr(plugin, "_numpy_version", lambda: None)
    report = plugin.probe_environment(environment, deep=False)
    assert (report.devices, report.facts) == ((), {})
    artifact = Artifact("safetensors", {"model": write_mlp(tmp_path / "m.safetensors")})
    verdict = plugin.can_load(artifact, environment, Request())
    assert verdict.reasons == report.problems
    assert "numpy>=1.26" in verdict.reasons[0].fix


def test_a_deep_probe_finds_nothing_wrong_with_the_numpy_that_runs_these_tests(environment):
    report = plugin.probe_environment(environment, deep=True)
    assert (report.runtime_version, report.problems) == (np.__version__, ())
