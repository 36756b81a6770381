"""What a caller may set for an onnxruntime session, typed and checked, without importing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from inference_core.errors import InvalidArgument

Setting = str | int | float | bool
ProviderEntry = str | tuple[str, dict[str, Setting]]

_SUFFIX = "ExecutionProvider"


@dataclass(frozen=True, slots=True)
class OnnxOptions:
    """Options of the onnx backend. Where the default is None, onnxruntime's own default holds.

    Attributes:
        threads: threads that share the work of one operator (intra-op), 1 to 1024; None means one
            per physical core.
        inter_op_threads: threads that run operators side by side, 1 to 1024; used with
            execution_mode="parallel".
        graph_optimization: how far the graph is rewritten before it runs.
        execution_mode: operators one after another, or side by side where the graph branches.
        spinning: whether idle threads spin instead of sleeping: faster for one process, wasteful
            when several share the cores.
        providers: execution providers in order of precedence, by name or as (name, settings);
            replaces what `device` would choose. One text with commas between names will do.
        provider_options: settings of the provider that `device` chooses, for example
            {"cudnn_conv_algo_search": "HEURISTIC"}.
        disable_cpu_fallback: refuse a model that has operators the accelerator can't run, which
            otherwise run on the CPU.
        io_binding: keep each thread's input buffers on the device and reuse them while the shapes
            stay the same. Meant for CUDA.
        free_dimensions: fixed sizes for symbolic axes by their names, which lets onnxruntime
            optimise as for a static graph.
        deterministic: choose deterministic kernels where there is a choice.
        memory_arena: keep freed memory for the next run (CPU).
        memory_pattern: plan memory once per input shape.
        custom_op_libraries: shared libraries with further operators. They are native code that
            runs when the model is loaded.
        session_config: further entries of onnxruntime's session configuration by key.
        optimized_model_path: where to save the graph as it was optimised.
        profile_prefix: write a profile to a file with this prefix; complete after `close()`.
        log_severity: what onnxruntime may write to stderr: 0 everything, 1 information,
            2 warnings, 3 errors, 4 fatal errors.

    Raises:
        InvalidArgument: a value out of its range, or two options that contradict each other.
    """

    threads: int | None = None
    inter_op_threads: int | None = None
    graph_optimization: Literal["disable", "basic", "extended", "all"] = "all"
    execution_mode: Literal["sequential", "parallel"] = "sequential"
    spinning: bool | None = None
    providers: str | tuple[ProviderEntry, ...] = ()
    provider_options: dict[str, Setting] = field(default_factory=dict)
    disable_cpu_fallback: bool = False
    io_binding: bool = False
    free_dimensions: dict[str, int] = field(default_factory=dict)
    deterministic: bool = False
    memory_arena: bool = True
    memory_pattern: bool = True
    custom_op_libraries: tuple[Path, ...] = ()
    session_config: dict[str, str] = field(default_factory=dict)
    optimized_model_path: Path | None = None
    profile_prefix: str | None = None
    log_severity: int = 3

    def __post_init__(self) -> None:
        _check_range("threads", self.threads, 1, 1024)
        _check_range("inter_op_threads", self.inter_op_threads, 1, 1024)
        _check_range("log_severity", self.log_severity, 0, 4)
        for axis, size in self.free_dimensions.items():
            _check_range(f"free_dimensions[{axis!r}]", size, 1, 2**31)
        for name, _ in self.provider_list():
            if not name.endswith(_SUFFIX):
                raise InvalidArgument(
                    f"providers has {name!r}, but names end with {_SUFFIX}: "
                    f"'CUDA{_SUFFIX}', 'CPU{_SUFFIX}', …"
                )
        if self.providers and self.provider_options:
            raise InvalidArgument(
                "provider_options are for the provider that device= chooses; with providers=, give "
                "settings beside the name: providers=[('CUDAExecutionProvider', {…})]"
            )
        if "device_id" in self.provider_options:
            raise InvalidArgument("provider_options can't choose the device: say device='cuda:1'")

    def provider_list(self) -> list[tuple[str, dict[str, Setting]]]:
        """`providers` as (name, settings) pairs, empty if it isn't set."""
        if isinstance(self.providers, str):
            return [(name.strip(), {}) for name in self.providers.split(",") if name.strip()]
        return [(entry, {}) if isinstance(entry, str) else entry for entry in self.providers]


def _check_range(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidArgument(f"{name}={value!r} must be {low} to {high}")
