"""Run a machine-learning model on the best backend this machine has.

    from inference_core import AutoModel
    model = AutoModel.from_pretrained("shapes")
    model("photo.jpg")

Importing this package loads neither numpy nor any framework: every name below is imported when it is
first used.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as `typing` has it, which takes longer to import than this module
if TYPE_CHECKING:
    __version__: str
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
        PluginWarning,
    )
    from inference_core.hookspecs import PLUGIN_API, hookimpl
    from inference_core.install import install_command
    from inference_core.model import Model
    from inference_core.package import Artifact, ModelPackage, ProcessorSpec, Request
    from inference_core.processor import Graph, Processor, Recognition
    from inference_core.resolution import Candidate, Resolution
    from inference_core.results import (
        Classification,
        Depth,
        Detections,
        Document,
        Embedding,
        Segmentation,
    )
    from inference_core.runtime_report import RuntimeReport
    from inference_core.session import Session, TensorSpec
    from inference_core.verdict import BackendReport, Reason, Verdict

_HOME_OF = {
    "Artifact": "package",
    "AutoModel": "auto_model",
    "BackendFallback": "errors",
    "BackendReport": "verdict",
    "Candidate": "resolution",
    "Classification": "results",
    "ConfigurationError": "errors",
    "Cpu": "environment",
    "Depth": "results",
    "Detections": "results",
    "Document": "results",
    "Embedding": "results",
    "Environment": "environment",
    "Gpu": "environment",
    "Graph": "processor",
    "InferenceError": "errors",
    "InvalidArgument": "errors",
    "InvalidInput": "errors",
    "InvalidModel": "errors",
    "Model": "model",
    "ModelClosed": "errors",
    "ModelNotFound": "errors",
    "ModelPackage": "package",
    "NoBackendFound": "errors",
    "PLUGIN_API": "hookspecs",
    "PluginError": "errors",
    "PluginWarning": "errors",
    "Processor": "processor",
    "ProcessorSpec": "package",
    "Reason": "verdict",
    "Recognition": "processor",
    "Request": "package",
    "Resolution": "resolution",
    "RuntimeReport": "runtime_report",
    "Segmentation": "results",
    "Session": "session",
    "TensorSpec": "session",
    "Verdict": "verdict",
    "hookimpl": "hookspecs",
    "install_command": "install",
}

# Written out, for type checkers read it; a test keeps the two lists the same.
__all__ = [
    "PLUGIN_API",
    "Artifact",
    "AutoModel",
    "BackendFallback",
    "BackendReport",
    "Candidate",
    "Classification",
    "ConfigurationError",
    "Cpu",
    "Depth",
    "Detections",
    "Document",
    "Embedding",
    "Environment",
    "Gpu",
    "Graph",
    "InferenceError",
    "InvalidArgument",
    "InvalidInput",
    "InvalidModel",
    "Model",
    "ModelClosed",
    "ModelNotFound",
    "ModelPackage",
    "NoBackendFound",
    "PluginError",
    "PluginWarning",
    "Processor",
    "ProcessorSpec",
    "Reason",
    "Recognition",
    "Request",
    "Resolution",
    "RuntimeReport",
    "Segmentation",
    "Session",
    "TensorSpec",
    "Verdict",
    "__version__",
    "hookimpl",
    "install_command",
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
    return sorted({*globals(), *__all__})
