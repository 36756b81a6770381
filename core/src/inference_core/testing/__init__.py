"""The conformance kit: a class of tests that an author of a backend inherits.

    from inference_core.testing import BackendConformance, Sample

    class TestConformance(BackendConformance):
        backend = "example"

        def make_sample(self, folder):
            ...  # write a small model into the folder
            return Sample(path, inputs={"x": x}, outputs={"y": y})

It is for test suites, and needs pytest, which is imported when `BackendConformance` is: the kit's child
processes, which look at what a plugin imports, must do without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_core.testing.conformance import BackendConformance
    from inference_core.testing.sample import Sample

__all__ = ["BackendConformance", "Sample"]

_HOME_OF = {"BackendConformance": "conformance", "Sample": "sample"}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_HOME_OF[name]}")
    except ModuleNotFoundError as error:
        if error.name != "pytest":
            raise
        raise ImportError(
            "inference_core.testing needs pytest, which isn't installed: pip install pytest"
        ) from error
    return getattr(module, name)
