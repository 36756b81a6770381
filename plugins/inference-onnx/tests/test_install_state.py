"""Every state an onnxruntime installation can be in, told apart from files alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
from inference_core.install import install_command, pip_command
from inference_onnx.install_state import find_install

CUDA_LIBRARY = "libonnxruntime_providers_cuda.so"


class Site:
    """A folder on the module search path, with made-up installations in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root / "onnxruntime"

    def metadata(self, name: str, version: str = "1.31.1", owns: bool = True) -> None:
        info = self.root / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        file = "onnxruntime/__init__.py" if owns else "onnxruntime_extra/__init__.py"
        info.joinpath("RECORD").write_text(f"{file},sha256=abc,12\n")

    def files(self, name: str = "onnxruntime", version: str = "1.31.1", cuda: str = "") -> None:
        capi = self.package / "capi"
        capi.mkdir(parents=True, exist_ok=True)
        self.package.joinpath("__init__.py").write_text("raise SystemExit('it was imported')")
        capi.joinpath("onnxruntime_pybind11_state.cpython-311-x86_64-linux-gnu.so").touch()
        info = f"package_name = '{name}'\n__version__ = '{version}'\n"
        if cuda:
            capi.joinpath(CUDA_LIBRARY).touch()
            info += f"cuda_version = '{cuda}'\n"
        capi.joinpath("build_and_package_info.py").write_text(info)

    def find(self):
        return find_install([str(self.root)])


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def only_problem(install, gpu: bool = False):
    (problem,) = install.problems(gpu)
    return problem


def test_the_installed_runtime_is_whole():
    install = find_install()
    assert install.problems(gpu=False) == ()
    assert install.version == onnxruntime.__version__
    assert install.folder == Path(onnxruntime.__file__).parent


def test_nothing_installed_names_the_package_that_fits_the_machine(site):
    problem = only_problem(site.find())
    assert problem.code == "not-installed"
    assert "inference-onnx[cpu]" in problem.fix
    assert "inference-onnx[gpu]" in only_problem(site.find(), gpu=True).fix


def test_a_gpu_package_is_seen_with_its_cuda_version(site):
    site.metadata("onnxruntime-gpu")
    site.files("onnxruntime-gpu", cuda="13.0")
    install = site.find()
    assert install.problems(gpu=True) == ()
    assert (install.package, install.version) == ("onnxruntime-gpu", "1.31.1")
    assert (install.cuda, install.cuda_version) == (True, "13.0")


def test_both_packages_at_once_are_named_with_the_way_out(site):
    site.metadata("onnxruntime", "1.30.0")
    site.metadata("onnxruntime-gpu")
    site.files()
    problem = only_problem(site.find(), gpu=True)
    assert problem.code == "broken-install"
    assert "onnxruntime 1.30.0 and onnxruntime-gpu 1.31.1" in problem.message
    assert problem.fix.startswith(f"{pip_command()} uninstall -y onnxruntime onnxruntime-gpu && ")
    assert "inference-onnx[gpu]" in problem.fix


def test_a_hollow_folder_with_metadata_is_reinstalled(site):
    site.metadata("onnxruntime")
    (site.package / "capi").mkdir(parents=True)
    problem = only_problem(site.find())
    assert problem.code == "broken-install"
    assert "onnxruntime 1.31.1 is installed, but" in problem.message
    assert "has no __init__.py" in problem.message
    words = ("--force-reinstall", "--no-deps", "onnxruntime==1.31.1")
    assert problem.fix == install_command(*words)


def test_a_hollow_folder_without_metadata_is_a_rest(site):
    (site.package / "capi").mkdir(parents=True)
    problem = only_problem(site.find())
    assert problem.code == "broken-install"
    assert "left over" in problem.message
    assert "inference-onnx[cpu]" in problem.fix


def test_metadata_without_a_folder_is_reinstalled(site):
    site.metadata("onnxruntime-gpu")
    problem = only_problem(site.find())
    assert problem.code == "broken-install"
    assert "its folder is gone" in problem.message


def test_a_missing_native_library_is_noticed(site):
    site.metadata("onnxruntime")
    site.files()
    next(site.package.glob("capi/onnxruntime_pybind11_state*")).unlink()
    assert "lacks its native library" in only_problem(site.find()).message


def test_a_distribution_that_only_adds_to_onnxruntime_is_no_rival(site):
    site.metadata("onnxruntime")
    site.metadata("onnxruntime-extensions", "0.15.0", owns=False)
    site.files()
    assert site.find().problems(gpu=False) == ()


def test_a_runtime_without_metadata_is_known_by_its_files(site):
    site.files(version="1.29.0")
    install = site.find()
    assert install.problems(gpu=False) == ()
    assert install.version == "1.29.0"


def test_a_package_wins_over_a_bare_folder_before_it_on_the_path(site, tmp_path):
    bare = tmp_path / "before"
    (bare / "onnxruntime").mkdir(parents=True)
    site.metadata("onnxruntime")
    site.files()
    install = find_install([str(bare), str(site.root)])
    assert install.folder == site.package
    assert install.problems(gpu=False) == ()


def probe_in_a_process_that_sees(root: Path) -> str:
    """What the plugin reports in a process whose first search path is `root`."""
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from inference_core.machine import current\n"
        "from inference_onnx import plugin\n"
        "for problem in plugin.probe_environment(current(), False).problems: print(problem)\n"
        "assert 'onnxruntime' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout


def test_the_probe_reports_both_packages_without_importing_them(site):
    site.metadata("onnxruntime")
    site.metadata("onnxruntime-gpu")
    site.files()
    assert "both installed" in probe_in_a_process_that_sees(site.root)
