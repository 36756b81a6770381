"""Calls of a task session: what the caller gives becomes the task's input and the session's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from inference_core.call_options import CallOptions
from inference_core.loaded_part import LoadedPart
from inference_core.optional import import_optional
from inference_core.package import ModelPackage


class TaskCalls:
    """The way to call a task session: it has no processor, and speaks its task itself.

    Args:
        part: the session.
        package: whose parameters are options of every call.

    Raises:
        InvalidModel: a parameter that the session doesn't declare, or a wrong value.
        PluginError: the session's class of options is broken.
    """

    def __init__(self, part: LoadedPart, package: ModelPackage) -> None:
        declared = getattr(part.session, "call_options", None)
        self._options = CallOptions(declared, package) if declared is not None else None
        self._takes_pictures = getattr(part.session, "input_kind", None) == "image"
        self._part, self._package = part, package

    def options(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the session's `predict` gets as its options, for a call that gives these.

        Raises:
            InvalidArgument: one that the session doesn't declare, or a wrong value.
        """
        if self._takes_pictures:  # core reads them itself, with `color_format`
            given = {name: value for name, value in given.items() if name != "color_format"}
        if self._options is None:
            return {**self._package.parameters, **given}
        typed = self._options.of(given)
        return {field: getattr(typed, field) for field in typed.__dataclass_fields__}

    def predict(self, inputs: Any, given: Mapping[str, Any]) -> Any:
        """Run the session on one input, or on each of a list; a stream takes a list as one input.

        Raises:
            InvalidInput: a picture can't be read.
            InvalidArgument: an option that the session doesn't declare, or a wrong value.
            ModelClosed: the model was closed.
            PluginError: the backend raised.
        """
        read = self._reader(given)
        options = self.options(given)
        if isinstance(inputs, list) and not options.get("stream"):
            return [self._part.call(read(each), options) for each in inputs]
        return self._part.call(read(inputs), options)

    def _reader(self, given: Mapping[str, Any]) -> Callable[[Any], Any]:
        """What makes the session's input of a caller's: an image, for one that takes pictures."""
        if not self._takes_pictures:
            return lambda value: value
        image = import_optional("inference_vision.image", "inference-vision", "reading pictures")
        color_format = given.get("color_format", "bgr")
        return lambda value: image.read_image(value, color_format)
