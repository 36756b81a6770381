"""What this machine is: typed fields for people and programs, flat facts for `requires`.

Nothing here imports a framework. NVIDIA devices are read through NVML (`nvidia-ml-py`) where the
driver's library exists; a machine without one is a normal machine. How each value is found is in
`inference_core.machine`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from inference_core.verdict import Reason

FactValue = str | tuple[str, ...]

KNOWN_DEVICES = ("cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor: model name, physical cores and hardware threads usable here, instruction sets
    that matter to inference ("avx2", "avx512f", "neon", …)."""

    model: str
    cores: int
    threads: int
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU: index as CUDA numbers it for this process, memory in bytes (0 if it is shared
    with the CPU), compute capability as "8.9"."""

    index: int
    name: str
    memory_bytes: int
    compute_capability: str


@dataclass(frozen=True, slots=True)
class Environment:
    """This machine.

    Attributes:
        os: "linux", "macos" or "windows".
        os_version: the system's own version text.
        architecture: "x86_64", "aarch64" or as the system says.
        python: version of the running interpreter.
        cpu: the processor.
        memory_bytes: physical memory, 0 if unknown.
        cuda_driver: version of the NVIDIA driver, None without one.
        cuda_version: highest CUDA version that driver runs ("12.8"), None without one.
        gpus: NVIDIA GPUs, empty without one.
        jetson_l4t: Jetson Linux (L4T) release, None elsewhere.
        problems: what could not be found out, and why.
    """

    os: str
    os_version: str
    architecture: str
    python: str
    cpu: Cpu
    memory_bytes: int
    cuda_driver: str | None = None
    cuda_version: str | None = None
    gpus: tuple[Gpu, ...] = ()
    jetson_l4t: str | None = None
    problems: tuple[Reason, ...] = ()

    def facts(self, device: str | None = None) -> Mapping[str, FactValue]:
        """The flat facts that `requires` matches.

        Args:
            device: the device under consideration; `gpu.*` are those of "cuda:N" (of "cuda", the
                first GPU's), and absent for any other device.
        """
        facts: dict[str, FactValue] = {
            "os": self.os,
            "os.version": self.os_version,
            "arch": self.architecture,
            "python": self.python,
            "cpu.model": self.cpu.model,
            "cpu.cores": str(self.cpu.cores),
            "cpu.features": self.cpu.features,
            "memory.gib": f"{self.memory_bytes / 2**30:.1f}",
            "gpu.count": str(len(self.gpus)),
        }
        if self.cuda_driver:
            facts["cuda.driver"] = self.cuda_driver
        if self.cuda_version:
            facts["cuda"] = self.cuda_version
        if self.jetson_l4t:
            facts["jetson.l4t"] = self.jetson_l4t
        gpu = self.gpu(device) if device else None
        if gpu:
            facts["gpu.name"] = gpu.name
            facts["gpu.memory_gib"] = f"{gpu.memory_bytes / 2**30:.1f}"
            facts["gpu.compute_capability"] = gpu.compute_capability
        return facts

    def gpu(self, device: str) -> Gpu | None:
        """The GPU that "cuda" or "cuda:N" means, None if there is none."""
        kind, _, index = device.partition(":")
        if kind != "cuda":
            return None
        wanted = int(index) if index.isdigit() else 0
        return next((gpu for gpu in self.gpus if gpu.index == wanted), None)

    def device_problem(self, device: str) -> Reason | None:
        """Why this machine can't offer `device`, or None if it can (or core can't tell).

        It reads the same whether a caller asked for the device or a probe looks what there is.
        """
        kind = device.partition(":")[0]
        if kind == "cuda" and self.gpu(device) is None:
            if self.cuda_driver is None:
                found = "no NVIDIA driver is installed"
            elif not self.gpus:
                found = f"the NVIDIA driver {self.cuda_driver} shows no GPU"
            else:
                found = f"this machine has only {', '.join(f'cuda:{g.index}' for g in self.gpus)}"
            fix = f'device="cuda:{self.gpus[0].index}"' if self.gpus else 'device="cpu"'
            return Reason("device", f"{device} isn't here: {found}", fix)
        if kind == "mps" and (self.os, self.architecture) != ("macos", "arm64"):
            return Reason(
                "device", f"{device} isn't here: this is no Apple-silicon Mac", 'device="cpu"'
            )
        return None


def same_device(asked: str, got: str) -> bool:
    """Whether a backend that was asked for one device ("cuda") and names another ("cuda:0") means
    the same; a device without an index means any index."""
    asked_kind, _, asked_index = asked.partition(":")
    got_kind, _, got_index = got.partition(":")
    return asked_kind == got_kind and (not asked_index or int(asked_index) == int(got_index or 0))


def is_device_name(device: str) -> bool:
    """Whether `device` has the form of a device name: a word, perhaps with an index ("cuda:1")."""
    return re.fullmatch(r"[a-z][a-z0-9_]*(:\d{1,3})?", device) is not None
