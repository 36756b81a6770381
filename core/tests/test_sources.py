"""What a reference means: a path, a name, a scheme; and what to answer when it means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from inference_core import (
    AutoModel,
    InferenceError,
    InvalidArgument,
    ModelNotFound,
    PluginError,
    configuration,
)
from inference_core.sources import locate

SOURCES = """
    import os
    from pathlib import Path
    from inference_core.errors import ModelNotFound

    def squares(reference):
        return Path(os.environ["SQUARES"])

    def web(reference):
        raise ModelNotFound(f"offline: {reference}")

    def crash(reference):
        raise SystemExit(3)

    def text(reference):
        return "a str"
"""


@pytest.fixture
def sources(fake, tmp_path, monkeypatch):
    names = ("squares", "web", "crash", "text")
    fake.add(
        "inference-some", {"sources": {n: f"some_sources:{n}" for n in names}},
        {"some_sources": SOURCES},
    )  # fmt: skip
    monkeypatch.setenv("SQUARES", str(tmp_path / "bundled"))
    monkeypatch.chdir(tmp_path)
    return fake


def found(reference):
    return locate(reference, configuration.read())


def test_a_path_is_itself(sources, tmp_path):
    (tmp_path / "model.onnx").touch()
    assert found("model.onnx") == tmp_path / "model.onnx"
    assert found(Path("model.onnx")) == tmp_path / "model.onnx"


def test_a_bundled_name_means_its_source_even_beside_a_folder_of_that_name(sources, tmp_path):
    (tmp_path / "squares").mkdir()
    assert found("squares") == tmp_path / "bundled"
    assert found("./squares") == tmp_path / "squares"
    assert found(Path("squares")) == tmp_path / "squares"


def test_a_scheme_means_its_source(sources):
    with pytest.raises(ModelNotFound, match="offline: web://x/y"):
        found("web://x/y")


def test_a_file_with_a_colon_in_its_name_is_a_file(sources, tmp_path):
    (tmp_path / "zz:model.onnx").touch()
    assert found("zz:model.onnx") == tmp_path / "zz:model.onnx"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("sqares", "no bundled model.*did you mean 'squares'"),
        ("zebra", "bundled names: .*squares"),
        ("wbe:thing", "no installed source answers to; did you mean 'web'"),
        ("ftp://host/model.onnx", "starts with ftp:"),
        ("nowhere/model.onnx", "there is no folder nowhere"),
        ("~/model.onnx", "expanduser"),
        ("./model.onxn", "close to it: model.onnx"),
        ("model.onxn", "close to it: model.onnx"),
        ("x" * 5000, "x…"),
        ("a\x00b.onnx", "doesn't exist"),
    ],
)
def test_each_way_to_mean_nothing_has_its_own_answer(sources, tmp_path, reference, message):
    (tmp_path / "model.onnx").touch()
    with pytest.raises(ModelNotFound, match=message) as caught:
        found(reference)
    assert len(str(caught.value)) < 1000


def test_a_bundled_model_that_is_not_installed_says_what_to_install(sources):
    with pytest.raises(ModelNotFound, match=r"comes with inference-vision: .*pip install"):
        found("shapes")
    with pytest.raises(ModelNotFound, match="did you mean 'shapes'"):
        found("shpaes")


@pytest.mark.parametrize("reference", [5, None, b"model.onnx", ["model.onnx"]])
def test_what_is_no_reference_is_refused(sources, reference):
    with pytest.raises(InvalidArgument, match="a model is a str or a path"):
        found(reference)


@pytest.mark.parametrize(
    ("reference", "message"),
    [("crash", r"source 'crash' \(inference-some 1.0\) raised SystemExit"),
     ("text", r"source 'text' \(inference-some 1.0\) returned str instead of a Path")],
)  # fmt: skip
def test_a_source_that_fails_is_named(sources, reference, message):
    with pytest.raises(PluginError, match=message):
        found(reference)


def test_a_disabled_source_says_so(sources, monkeypatch):
    monkeypatch.setenv("INFERENCE_DISABLE", "inference-some")
    with pytest.raises(ModelNotFound, match=r"'squares' can't be had: .*INFERENCE_DISABLE"):
        found("squares")


def test_a_missing_model_is_told_before_any_backend_is_asked(fake):
    fake.backend("angry", "raise RuntimeError('imported')")
    with pytest.raises(InferenceError, match="no bundled model"):
        AutoModel.from_pretrained("zebra")
