"""How this core is installed and set up: the first part of `infer doctor`.

What its plugins stand on is in `inference_core.needs`, and the machine in `inference_core.machine`.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import sys_tags

from inference_core.configuration import Configuration
from inference_core.hookspecs import PLUGIN_API

# Those that core reads.
_OWN = re.compile("INFERENCE_(CONFIG|DISABLE|PLUGINS|PREFERENCE|WHEELS)")
# Those of anyone else may hold a secret, whatever they are called: that they are set is told, no more.
_OTHERS = re.compile(r"INFERENCE_\w+", re.IGNORECASE)
# Those that decide which libraries are found, which devices are seen and how many threads run, and
# settings of runtimes that people mend or break things with.
_SYSTEM = re.compile(
    r"LD_(LIBRARY_PATH|PRELOAD)|DYLD_(FALLBACK_)?LIBRARY_PATH"
    r"|(CUDA|NVIDIA)_VISIBLE_DEVICES|CUDA_(DEVICE_ORDER|HOME|PATH|LAUNCH_BLOCKING|MODULE_LOADING)"
    r"|(OMP|MKL|OPENBLAS)_NUM_THREADS|ORT_TENSORRT_\w+|ORT_CUDA_\w+|ORT_DISABLE_\w+"
    r"|TORCH_(HOME|LOGS|CUDA_ARCH_LIST|COMPILE_DISABLE|CUDNN_V8_API_DISABLED)"
    r"|PYTORCH_(ALLOC_CONF|CUDA_ALLOC_CONF|ENABLE_MPS_FALLBACK|MPS_HIGH_WATERMARK_RATIO)"
)


@dataclass(frozen=True, slots=True)
class Installation:
    """Core, Python and the settings, as they are here.

    Attributes:
        source: what core was installed from, as the installer recorded it (PEP 610).
        folder: the folder that core is imported from.
        plugin_api: the version of the plugin contract that this core speaks.
        python: version and implementation.
        executable: the interpreter.
        environment: the virtual or conda environment that it belongs to.
        tag: the most specific tag of wheels that can be installed: Python, libc and processor.
        variables: those that are set and that core reads or that decide what a runtime finds here;
            and all others called INFERENCE_*, masked.
        configuration: the configuration file, whether or not it exists.
        configured: whether it exists.
    """

    source: str
    folder: str
    plugin_api: int
    python: str
    executable: str
    environment: str
    tag: str
    variables: Mapping[str, str]
    configuration: str
    configured: bool


def installation(settings: Configuration) -> Installation:
    """How this core is installed and set up."""
    return Installation(
        source=installed_from("inference-core"),
        folder=str(Path(__file__).parent),
        plugin_api=PLUGIN_API,
        python=f"{platform.python_version()} {platform.python_implementation()}",
        executable=sys.executable or "unknown",
        environment=_environment(),
        # "linux_…" says nothing of the libc, and no wheel on an index has it.
        tag=str(next(tag for tag in sys_tags() if not tag.platform.startswith("linux_"))),
        variables=_variables(),
        configuration=str(settings.path),
        configured=settings.path.is_file(),
    )


def _variables() -> dict[str, str]:
    found = {}
    for name, value in sorted(os.environ.items()):
        if _OWN.fullmatch(name) or _SYSTEM.fullmatch(name):
            found[name] = value
        elif _OTHERS.fullmatch(name):
            found[name] = "***" if value else ""
    return found


def _environment() -> str:
    if sys.prefix != sys.base_prefix:
        return f"virtual environment {sys.prefix}"
    kind = "conda environment" if Path(sys.prefix, "conda-meta").is_dir() else "no environment, but"
    return f"{kind} {sys.prefix}"


def installed_from(name: str) -> str:
    """What an installed distribution came from, and by which installer, as far as that is recorded.

    The format of the record: packaging.python.org, "Recording the Direct URL Origin of installed
    distributions" (PEP 610).
    """
    try:
        distribution = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):  # ValueError: it has no name
        return "from what leaves no metadata"
    installer = (distribution.read_text("INSTALLER") or "").strip()
    by = f"by {installer} " if installer else ""
    try:
        record = json.loads(distribution.read_text("direct_url.json") or "{}")
        return f"{by}{_place(record)}"
    except (ValueError, AttributeError):
        return f"{by}from a place that its record doesn't tell"


def _place(record: dict[str, Any]) -> str:
    """A direct_url.json in words; AttributeError where something in it isn't an object."""
    url = str(record.get("url", ""))
    if not url:
        return "from an index, or from what leaves no record"
    where = unquote(urlsplit(url).path) if url.startswith("file:") else url
    if folder := record.get("subdirectory"):
        where += f", its folder {folder}"
    vcs = record.get("vcs_info", {})
    if commit := vcs.get("commit_id"):
        revision = vcs.get("requested_revision")
        return f"from {where} at commit {commit}{f' ({revision})' if revision else ''}"
    editable = record.get("dir_info", {}).get("editable")
    return f"from {where}{' (editable)' if editable else ''}"
