"""The four hooks that make a backend, as pluggy specifications.

A backend is a module or an instance with functions of these names marked `@hookimpl`, found through
the entry-point group `inference_core.backends`. Beside them it states, as plain module attributes:

    PLUGIN_API = 1          # the version of this contract it was written for; required, a literal
    KIND = "tensor"         # or "task" where it wraps a library that already speaks tasks
    OPTIONS = MyOptions     # optional: a dataclass of the backend's own load options

An implementation may leave out or reorder arguments; new arguments will come with defaults. The
module must stay light: standard library, pluggy, inference_core and its own light files. The
framework is imported inside `load`, `predict` or a deep probe, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from inference_core.environment import Environment
    from inference_core.package import Artifact, Request
    from inference_core.session import Session
    from inference_core.verdict import BackendReport, Verdict

PROJECT = "inference_core"
PLUGIN_API = 1
HOOKS = ("probe_environment", "can_load", "load", "predict")

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Stream(Protocol):
    """What `predict` returns for `stream=True`: an iterator that can be closed early."""

    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def close(self) -> None: ...


@hookspec(firstresult=True)
def probe_environment(environment: Environment, deep: bool) -> BackendReport | None:
    """Say what this backend could use here, from metadata and files, without importing its framework.

    Args:
        environment: what core found out about this machine.
        deep: True only in a child process of its own, with a time limit (`infer doctor --deep`):
            then import the framework, run a tiny tensor on each device, and report what is wrong.

    Returns:
        Facts, devices and problems. It must not raise for a missing or damaged framework: that is
        a problem to report.
    """


@hookspec(firstresult=True)
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict | None:
    """Judge one artifact: accept it with a device, or refuse it with *all* the reasons.

    Pure and cheap: bounded structure reads, never weights, never native code, the same answer for
    the same input. Core itself matches `artifact.requires`, the batch range and the processor, and
    adds those reasons to this verdict's.
    """


@hookspec(firstresult=True)
def load(artifact: Artifact, environment: Environment, request: Request) -> Session | None:
    """Load an artifact that `can_load` accepted: the first moment the framework may be imported.

    Tensor backends get an artifact with one part and are called once per part; task backends get
    the whole artifact. Must raise if the device it got isn't the device that was asked for.
    """


@hookspec(firstresult=True)
def predict(session: Session, inputs: Any, options: Mapping[str, Any]) -> Any:
    """Run one session.

    Args:
        session: what this backend's `load` returned.
        inputs: for tensor sessions, arrays by input name, already checked against
            `session.inputs`; for task sessions, the task's input.
        options: per-call options of task sessions, all of `session.call_options` if it declares
            them; `stream=True` asks for an iterator with `close()`. Tensor sessions get an empty
            mapping.

    Returns:
        For tensor sessions, arrays by output name; for task sessions, a result type.
    """
