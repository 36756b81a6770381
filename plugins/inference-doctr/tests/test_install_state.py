"""What is installed, told from files: onnxtr, what renders PDFs, and an OpenCV that can be imported."""

from __future__ import annotations

from importlib import metadata

import pytest
from inference_core import AutoModel
from inference_core.package import Request
from inference_core.verdict import Reason
from inference_doctr import install_state, plugin


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


@pytest.mark.parametrize("name", ["onnxtr", "pypdfium2", "pypdfium2_raw"])
def test_files_that_are_gone_are_a_broken_install(monkeypatch, tmp_path, package, machine, name):
    found = install_state.find_spec
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{name}_emptied" / "rest").mkdir(parents=True)
    for there in (None, found(f"{name}_emptied")):
        monkeypatch.setattr(
            install_state,
            "find_spec",
            lambda each, there=there: there if each == name else found(each),
        )
        problem = only_problem()
        assert problem.code == "broken-install"
        distribution = name.removesuffix("_raw")
        assert f"{distribution} {metadata.version(distribution)} is installed" in problem.message
        assert f"--force-reinstall --no-deps {distribution}==" in problem.fix
    (artifact,) = AutoModel.resolve(package).package.artifacts
    assert plugin.can_load(artifact, machine, Request()).status == "broken"


@pytest.mark.parametrize("version", ["0.8.1", "0.10.0", "1.0"])
def test_another_onnxtr_than_was_tested_is_a_requirement(monkeypatch, version):
    monkeypatch.setattr(install_state, "onnxtr_version", lambda: version)
    problem = only_problem()
    assert problem.code == "requirement"
    assert version in problem.message


def test_an_opencv_that_lacks_a_library_of_the_system_is_a_broken_install(
    monkeypatch, package, machine
):
    lacking = Reason("broken-install", "it needs libGL.so.1", "pip install other")
    monkeypatch.setattr(install_state, "opencv_problem", lambda: lacking)
    assert only_problem() == lacking
    (artifact,) = AutoModel.resolve(package).package.artifacts
    verdict = plugin.can_load(artifact, machine, Request())
    assert (verdict.status, verdict.reasons) == ("broken", (lacking,))


def test_no_opencv_at_all_is_a_problem(monkeypatch):
    monkeypatch.setattr(install_state, "opencv_owner", lambda: None)
    assert only_problem().code == "not-installed"


def missing(monkeypatch, name: str) -> None:
    """Let a distribution not be installed."""
    found = install_state._version
    monkeypatch.setattr(
        install_state, "_version", lambda each: None if each == name else found(each)
    )
