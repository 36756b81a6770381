"""What a caller may set for a LiteRT session, typed and checked, without importing it."""

from __future__ import annotations

from dataclasses import dataclass, field

from inference_core.errors import InvalidArgument

MAX_THREADS = 1024


@dataclass(frozen=True, slots=True)
class TfliteOptions:
    """Options of the tflite backend.

    Attributes:
        threads: threads that share the work of one operator, 1 to 1024; None means one per physical
            core.
        xnnpack: whether LiteRT may hand operators to XNNPACK, its fast kernels for the CPU; without
            them it is slower, and quantised models round as on a phone without them.
        signature: which signature of the file to run, where it has several; None takes the graph
            that a plain interpreter runs, the first.
        delegate: the shared library of an external delegate, such as an accelerator's, by path or
            as the system finds it ("libedgetpu.so.1"). It is native code that runs at load.
        delegate_options: what that library takes, by name.

    Raises:
        InvalidArgument: a value out of its range, or options without the one they belong to.
    """

    threads: int | None = None
    xnnpack: bool = True
    signature: str | None = None
    delegate: str | None = None
    delegate_options: dict[str, str | int | float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.threads is not None and not 1 <= self.threads <= MAX_THREADS:
            raise InvalidArgument(f"threads={self.threads!r} must be 1 to {MAX_THREADS}")
        if self.signature == "":
            raise InvalidArgument("signature must be the name of one, or left out")
        if self.delegate == "":
            raise InvalidArgument("delegate must be the path of a library, or left out")
        if self.delegate_options and self.delegate is None:
            raise InvalidArgument("delegate_options are for a delegate: name its library, too")
