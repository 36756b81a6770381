"""Imports torch and multiplies two small matrices on each device: `infer doctor --deep` only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inference_core.install import install_command
from inference_core.verdict import Reason

from inference_torch.install_state import REQUIREMENT


def device_problems(devices: Sequence[str]) -> list[Reason]:
    """What goes wrong when torch is imported and used on each of `devices`; empty if nothing does."""
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        fix = install_command("--force-reinstall", REQUIREMENT)
        return [Reason("broken-install", f"torch can't be imported: {error}", fix)]
    return list(_problems(devices))


def _problems(devices: Sequence[str]) -> Iterator[Reason]:
    import torch

    # Whole numbers below 2^24 are exact in float32: the product of these has one right answer.
    left = torch.arange(16, dtype=torch.float32).reshape(4, 4)
    expected = [[56, 62, 68, 74], [152, 174, 196, 218], [248, 286, 324, 362], [344, 398, 452, 506]]
    for device in devices:
        try:
            found = (left.to(device) @ left.to(device)).cpu().int().tolist()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            yield Reason("device", f"torch can't compute on {device}: {error}", 'device="cpu"')
            continue
        if found != expected:
            yield Reason("broken-install", f"torch multiplies wrongly on {device}: {found}")
