"""Machines and devices that a backend is asked about, whatever this machine is."""

from __future__ import annotations

from inference_core.environment import Cpu, Environment, Gpu

# A device that no machine has.
NO_DEVICE = "kitdevice:3"
DEVICES = (None, "cpu", "cuda", "cuda:7", "mps", NO_DEVICE)
_CPU = Cpu("Kit CPU", 4, 8, ("avx2", "fma"))
_GIB = 2**30
MACHINES = {
    "a CPU": Environment("linux", "6.1", "x86_64", "3.11.9", _CPU, 8 * _GIB),
    "two GPUs": Environment(
        "linux", "6.1", "x86_64", "3.11.9", _CPU, 64 * _GIB, "560.35.03", "12.6",
        (Gpu(0, "Kit GPU", 24 * _GIB, "8.9"), Gpu(1, "Old kit GPU", 8 * _GIB, "6.1")),
    ),
    "a driver without GPU": Environment(
        "linux", "6.1", "x86_64", "3.11.9", _CPU, 8 * _GIB, "560.35.03", "12.6"
    ),
    "a Jetson": Environment(
        "linux", "5.15", "aarch64", "3.11.9", Cpu("", 6, 6, ("neon",)), 8 * _GIB, "540.4", "12.6",
        (Gpu(0, "Orin", 0, "8.7"),), "36.4",
    ),
    "a Mac": Environment("macos", "15.1", "arm64", "3.12.1", Cpu("", 8, 8, ("neon",)), 16 * _GIB),
    "Windows": Environment("windows", "11", "x86_64", "3.13.0", _CPU, 16 * _GIB),
    "an unknown system": Environment("", "", "", "3.11.9", Cpu("", 0, 0, ()), 0),
}  # fmt: skip
