"""Run a machine-learning model on the best backend this machine has.

    from inference_core import AutoModel
    model = AutoModel.from_pretrained("shapes")
    model("photo.jpg")

Importing this package loads neither numpy nor any framework: every name below is imported when it is
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_core.auto_model import AutoModel
    from inference_core.environment import Cpu, Environment, Gpu
    from inference_core.errors import (
        BackendFallback,
        ConfigurationError,
        InferenceError,
        InvalidArgument,
        InvalidInput,
        InvalidModel,
        ModelClosed,
        ModelNotFound,
        NoBackendFound,
        PluginError,
    )
    from inference_core.hookspecs import PLUGIN_API, hookimpl
    from inference_core.model import Model
    from inference_core.package import Artifact, ModelPackage, ProcessorSpec, Request
    from inference_core.processor import Graph, Processor, Recognition
    from inference_core.resolution import Candidate, Resolution
    from inference_core.results import Classification, Detections
    from inference_core.runtime_report import RuntimeReport
    from inference_core.session import Session, TensorSpec
    from inference_core.verdict import BackendReport, Reason, Verdict

_HOMES = {
    "auto_model": ("AutoModel",),
    "environment": ("Cpu", "Environment", "Gpu"),
    "errors": (
        "BackendFallback",
        "ConfigurationError",
        "InferenceError",
        "InvalidArgument",
        "InvalidInput",
        "InvalidModel",
        "ModelClosed",
        "ModelNotFound",
        "NoBackendFound",
        "PluginError",
    ),
    "hookspecs": ("PLUGIN_API", "hookimpl"),
    "model": ("Model",),
    "package": ("Artifact", "ModelPackage", "ProcessorSpec", "Request"),
    "processor": ("Graph", "Processor", "Recognition"),
    "resolution": ("Candidate", "Resolution"),
    "results": ("Classification", "Detections"),
    "runtime_report": ("RuntimeReport",),
    "session": ("Session", "TensorSpec"),
    "verdict": ("BackendReport", "Reason", "Verdict"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604 - the names are listed once, above
    "__version__",
    *_HOME_OF,
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("inference-core")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
