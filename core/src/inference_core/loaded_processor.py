"""One processor of a loaded model: the checks and the errors around its functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import Any

from inference_core.call_options import CallOptions
from inference_core.errors import InferenceError, PluginError
from inference_core.package import ModelPackage


class LoadedProcessor:
    """A processor, and the only way to call it.

    Attributes:
        options: makes the options of a call.
        multi_part: whether it implements `run` instead of `preprocess` and `postprocess`.
        encodes: whether it has a reusable encoding.

    Raises:
        InvalidModel: a parameter of the package that its options don't have, or a wrong value.
        PluginError: its class of options is broken.

    Its functions raise `PluginError` for whatever the processor raises by mistake or returns wrongly.
    """

    def __init__(self, processor: Any, name: str, package: ModelPackage) -> None:
        self.options = CallOptions(processor.OPTIONS, package)
        self.multi_part = hasattr(processor, "run")
        self.encodes = hasattr(processor, "encode")
        self._name = name
        self._processor = processor

    def preprocess(self, batch: Sequence[Any], options: Any) -> tuple[Mapping[str, Any], Any]:
        """The batch as tensors by name, and the context for `postprocess`."""
        prepared = self._call("preprocess", batch, options)
        if not isinstance(prepared, tuple) or len(prepared) != 2:
            raise self._mistake("preprocess returned no pair of tensors and context")
        return prepared

    def postprocess(
        self, outputs: Mapping[str, Any], context: Any, options: Any, count: int
    ) -> Sequence[Any]:
        """The `count` results."""
        results = self._call("postprocess", outputs, context, options)
        return self._counted("postprocess", results, count)

    def run(self, batch: Sequence[Any], options: Any, parts: Mapping[str, Any]) -> Sequence[Any]:
        """The results of a batch, by a processor of several parts."""
        return self._counted("run", self._call("run", batch, options, parts), len(batch))

    def encode(self, value: Any, options: Any, parts: Mapping[str, Any]) -> Any:
        """The handle that `run` takes in place of the input."""
        return self._call("encode", value, options, parts)

    def _counted(self, function: str, results: Any, count: int) -> Sequence[Any]:
        if not isinstance(results, Sequence) or len(results) != count:
            found = len(results) if isinstance(results, Sized) else type(results).__name__
            raise self._mistake(f"{function} returned {found} results for {count} inputs")
        return results

    def _call(self, function: str, *arguments: Any) -> Any:
        try:
            return getattr(self._processor, function)(*arguments)
        except InferenceError:
            raise
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            raise self._mistake(f"{function} raised {type(error).__name__}: {error}") from error

    def _mistake(self, what: str) -> PluginError:
        cls = type(self._processor)
        return PluginError(
            f"processor {self._name!r} ({cls.__module__}.{cls.__qualname__}): {what}"
        )
