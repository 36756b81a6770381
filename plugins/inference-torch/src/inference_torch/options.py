"""Options of the torch backend, as `from_pretrained(..., options={...})` takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TorchOptions:
    """How torch runs a model.

    Attributes:
        threads: CPU threads within one operator, 1 to 1024; None leaves torch's default. torch has
            one such setting per process: it holds for every model.
        interop_threads: CPU threads for independent operators (TorchScript uses them), 1 to 1024.
            Per process too, and torch takes it only before its first parallel work.
        compile: run through `torch.compile`: slower to load (minutes for a large model), often
            faster to run; on a CPU it needs a C++ compiler.
        compile_mode: what `torch.compile` optimises for; only with `compile`.

    Raises:
        ValueError: a value is out of its range.
    """

    threads: int | None = None
    interop_threads: int | None = None
    compile: bool = False
    compile_mode: Literal["default", "reduce-overhead", "max-autotune"] = "default"

    def __post_init__(self) -> None:
        for name in ("threads", "interop_threads"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 1024:
                raise ValueError(f"{name} must be from 1 to 1024, not {value}")
        modes = ("default", "reduce-overhead", "max-autotune")
        if self.compile_mode not in modes:
            raise ValueError(
                f"compile_mode must be one of {', '.join(modes)}, not {self.compile_mode!r}"
            )
        if self.compile_mode != "default" and not self.compile:
            raise ValueError(
                f"compile_mode={self.compile_mode!r} does nothing without compile=true"
            )
