"""What the caller asked for, before it is typed for each backend, and whether it makes sense at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference_core import catalog, configuration, discovery
from inference_core.arguments import did_you_mean
from inference_core.configuration import Configuration
from inference_core.errors import ConfigurationError, InferenceError, InvalidArgument
from inference_core.package import PRECISIONS, Request

_ALIASES = {"gpu": "cuda", "nvidia": "cuda", "float32": "fp32", "float16": "fp16", "half": "fp16",
            "bfloat16": "bf16"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Wish:
    """What the caller asked for.

    Attributes:
        request: everything but the options.
        options: the load options by name, as given.
        preference: order of backends from the argument, None if it wasn't given.
    """

    request: Request = field(default_factory=Request)
    options: Mapping[str, Any] = field(default_factory=dict)
    preference: Sequence[str] | None = None


def check_request(request: Request) -> None:
    """Raise unless the values of a request are of their types, and known ones where all are known.

    Raises:
        InvalidArgument: the first that isn't, with what it may be.
    """
    if request.precision is not None and request.precision not in PRECISIONS:
        raise bad_value("precision", request.precision, PRECISIONS)
    size = request.batch_size
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise InvalidArgument(f"batch_size={size!r} must be a whole number of at least 1")
    for name, value, example in (
        ("backend", request.backend, "'onnx'"),
        ("device", request.device, "'cpu' or 'cuda:0'"),
    ):
        if value is not None and not isinstance(value, str):
            raise InvalidArgument(f"{name}={value!r} must be a str such as {example}")


def bad_value(
    name: str, value: object, known: Sequence[str] | set[str], why: str = ""
) -> InvalidArgument:
    """The error for a value that isn't among those that are known: what was meant, or all of them."""
    alias = _ALIASES.get(str(value).partition(":")[0].lower())
    hint = f"; did you mean {alias!r}?" if alias else did_you_mean(str(value), known)
    hint = hint or f"; known: {', '.join(sorted(known))}"
    return InvalidArgument(f"{name}={value!r} isn't known{why}{hint}")


def unknown_backend(name: str, known: Sequence[str] | set[str]) -> InvalidArgument:
    """The error for a backend that neither is installed nor exists anywhere known."""
    # By what it runs, too: "tensorrt" is nearer to "ctransformers" than to "trt".
    runs = next((each.name for each in catalog.BACKENDS if name.lower() in each.formats), None)
    hint = f"; did you mean {runs!r}?" if runs else did_you_mean(name, known)
    hint = hint or f"; known: {', '.join(sorted(known))}"
    return InvalidArgument(f"backend={name!r} is neither installed nor known{hint}")


def preference_order(argument: Sequence[str] | None, settings: Configuration) -> tuple[str, ...]:
    """The order of backends: argument, INFERENCE_PREFERENCE, configuration file, default."""
    known = {*catalog.DEFAULT_PREFERENCE, *discovery.names("backends")}
    variable = configuration.listed("INFERENCE_PREFERENCE")
    error: type[InferenceError] = ConfigurationError
    if argument is not None:
        if isinstance(argument, str):
            raise InvalidArgument(f'preference is a list of names, such as ["{argument}"]')
        if not isinstance(argument, Sequence) or not all(isinstance(n, str) for n in argument):
            raise InvalidArgument(f"preference={argument!r} must be a list of names of backends")
        first, error, where = tuple(argument), InvalidArgument, "preference"
    elif variable:
        first, where = variable, "INFERENCE_PREFERENCE"
    else:
        first, where = settings.preference, str(settings.path)
    for name in first:
        if name not in known:
            raise error(f"{where} names the backend {name!r}, which isn't known"
                        f"{did_you_mean(str(name), known)}")  # fmt: skip
    return (*first, *(name for name in catalog.DEFAULT_PREFERENCE if name not in first))
