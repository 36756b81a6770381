"""Which onnxruntime is installed and whether it is whole, from files alone: nothing is imported.

Several distributions (onnxruntime, onnxruntime-gpu, onnxruntime-directml, …) install the same
folder `onnxruntime`. pip lets them overwrite each other, and uninstalling one then takes the
other's files too, while the metadata stays: what is left imports as an empty namespace package.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference_core.install import install_command, pip_command
from inference_core.verdict import Reason

_BUILD_INFO = re.compile(r"^(\w+) = '([^'\n]*)'", re.MULTILINE)
_PREFIXES = ("onnxruntime", "ort_nightly")


@dataclass(frozen=True, slots=True)
class Install:
    """What was found of onnxruntime on the module search path.

    Attributes:
        owners: (distribution, version) of all that claim the folder `onnxruntime`.
        folder: the folder that `import onnxruntime` would take, None if there is none.
        regular: whether that folder is a regular package, with an `__init__.py`.
        native: whether the runtime's native library is in it.
        package: the distribution that the files in it come from, as far as they say.
        version: the runtime's version, None if it isn't known.
        cuda: whether the CUDA execution provider is in it.
        cuda_version: the CUDA version it was built for ("13.0"), None if it isn't.
    """

    owners: tuple[tuple[str, str], ...] = ()
    folder: Path | None = None
    regular: bool = False
    native: bool = False
    package: str | None = None
    version: str | None = None
    cuda: bool = False
    cuda_version: str | None = None

    def problems(self, gpu: bool) -> tuple[Reason, ...]:
        """Why this installation can't be used; empty if it can.

        Args:
            gpu: whether this machine has a GPU, so that the fix installs the fitting package.
        """
        install = install_command(f"inference-onnx[{'gpu' if gpu else 'cpu'}]")
        names = " and ".join(f"{name} {version}" for name, version in self.owners)
        if self.folder is None and not self.owners:
            return (Reason("not-installed", "onnxruntime isn't installed", install),)
        if len(self.owners) > 1:
            message = (
                f"{names} are both installed in {self.folder} and overwrote each other's files"
            )
            both = " ".join(name for name, _ in self.owners)
            fix = f"{pip_command()} uninstall -y {both} && {install}"
            return (Reason("broken-install", message, fix),)
        if self.regular and self.native:
            return ()
        if self.owners:
            name, version = self.owners[0]
            message = f"{name} {version} is installed, but {self._missing()}"
            fix = install_command("--force-reinstall", "--no-deps", f"{name}=={version}")
            return (Reason("broken-install", message, fix),)
        message = f"no onnxruntime is installed, but a rest of one is left over: {self._missing()}"
        return (Reason("broken-install", message, install),)

    def _missing(self) -> str:
        if self.folder is None:
            return "its folder is gone"
        if not self.regular:
            return f"{self.folder} has no __init__.py, as after another onnxruntime was uninstalled"
        return f"{self.folder} lacks its native library"


def find_install(search_path: Sequence[str] | None = None) -> Install:
    """Look for onnxruntime where `import` would.

    Args:
        search_path: folders as in `sys.path`, which is the default.
    """
    paths = sys.path if search_path is None else search_path
    roots = list(dict.fromkeys(Path(path) for path in paths))
    candidates = [root for root in roots if (root / "onnxruntime").is_dir()]
    # A regular package anywhere on the path wins over a namespace package before it.
    whole = [root for root in candidates if (root / "onnxruntime" / "__init__.py").is_file()]
    root = next(iter([*whole, *candidates]), None)
    if root is None:
        owners = tuple(owner for root in roots for owner in _owners(root))
        return Install(owners=owners, version=owners[0][1] if owners else None)
    folder = root / "onnxruntime"
    capi = folder / "capi"
    owners = tuple(_owners(root))
    info = _build_info(capi / "build_and_package_info.py")
    only = owners[0] if len(owners) == 1 else (None, None)
    return Install(
        owners=owners,
        folder=folder,
        regular=bool(whole),
        native=any(capi.glob("onnxruntime_pybind11_state*")),
        package=info.get("package_name") or only[0],
        version=info.get("__version__") or only[1],
        cuda=any(capi.glob("*onnxruntime_providers_cuda*")),
        cuda_version=info.get("cuda_version"),
    )


def _owners(root: Path) -> Iterator[tuple[str, str]]:
    """The distributions in `root` whose record lists the package's `__init__.py`."""
    for prefix in _PREFIXES:
        for info in sorted(root.glob(f"{prefix}*.dist-info")):
            name, _, version = info.name.removesuffix(".dist-info").partition("-")
            try:
                record = (info / "RECORD").read_text("utf-8", "replace")
            except OSError:
                continue  # pip itself can't tell what belongs to a distribution without a record
            if "onnxruntime/__init__.py," in record:
                yield name.replace("_", "-"), version


def _build_info(path: Path) -> dict[str, str]:
    """What the package says of its build: `name = 'value'` lines, read as text."""
    try:
        return dict(_BUILD_INFO.findall(path.read_text("utf-8", "replace")))
    except OSError:
        return {}
