"""Every exception this library raises on purpose, under one base class.

Each message says what happened, which file, plugin or value it happened to, and what to do.
Exceptions of a plugin are never passed on bare: they arrive as a `PluginError` with the original as
its cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_core.resolution import Resolution


class InferenceError(Exception):
    """Base class of everything that inference-core and its plugins raise on purpose."""


class InvalidArgument(InferenceError, TypeError):
    """An argument or option has an unknown name or a value of the wrong type or range."""


class InvalidInput(InferenceError, ValueError):
    """The data given to `predict` can't be used: unreadable, wrong shape, wrong dtype."""


class ModelNotFound(InferenceError):
    """Nothing is at the path, or no installed source knows the name."""


class InvalidModel(InferenceError, ValueError):
    """The file or folder exists but isn't a usable model: damaged, unknown, unsafe or ambiguous."""


class ModelClosed(InferenceError):
    """`close()` was called; the model answers no more."""


class ConfigurationError(InferenceError):
    """The configuration file or an INFERENCE_* variable says something that can't be used."""


class PluginError(InferenceError):
    """A plugin's hook raised. The original exception is the `__cause__`."""


class NoBackendFound(InferenceError):
    """No installed backend accepts the model. Prints the whole resolution.

    Attributes:
        resolution: every candidate with every reason and fix.
    """

    def __init__(self, message: str, resolution: Resolution) -> None:
        super().__init__(message)
        self.resolution = resolution

    def __reduce__(self) -> tuple[type[NoBackendFound], tuple[str, Resolution]]:
        # Exceptions are pickled by their args alone, and come back from worker processes that way.
        return type(self), (self.args[0], self.resolution)

    def __str__(self) -> str:
        return f"{self.args[0]}\n\n{self.resolution}"


class PluginWarning(UserWarning):
    """A reader or processor failed while it was asked whether it knows a model; the others went on."""


class BackendFallback(UserWarning):
    """The best candidate failed to load and the next accepted one was taken."""
