"""Commands to paste: from a checkout, from wheels, or with the range that no stranger can meet."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest
from inference_core import install
from inference_core.install import foreign_cores, install_command
from packaging.specifiers import SpecifierSet


@pytest.fixture(autouse=True)
def pips(tmp_path_factory, monkeypatch):
    """This Python's folder of scripts is first on PATH, with a pip in it; returns the folder."""
    prefix = tmp_path_factory.mktemp("prefix")
    monkeypatch.setattr(sys, "prefix", str(prefix))
    return a_pip(prefix / ("Scripts" if os.name == "nt" else "bin"), monkeypatch)


def a_pip(folder, monkeypatch):
    folder.mkdir()
    pip = folder / ("pip.exe" if os.name == "nt" else "pip")
    pip.write_text("#!/bin/sh\necho the wrong pip")
    pip.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def origin(fake):
    """Let an inference-core be installed, with this direct_url.json (None: without)."""
    info = fake.add("inference-core", {}, version="1!0.1.0")

    def record(content):
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (info / "direct_url.json").write_text(text)
        install._origin.cache_clear()

    return record


def checkout(tmp_path):
    for folder in ("core", "plugins/inference-onnx"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "pyproject.toml").touch()
    return tmp_path


def test_from_a_checkout_the_folder_is_installed(origin, tmp_path):
    root = checkout(tmp_path)
    origin({"url": (root / "core").as_uri(), "dir_info": {"editable": True}})
    command = install_command("inference-onnx[cpu]")
    assert command == f"pip install '{root}/plugins/inference-onnx[cpu]'"
    assert install_command("inference-core") == f"pip install {root}/core"


def test_a_checkout_in_a_folder_with_a_space_is_quoted(origin, tmp_path):
    (tmp_path / "my work").mkdir()
    root = checkout(tmp_path / "my work")
    origin({"url": (root / "core").as_uri()})
    assert (
        install_command("inference-onnx")
        == f"pip install {shlex.quote(f'{root}/plugins/inference-onnx')}"
    )


def test_what_a_checkout_lacks_is_asked_for_by_range_beside_it(origin, tmp_path):
    origin({"url": (checkout(tmp_path) / "core").as_uri()})
    command = install_command("inference-hf")
    assert command == f"pip install --find-links {tmp_path} 'inference-hf>=1!0.1,<1!1'"


def test_from_a_wheel_its_folder_is_searched(origin, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    origin({"url": (wheels / "inference_core-1!0.1.0-py3-none-any.whl").as_uri()})
    command = install_command("inference-onnx[cpu]", "onnxruntime")
    assert command == (
        f"pip install --find-links {wheels} 'inference-onnx[cpu]>=1!0.1,<1!1' onnxruntime"
    )


def test_a_variable_names_the_folder_of_wheels(fake, monkeypatch, tmp_path):
    monkeypatch.setenv("INFERENCE_WHEELS", str(tmp_path))
    install._origin.cache_clear()
    assert install_command("inference-torch").startswith(f"pip install --find-links {tmp_path} ")


@pytest.mark.parametrize(
    "record",
    [None, "{}", "not json", {"url": "https://example.org/x"}, {"url": "file:///no/such/folder/x"}],
)
def test_of_unknown_origin_the_range_alone_keeps_the_stranger_out(origin, record):
    origin(record)
    assert install_command("inference-onnx[cpu]").startswith(
        "pip install 'inference-onnx[cpu]>=1!0.1,<1!1' # with --find-links"
    )
    assert install_command("onnxruntime") == "pip install onnxruntime"


def test_the_range_takes_ours_and_no_version_without_the_epoch():
    accepted = SpecifierSet(install.RANGE)
    for version in ("1!0.1.0", "1!0.1.5", "1!0.9"):
        assert version in accepted
    for version in ("1.8.3", "0.1.0", "9.9.9", "99999", "2!1.0", "1!1.0"):
        assert version not in accepted


@pytest.mark.parametrize(
    ("versions", "foreign"),
    [((), []), (("1!0.1.0",), []), (("1.8.3",), ["1.8.3"]), (("1!0.1.0", "9.9.9"), ["9.9.9"])],
)
def test_an_installed_stranger_is_found(fake, versions, foreign):
    for version in versions:
        fake.add("inference-core", {}, version=version)
    assert foreign_cores() == foreign


def test_what_an_interrupted_uninstallation_left_is_found_too(fake):
    info = fake.add("inference-core", {}, version="1.8.3")
    (info / "METADATA").unlink()
    assert foreign_cores() == ["of unknown version"]


def test_where_pip_is_that_of_another_python_this_one_is_named(pips, tmp_path, monkeypatch):
    a_pip(tmp_path / "other", monkeypatch)
    command = f"{shlex.quote(sys.executable)} -m pip install onnxruntime"
    assert install_command("onnxruntime") == command
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install_command("onnxruntime") == command
    monkeypatch.setattr(sys, "executable", "/my env/python")
    assert install_command("onnxruntime") == "'/my env/python' -m pip install onnxruntime"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_folder_of_scripts_that_is_reached_by_a_link_is_the_same(pips, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(pips)
    monkeypatch.setenv("PATH", str(tmp_path / "link"))
    assert install_command("onnxruntime") == "pip install onnxruntime"


def test_the_command_runs_the_pip_of_this_python(monkeypatch, tmp_path):
    a_pip(tmp_path / "other", monkeypatch)
    words = [*shlex.split(install.pip_command()), "--version"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.startswith("pip "), ended.stderr
    assert f"(python {sys.version_info.major}.{sys.version_info.minor})" in ended.stdout
