"""`AutoModel`: the three calls that an application makes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inference_core import configuration, machine
from inference_core.arguments import unknown_argument
from inference_core.backend import Backend
from inference_core.configuration import Configuration
from inference_core.environment import same_device
from inference_core.errors import (
    BackendFallback,
    InferenceError,
    InvalidArgument,
    InvalidModel,
    NoBackendFound,
    PluginError,
)
from inference_core.loaded_part import LoadedPart
from inference_core.model import Model
from inference_core.package import Artifact, ModelPackage, Precision, Request
from inference_core.readers import read_package
from inference_core.recognition import processor_class, recognised
from inference_core.resolution import Candidate, Resolution
from inference_core.resolver import Resolver
from inference_core.session import Session
from inference_core.sources import locate
from inference_core.verdict import Reason
from inference_core.wish import Wish

if TYPE_CHECKING:
    from inference_core.runtime_report import RuntimeReport

_ARGUMENTS = (
    "backend",
    "device",
    "precision",
    "batch_size",
    "preference",
    "options",
    "strict",
    "allow_code",
)


class AutoModel:
    """Finds the best backend for a model on this machine. Not to be instantiated."""

    def __init__(self) -> None:
        raise InvalidArgument(
            'AutoModel isn\'t instantiated: call AutoModel.from_pretrained("model")'
        )

    @staticmethod
    def from_pretrained(
        model: str | os.PathLike[str],
        *,
        backend: str | None = None,
        device: str | None = None,
        precision: Precision | None = None,
        batch_size: int | None = None,
        preference: Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
        strict: bool = False,
        allow_code: bool = False,
        **unknown: Any,
    ) -> Model:
        """Load a model on the best backend this machine has.

        Args:
            model: a path to a model file or folder, or a name that an installed source knows
                ("shapes").
            backend: the only backend to consider ("onnx", "torch", …).
            device: where to run: "cpu", "cuda", "cuda:1", "mps". Left out: an accelerator if a
                backend can use one.
            precision: what to compute in: "fp32", "fp16", "bf16" or "int8". Left out: as stored.
            batch_size: how many inputs of a list go through the graph at once.
            preference: backends, best first; the others follow in the default order.
            options: the backend's own options, such as {"threads": 2}.
            strict: fail if the best candidate doesn't load, instead of taking the next one with a
                `BackendFallback` warning. A forced backend is always strict.
            allow_code: allow what runs code that comes with the model (TorchScript, pickles).

        Raises:
            ModelNotFound: nothing is there; the message tells why.
            InvalidModel: it is damaged, unsafe, or no model.
            NoBackendFound: no backend accepts it; the error prints every reason and fix.
            InvalidArgument: an argument or option with an unknown name or a wrong value.
            PluginError: the backend raised while loading (strict or forced).
        """
        for name in unknown:
            raise _unknown("from_pretrained", name, _ARGUMENTS)
        request = Request(
            backend, _device(device), precision, batch_size, None, _flag("allow_code", allow_code)
        )
        wish = Wish(request, _mapping(options), preference)
        settings = configuration.read()
        package = _package(model, settings)
        resolver = Resolver(machine.current(), settings, wish)
        resolution = resolver.resolve(os.fspath(model), package)
        strict = _flag("strict", strict) or backend is not None
        return _load(resolver, resolution, strict)

    @staticmethod
    def resolve(
        model: str | os.PathLike[str],
        *,
        backend: str | None = None,
        device: str | None = None,
        precision: Precision | None = None,
        batch_size: int | None = None,
        preference: Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
        allow_code: bool = False,
        **unknown: Any,
    ) -> Resolution:
        """Say which backend would run the model, and why the others wouldn't. Loads nothing.

        The arguments are those of `from_pretrained`. `str()` of the answer is a table.

        Raises:
            ModelNotFound, InvalidModel, InvalidArgument: as `from_pretrained`.
        """
        for name in unknown:
            raise _unknown("resolve", name, [each for each in _ARGUMENTS if each != "strict"])
        request = Request(
            backend, _device(device), precision, batch_size, None, _flag("allow_code", allow_code)
        )
        settings = configuration.read()
        package = _package(model, settings)
        resolver = Resolver(
            machine.current(), settings, Wish(request, _mapping(options), preference)
        )
        return resolver.resolve(os.fspath(model), package)

    @staticmethod
    def describe_runtime() -> RuntimeReport:
        """This machine and every installed plugin with its state; `str()` of it is a table."""
        from inference_core.runtime_report import runtime_report

        return runtime_report()


def _package(model: str | os.PathLike[str], settings: Configuration) -> ModelPackage:
    return recognised(read_package(locate(model, settings), settings), settings)


def _unknown(function: str, name: str, known: Sequence[str]) -> InvalidArgument:
    error = unknown_argument(function, name, known)
    return InvalidArgument(
        f'{error}. A backend\'s own options go into options={{"{name}": …}}, per-call options into '
        f"model(input, {name}=…)"
    )


def _mapping(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if options is None:
        return {}
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise InvalidArgument(f'options={options!r} must be a mapping such as {{"threads": 2}}')
    return options


def _device(device: str | None) -> str | None:
    """There is one CPU, whatever index it is given."""
    return "cpu" if isinstance(device, str) and device.partition(":")[0] == "cpu" else device


def _flag(name: str, value: object) -> bool:
    # "allow_code='no'" must not count as a yes.
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name}={value!r} must be True or False")
    return value


def _load(resolver: Resolver, resolution: Resolution, strict: bool) -> Model:
    """The first accepted candidate that loads."""
    accepted = resolution.accepted
    if not accepted:
        raise NoBackendFound(f"no backend can run {resolution.package.root}", resolution)
    failures: list[tuple[Candidate, InferenceError]] = []
    for candidate in accepted:
        assert candidate.artifact is not None
        _verify(candidate.artifact)
        backend = resolver.backend(candidate.backend)
        try:
            return _loaded(resolver, resolution, backend, candidate)
        except InferenceError as error:
            if strict:
                raise
            failures.append((candidate, error))
            resolution = resolution.failed(
                candidate, Reason("error", f"it failed to load: {error}")
            )
            following = resolution.chosen
            if following is not None:
                warnings.warn(
                    f"{candidate.backend} failed to load {candidate.artifact.path.name} ({error}); "
                    f"taking {following.backend} instead. strict=True forbids this",
                    BackendFallback,
                    stacklevel=3,
                )
    if len(failures) == 1:
        raise failures[0][1]
    raise NoBackendFound(
        f"every accepted backend failed to load {resolution.package.root}", resolution
    ) from failures[0][1]


def _loaded(
    resolver: Resolver, resolution: Resolution, backend: Backend, candidate: Candidate
) -> Model:
    artifact, device = candidate.artifact, candidate.verdict.device
    assert artifact is not None
    assert device is not None
    package, environment = resolution.package, resolution.environment
    request = resolver.request_for(backend)
    pieces = {"model": artifact}
    if backend.kind == "tensor":
        pieces = {role: artifact.part(role) for role in artifact.parts}
    sessions: list[Session] = []
    parts: dict[str, LoadedPart] = {}
    try:
        for role, piece in pieces.items():
            session = backend.load(piece, environment, request)
            sessions.append(session)
            if not same_device(device, session.device):
                raise PluginError(
                    f"backend {backend.name!r} ({backend.record.origin}) accepted {piece.path.name} "
                    f"for {device} and loaded it on {session.device}"
                )
            name = f"{package.name} ({piece.path.name} on {backend.name})"
            parts[role] = LoadedPart(name, backend, session, artifact.batch)
        processor = None
        if package.processor is not None and backend.kind == "tensor":
            processor = _processor(package, artifact, parts, resolver.settings)
        return Model(
            resolution, backend.name, artifact, parts, processor, resolver.wish.request.batch_size
        )
    except BaseException as failure:
        # What was loaded so far must not outlive the failure, nor hide it.
        for session in sessions:
            try:
                session.close()
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                failure.add_note(f"closing what was loaded raised {type(error).__name__}: {error}")
        raise


def _processor(
    package: ModelPackage,
    artifact: Artifact,
    parts: Mapping[str, LoadedPart],
    settings: Configuration,
) -> Any:
    spec = package.processor
    assert spec is not None
    cls = processor_class(spec.name, settings)
    if isinstance(cls, Reason):
        raise InvalidModel(str(cls))
    package = replace(package, processor=replace(spec, settings=spec.settings or artifact.settings))
    try:
        return cls(package, {role: part.graph for role, part in parts.items()})
    except InferenceError:
        raise
    except (Exception, SystemExit) as error:  # a plugin may raise anything
        raise PluginError(
            f"processor {spec.name!r} raised {type(error).__name__}: {error}"
        ) from error


def _verify(artifact: Artifact) -> None:
    """Compare each file that has a stated digest with it.

    Raises:
        InvalidModel: the file isn't the one that the manifest describes.
    """
    if not artifact.sha256:
        return
    import hashlib  # not above: opening OpenSSL is a tenth of a short-lived process's start-up

    for path, expected in artifact.sha256.items():
        try:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InvalidModel(f"{path} can't be read: {error.strerror or error}") from error
        if digest != expected:
            raise InvalidModel(
                f"{path} isn't the file its manifest describes: sha256 is {digest}, stated is "
                f"{expected}. Fetch the model again"
            )
