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
from urllib.parse import unquote, urlsplit

from packaging.tags import sys_tags

from inference_core.configuration import Configuration
from inference_core.hookspecs import PLUGIN_API

# These two decide which GPUs core finds, so they belong to what is set.
_VARIABLES = re.compile(r"INFERENCE_\w+|CUDA_VISIBLE_DEVICES|CUDA_DEVICE_ORDER")
_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|CREDENTIAL")


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
        variables: those that are set and that core reads, and all others called INFERENCE_*; what
            is called like a secret is masked.
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
        source=_source("inference-core"),
        folder=str(Path(__file__).parent),
        plugin_api=PLUGIN_API,
        python=f"{platform.python_version()} {platform.python_implementation()}",
        executable=sys.executable or "unknown",
        environment=_environment(),
        # "linux_…" says nothing of the libc, and no wheel on an index has it.
        tag=str(next(tag for tag in sys_tags() if not tag.platform.startswith("linux_"))),
        variables={
            name: "***" if value and _SECRET.search(name) else value
            for name, value in sorted(os.environ.items())
            if _VARIABLES.fullmatch(name)
        },
        configuration=str(settings.path),
        configured=settings.path.is_file(),
    )


def _environment() -> str:
    if sys.prefix != sys.base_prefix:
        return f"virtual environment {sys.prefix}"
    kind = "conda environment" if Path(sys.prefix, "conda-meta").is_dir() else "no environment, but"
    return f"{kind} {sys.prefix}"


def _source(name: str) -> str:
    """What an installed distribution came from, and by which installer."""
    distribution = metadata.distribution(name)
    installer = (distribution.read_text("INSTALLER") or "").strip()
    by = f"by {installer} " if installer else ""
    try:
        record = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = str(record.get("url", ""))
    except (ValueError, AttributeError):
        return f"{by}from a place that its record doesn't tell"
    if not url:
        return f"{by}from an index, or from what leaves no record"
    where = unquote(urlsplit(url).path) if url.startswith("file:") else url
    if commit := record.get("vcs_info", {}).get("commit_id"):
        return f"{by}from {where} at commit {commit}"
    editable = record.get("dir_info", {}).get("editable")
    return f"{by}from {where}{' (editable)' if editable else ''}"
