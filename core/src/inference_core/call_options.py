"""The options of a call: what is declared, what the package states and what the caller gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference_core.arguments import build_options
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage


class CallOptions:
    """Makes an instance of a dataclass for each call.

    Args:
        declared: the dataclass of a processor or of a task session, with its defaults.
        package: whose parameters come before those.

    Raises:
        InvalidModel: a parameter of the package that doesn't exist, or a wrong value.
        PluginError: the dataclass itself is broken.
    """

    def __init__(self, declared: type[Any], package: ModelPackage) -> None:
        self._declared, self._package = declared, package
        try:
            self._defaults = self._built({})  # once: most calls give no options of their own
        except InvalidArgument as error:  # by no caller
            raise wrong_parameters(package, error) from error

    def of(self, given: Mapping[str, Any]) -> Any:
        """The options of a call that gives these by name.

        Raises:
            InvalidArgument: one that doesn't exist (with a suggestion), or a wrong value.
            PluginError: the dataclass itself is broken.
        """
        return self._built(given) if given else self._defaults

    def _built(self, given: Mapping[str, Any]) -> Any:
        merged = {**self._package.parameters, **given}
        return build_options(self._declared, merged, f"predict of {self._package.name}")


def wrong_parameters(package: ModelPackage, error: InvalidArgument) -> InvalidModel:
    """The error for a package whose own parameters are refused as options: it names where they are."""
    manifest = package.root / "model.json"
    where = manifest if manifest.is_file() else package.root
    return InvalidModel(f"{where}: its parameters can't be options of a call: {error}")
