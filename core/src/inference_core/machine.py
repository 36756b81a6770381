"""Finds out what this machine is: one `Environment`, read from the system's own files and NVML.

Read once per process (`current()`); each value has its own small function, and a value that can't be
read becomes a problem in the report, never an exception.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import re
import sys
from pathlib import Path

from inference_core.environment import Cpu, Environment, Gpu
from inference_core.verdict import Reason

# The instruction sets that kernels of the supported runtimes dispatch on, as the systems name them.
_FEATURES = (
    "sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl",
    "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip


@functools.cache
def current() -> Environment:
    """This machine, read once per process."""
    problems: list[Reason] = []
    driver, cuda, gpus = _nvidia(problems)
    return Environment(
        os={"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform),
        os_version=platform.mac_ver()[0] if sys.platform == "darwin" else platform.release(),
        architecture={"AMD64": "x86_64"}.get(platform.machine(), platform.machine()),
        python=platform.python_version(),
        cpu=_cpu(),
        memory_bytes=_memory(),
        cuda_driver=driver,
        cuda_version=cuda,
        gpus=gpus,
        jetson_l4t=_jetson_l4t(),
        problems=tuple(problems),
    )


def _read(path: str, limit: int = 1 << 20) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except OSError:
        return ""


def _cpu() -> Cpu:
    threads = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if sys.platform == "linux":
        text = _read("/proc/cpuinfo")
        flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
        model = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", text, re.MULTILINE)
        present = set(flags.group(1).split()) if flags else set()
        pairs = re.findall(r"^physical id\s*:\s*(\d+)$.*?^core id\s*:\s*(\d+)$", text, re.M | re.S)
        name, cores = model.group(1) if model else "", len(set(pairs)) or threads
    elif sys.platform == "darwin":
        name = _sysctl("machdep.cpu.brand_string")
        listed = f"{_sysctl('machdep.cpu.features')} {_sysctl('machdep.cpu.leaf7_features')}"
        present = set(listed.lower().replace(".", "_").split())
        present |= {"asimd"} if platform.machine() == "arm64" else set()
        cores = int(_sysctl("hw.physicalcpu") or threads)
    else:
        name, present, cores = platform.processor(), set(), threads
    features = tuple(feature for feature in _FEATURES if feature in present)
    return Cpu(name.strip() or platform.machine(), min(cores, threads), threads, features)


def _sysctl(name: str) -> str:
    import subprocess  # not above: only macOS needs it

    try:
        run = subprocess.run(
            ["sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip()


def _memory() -> int:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "win32":
        kib = ctypes.c_ulonglong()
        if ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kib)):
            return kib.value * 1024
    return 0


def _jetson_l4t() -> str | None:
    """Jetson Linux release; its release file starts "# R36 (release), REVISION: 4.3"."""
    found = re.search(
        r"R(\d+) \(release\), REVISION: ([\d.]+)", _read("/etc/nv_tegra_release", 4096)
    )
    return f"{found.group(1)}.{found.group(2)}" if found else None


def _nvidia(problems: list[Reason]) -> tuple[str | None, str | None, tuple[Gpu, ...]]:
    """Driver version, CUDA version and GPUs through NVML; (None, None, ()) without a driver."""
    if not _driver_library_exists():
        return None, None, ()
    # Imported only here: the module is large, and most machines that lack a GPU lack the driver.
    try:
        import pynvml
    except ImportError as error:
        problems.append(
            Reason(
                "broken-install",
                f"nvidia-ml-py can't be imported: {error}",
                "pip install nvidia-ml-py",
            )
        )
        return None, None, ()
    driver = cuda = None
    gpus: list[Gpu] = []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        problems.append(Reason("device", f"the NVIDIA driver is installed but NVML says: {error}"))
        return None, None, ()
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        # NVML gives 12040 for CUDA 12.4.
        number = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        cuda = f"{number // 1000}.{number % 1000 // 10}"
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        uuids = [_text(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        for index, position in enumerate(_visible(uuids, os.environ.get("CUDA_VISIBLE_DEVICES"))):
            handle = handles[position]
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
            gpus.append(
                Gpu(
                    index=index,
                    name=_text(pynvml.nvmlDeviceGetName(handle)),
                    memory_bytes=_gpu_memory(pynvml, handle),
                    compute_capability=f"{major}.{minor}",
                )
            )
    except pynvml.NVMLError as error:
        problems.append(Reason("device", f"NVML can't read every GPU: {error}"))
    finally:
        with contextlib.suppress(pynvml.NVMLError):  # everything has been read
            pynvml.nvmlShutdown()
    if len({gpu.name for gpu in gpus}) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        # CUDA then numbers them by speed, which NVML can't tell (CUDA C++ Programming Guide).
        problems.append(
            Reason(
                "device",
                "the GPUs differ, and CUDA may number them otherwise than this report does",
                "export CUDA_DEVICE_ORDER=PCI_BUS_ID",
            )
        )
    return driver, cuda, tuple(gpus)


def _visible(uuids: list[str], variable: str | None) -> list[int]:
    """Positions of the GPUs that CUDA shows a program, in the order in which it numbers them.

    Args:
        uuids: UUID of each GPU, in the order of NVML.
        variable: CUDA_VISIBLE_DEVICES: positions or (the start of) UUIDs, of which CUDA takes those
            before the first that it can't find (CUDA C++ Programming Guide, environment variables).
    """
    if variable is None:
        return list(range(len(uuids)))
    visible = []
    for word in (part.strip() for part in variable.split(",")):
        if word.isdigit() and int(word) < len(uuids):
            visible.append(int(word))
            continue
        matches = [i for i, uuid in enumerate(uuids) if word and uuid.startswith(word)]
        if len(matches) != 1:
            break
        visible += matches
    return visible


def _gpu_memory(pynvml: object, handle: object) -> int:
    """Bytes of GPU memory; 0 where memory is shared with the CPU (Jetson), which NVML refuses."""
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)  # type: ignore[attr-defined]
    except pynvml.NVMLError_NotSupported:  # type: ignore[attr-defined]
        return 0


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _driver_library_exists() -> bool:
    """Whether NVML can be opened at all: far cheaper than importing pynvml to hear that it can't."""
    name = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"
    if sys.platform == "win32":
        system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", name)
        return system.exists()
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
