"""The configuration file and the variables."""

from __future__ import annotations

import pytest
from inference_core import AutoModel, ConfigurationError, configuration


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "my.toml"
    monkeypatch.setenv("INFERENCE_CONFIG", str(path))

    def write(content):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_an_empty_file_configures_nothing(config):
    path = config("")
    settings = configuration.read()
    assert (settings.path, settings.preference, settings.pick) == (path, (), {})


def test_preference_and_picks_are_read(config):
    config('preference = ["onnx", "torch"]\n[pick.backends]\nonnx = "inference-onnx"\n')
    settings = configuration.read()
    assert settings.preference == ("onnx", "torch")
    assert settings.pick == {"backends": {"onnx": "inference-onnx"}}


def test_without_a_variable_the_users_own_folder_is_looked_at(monkeypatch):
    monkeypatch.delenv("INFERENCE_CONFIG")
    assert configuration.path().name == "config.toml"
    assert "inference-core" in configuration.path().parts


def test_a_missing_file_in_the_users_folder_is_no_error(monkeypatch, tmp_path):
    monkeypatch.delenv("INFERENCE_CONFIG")
    monkeypatch.setattr("platformdirs.user_config_path", lambda name: tmp_path / name)
    assert configuration.read().preference == ()


def test_a_missing_file_that_was_named_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("INFERENCE_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(ConfigurationError, match=r"INFERENCE_CONFIG names .*missing\.toml"):
        configuration.read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("preference = ", "can't be read"),
        (b"\xff\xfe", "can't be read"),
        ("preferences = []", "unknown key 'preferences'; did you mean 'preference'"),
        ("zzz = 1", "it knows 'preference' and 'pick'"),
        ('preference = "onnx"', "preference is a list of names"),
        ("preference = [1]", "preference is a list of names"),
        ("pick = 1", "is a table"),
        ("[pick.backend]", "unknown key 'backend'; did you mean 'backends'"),
        ("[pick]\nbackends = 1", "has lines such as"),
        ("[pick.backends]\nonnx = 1", "has lines such as"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file(config, content, message):
    path = config(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        configuration.read()
    assert str(path) in str(caught.value)


def test_a_folder_in_place_of_the_file_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("INFERENCE_CONFIG", str(tmp_path))
    with pytest.raises(ConfigurationError, match="can't be read"):
        configuration.read()


def test_lists_in_variables_are_separated_by_commas(monkeypatch):
    assert configuration.listed("INFERENCE_DISABLE") == ()
    monkeypatch.setenv("INFERENCE_DISABLE", " a, b ,,c")
    assert configuration.listed("INFERENCE_DISABLE") == ("a", "b", "c")


def test_an_unknown_backend_in_variable_or_file_is_an_error(config, linear, monkeypatch):
    config('preference = ["linaer"]')
    with pytest.raises(ConfigurationError, match=r"my\.toml names the backend 'linaer'.*'linear'"):
        AutoModel.resolve(linear.file())
    monkeypatch.setenv("INFERENCE_PREFERENCE", "onxn")
    with pytest.raises(ConfigurationError, match="INFERENCE_PREFERENCE names the backend 'onxn'"):
        AutoModel.resolve(linear.file())
