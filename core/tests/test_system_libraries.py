"""Libraries of the system, and the OpenCV that needs one, told from files."""

from __future__ import annotations

import sys

import pytest
from inference_core import system_libraries

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="about the dynamic linker of Linux")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that alone is searched, with made-up OpenCVs in it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(system_libraries, "has_library", lambda name: False)
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "cv2.abi3.so").write_bytes(b"12345")

    def add(name: str, recorded: int) -> None:
        info = tmp_path / f"{name.replace('-', '_')}-5.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 5.0\n")
        info.joinpath("RECORD").write_text(f"cv2/cv2.abi3.so,sha256=abc,{recorded}\n")

    return add


def test_libraries_are_found_where_the_linker_looks(tmp_path, monkeypatch):
    assert system_libraries.has_library("libc.so.6")
    assert not system_libraries.has_library("libnobody.so.7")
    (tmp_path / "libnobody.so.7").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{tmp_path}")
    assert system_libraries.has_library("libnobody.so.7")


def test_libraries_are_found_in_the_linkers_cache(tmp_path, monkeypatch):
    cache = tmp_path / "ld.so.cache"
    cache.write_bytes(b"glibc-ld.so.cache1.1\0libnobody.so.7\0/opt/odd/libnobody.so.7\0")
    monkeypatch.setattr(system_libraries, "_CACHE", cache)
    assert system_libraries.has_library("libnobody.so.7")
    assert not system_libraries.has_library("libnobody.so")
    monkeypatch.setattr(system_libraries, "_CACHE", tmp_path / "none")
    assert not system_libraries.has_library("libnobody.so.7")


@pytest.mark.parametrize("name", ["opencv-python", "opencv-contrib-python"])
def test_an_opencv_with_windows_says_which_library_it_lacks(site, monkeypatch, name):
    site(name, 5)
    problem = system_libraries.opencv_problem()
    assert problem.code == "broken-install"
    assert all(word in problem.message for word in (name, "libGL.so.1", "libgl1"))
    assert problem.fix.endswith("install --force-reinstall --no-deps opencv-python-headless")
    monkeypatch.setattr(system_libraries, "has_library", lambda name: True)
    assert system_libraries.opencv_problem() is None


def test_a_headless_opencv_needs_nothing(site):
    site("opencv-python-headless", 5)
    assert system_libraries.opencv_owner() == "opencv-python-headless"
    assert system_libraries.opencv_problem() is None


@pytest.mark.parametrize("here", ["opencv-contrib-python", "opencv-python-headless"])
def test_of_several_the_one_whose_files_are_there_counts(site, here):
    for name in ("opencv-python", "opencv-contrib-python", "opencv-python-headless"):
        site(name, 5 if name == here else 99)
    assert system_libraries.opencv_owner() == here


def test_an_opencv_without_its_files_is_broken(site, tmp_path, monkeypatch):
    monkeypatch.setattr(system_libraries, "has_library", lambda name: True)
    site("opencv-contrib-python", 99)
    assert system_libraries.opencv_problem() is None  # what replaced them can be imported
    (tmp_path / "cv2" / "cv2.abi3.so").unlink()
    problem = system_libraries.opencv_problem()
    assert problem.code == "broken-install"
    assert "opencv-contrib-python is installed, but the files of cv2 are gone" in problem.message
    assert problem.fix.endswith("install --force-reinstall --no-deps opencv-contrib-python")
    site("opencv-python-headless", 5)  # of several the one that needs nothing
    assert system_libraries.opencv_problem().fix.endswith(" opencv-python-headless")


def test_an_opencv_of_unknown_files_is_believed(site, tmp_path):
    site("opencv-python-headless", 5)
    (tmp_path / "cv2" / "cv2.abi3.so").unlink()
    (tmp_path / "opencv_python_headless-5.0.dist-info" / "RECORD").write_text("")
    assert system_libraries.opencv_problem() is None
    assert system_libraries.opencv_owner() == "opencv-python-headless"


def test_without_opencv_there_is_no_problem_with_it(site):
    assert system_libraries.opencv_owner() is None
    assert system_libraries.opencv_problem() is None
