"""What is installed, told from files: onnxtr, and the OpenCV that needs a library of the system."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest
from inference_doctr import install_state, plugin

linux = pytest.mark.skipif(sys.platform != "linux", reason="about the dynamic linker of Linux")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that is searched first, with made-up distributions in it."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(name: str, version: str, module: bytes | None = None, recorded: int = 0) -> None:
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        info.joinpath("RECORD").write_text(f"cv2/cv2.abi3.so,sha256=abc,{recorded}\n")
        if module is not None:
            (tmp_path / "cv2").mkdir(exist_ok=True)
            (tmp_path / "cv2" / "cv2.abi3.so").write_bytes(module)

    return add


def only_problem():
    (problem,) = install_state.problems(gpu=False)
    return problem


def test_here_nothing_is_missing():
    assert install_state.problems(gpu=False) == ()
    assert install_state.onnxtr_version() == metadata.version("onnxtr")


def test_a_missing_onnxtr_says_how_to_install_the_plugin_whole(monkeypatch, machine):
    missing(monkeypatch, "onnxtr")
    problem = only_problem()
    assert problem.code == "not-installed"
    assert "inference-doctr[cpu]" in problem.fix
    assert "inference-doctr[gpu]" in install_state.problems(gpu=True)[0].fix
    report = plugin.probe_environment(machine, False)
    assert (report.devices, report.runtime_version) == ((), None)


def test_a_missing_pdf_renderer_is_a_problem(monkeypatch):
    missing(monkeypatch, "pypdfium2")
    assert "pypdfium2" in only_problem().message


@pytest.mark.parametrize("version", ["0.8.1", "0.10.0", "1.0"])
def test_another_onnxtr_than_was_tested_is_a_requirement(site, version):
    site("onnxtr", version)
    problem = only_problem()
    assert problem.code == "requirement"
    assert version in problem.message


@linux
def test_an_opencv_with_windows_says_which_library_it_lacks(site, monkeypatch):
    site("opencv-python", "5.0.0.93", b"12345", recorded=5)
    monkeypatch.setattr(install_state, "has_library", lambda name: False)
    problem = only_problem()
    assert problem.code == "broken-install"
    assert "libGL.so.1" in problem.message
    assert "libgl1" in problem.message
    assert problem.fix.endswith("--force-reinstall --no-deps opencv-python-headless")
    monkeypatch.setattr(install_state, "has_library", lambda name: True)
    assert install_state.problems(gpu=False) == ()


@linux
def test_of_two_opencvs_the_one_whose_files_are_there_counts(site, monkeypatch):
    monkeypatch.setattr(install_state, "has_library", lambda name: False)
    monkeypatch.setattr(install_state, "_WITH_WINDOWS", ("opencv-python",))
    site("opencv-python", "5.0.0.93", recorded=99)  # overwritten by the other
    site("opencv-python-headless", "5.0.0.93", b"12345", recorded=5)
    assert install_state.problems(gpu=False) == ()


@linux
def test_libraries_are_found_where_the_linker_looks(tmp_path, monkeypatch):
    assert install_state.has_library("libc.so.6")
    assert not install_state.has_library("libnobody.so.7")
    (tmp_path / "libnobody.so.7").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{tmp_path}")
    assert install_state.has_library("libnobody.so.7")


def missing(monkeypatch, name: str) -> None:
    """Let a distribution not be installed."""
    found = install_state._version
    monkeypatch.setattr(
        install_state, "_version", lambda each: None if each == name else found(each)
    )
