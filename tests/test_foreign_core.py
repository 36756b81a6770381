"""A stranger's distribution called inference-core: pip never takes it, and doctor names it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]
STRANGERS = "9.9.9"


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    """The folder of our wheels: the one that INFERENCE_WHEELS names, or built here."""
    if named := os.environ.get("INFERENCE_WHEELS"):
        return Path(named)
    pytest.importorskip("hatchling", reason="hatchling, which builds our wheels, isn't installed")
    folder = tmp_path_factory.mktemp("wheels")
    for project in (ROOT / "core", ROOT / "plugins" / "inference-onnx"):
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=project, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="session")
def strangers_wheel(tmp_path_factory) -> Path:
    """A folder with an `inference_core-9.9.9` wheel, as anybody could publish one."""
    folder = tmp_path_factory.mktemp("strangers")
    info = f"inference_core-{STRANGERS}.dist-info"
    files = {
        "inference_core/__init__.py": "raise SystemExit('the stranger runs')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: inference-core\nVersion: {STRANGERS}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"inference_core-{STRANGERS}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return folder


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def planned(python: Path, folder: Path, *arguments: object) -> dict[str, str]:
    """Name and version of what pip would install, into the environment of `python`, offline."""
    pytest.importorskip("pip")
    report = folder / "plan.json"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--dry-run", "--quiet",
               "--no-index", "--report", report, *arguments]  # fmt: skip
    run = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    plan = json.loads(report.read_text("utf-8"))["install"]
    return {each["metadata"]["name"]: each["metadata"]["version"] for each in plan}


@pytest.fixture(scope="module")
def bare(environment_without):
    """An environment with all that ours depend on, but none of ours."""
    return environment_without("inference_", "inference-")


@pytest.mark.parametrize(
    "plugin", ["inference-onnx", "inference-onnx[cpu]", "inference-core[onnx-cpu]>=1!0.1,<1!1"]
)
def test_pip_takes_our_core_when_it_installs_a_plugin(
    plugin, bare, wheels, strangers_wheel, tmp_path
):
    links = ("--find-links", strangers_wheel, "--find-links", wheels)
    plan = planned(bare, tmp_path, *links, plugin)
    assert Version(plan["inference-core"]).epoch == 1
    assert Version(plan["inference-onnx"]).epoch == 1


def test_without_ours_pip_refuses_rather_than_take_the_stranger(
    bare, wheels, strangers_wheel, tmp_path
):
    alone = tmp_path / "alone"
    alone.mkdir()
    for wheel in wheels.glob("inference_onnx-*.whl"):
        (alone / wheel.name).write_bytes(wheel.read_bytes())
    links = ("--find-links", strangers_wheel, "--find-links", alone)
    with pytest.raises(AssertionError, match="No matching distribution found for inference-core"):
        planned(bare, tmp_path, *links, "inference-onnx")
    # The stranger's wheel is sound: who asks for that name alone, gets it.
    assert planned(bare, tmp_path, *links, "inference-core") == {"inference-core": STRANGERS}


def test_every_install_command_that_we_print_keeps_the_stranger_out(
    bare, wheels, strangers_wheel, tmp_path, monkeypatch
):
    import shlex

    from inference_core import install

    monkeypatch.setenv("INFERENCE_WHEELS", str(wheels))
    install._origin.cache_clear()
    try:
        for requirement in ("inference-core", "inference-onnx[cpu]"):
            words = shlex.split(install.install_command(requirement))
            assert words[:2] == ["pip", "install"]
            plan = planned(bare, tmp_path, "--find-links", strangers_wheel, *words[2:])
            assert Version(plan["inference-core"]).epoch == 1
    finally:
        install._origin.cache_clear()


def test_doctor_names_a_stranger_that_is_installed(site, infer):
    site.add("inference-core", {}, version=STRANGERS)
    ended = infer("doctor")
    assert ended.code == 0, ended.err
    assert f"inference-core {STRANGERS} is installed that isn't this project's" in ended.out
    assert "pip uninstall -y inference-core && " in ended.out
    problems = infer("doctor", "--json").json()["problems"]
    assert any(STRANGERS in problem["message"] for problem in problems)
