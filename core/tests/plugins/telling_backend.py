"""A task backend for core's tests: it repeats what it is told, whole or word by word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from inference_core import hookimpl
from inference_core.verdict import BackendReport, Reason, Verdict

PLUGIN_API = 1
KIND = "task"


@dataclass(frozen=True)
class CallOptions:
    shout: bool = False
    times: int = 1
    stream: bool = False


class Telling:
    inputs = ()
    outputs = ()
    metadata: ClassVar[dict[str, str]] = {}
    task = "telling"
    device = "cpu"
    device_arrays = None

    def __init__(self, thread_safe: bool) -> None:
        self.thread_safe = thread_safe
        self.log: list[str] = []

    def close(self) -> None:
        self.log.append("closed")


@hookimpl
def probe_environment():
    return BackendReport(devices=("cpu",))


@hookimpl
def can_load(artifact):
    if artifact.format != "telling":
        return Verdict.reject(Reason("format", "it tells only stories"))
    return Verdict.accept("cpu")


@hookimpl
def load(artifact):
    session = Telling(thread_safe="unsafe" not in artifact.path.name)
    if "declared" in artifact.path.name:
        session.call_options = CallOptions
    if "picture" in artifact.path.name:
        session.input_kind = "image"
    return session


@hookimpl
def predict(options, session, inputs):  # the order is the author's own
    if inputs == "raise":
        raise LookupError("no such story")
    if inputs == "options":
        return dict(options)
    if not options.get("stream"):
        return inputs.upper()
    if inputs == "no stream":
        return inputs.split()
    return _words(session, inputs)


def _words(session, text):
    try:
        for word in text.split():
            if word == "raise":
                raise LookupError("the story breaks off")
            yield word
    finally:
        session.log.append("stream ended")
