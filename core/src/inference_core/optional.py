"""Imports what core works without, or says how to install it."""

from __future__ import annotations

import importlib
from typing import Any

from inference_core.errors import InferenceError


def import_optional(module: str, distribution: str, what_for: str) -> Any:
    """Import a module that core works without, or say how to install it.

    Raises:
        InferenceError: `distribution` isn't installed. A module that is there but fails to import
            raises whatever it raises.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        from inference_core.install import install_command

        command = install_command(distribution)
        raise InferenceError(f"{what_for} needs {distribution}; install it: {command}") from error
