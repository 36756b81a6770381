"""The ranges of per-call options that all detectors share. Light: nothing but inference_core."""

from __future__ import annotations

from inference_core.errors import InvalidArgument


def check_confidence(given: float | dict[int | str, float]) -> None:
    """Raise InvalidArgument unless the confidence, or each of one by class, is 0 to 1."""
    for value in given.values() if isinstance(given, dict) else (given,):
        if not 0 <= value <= 1:
            raise InvalidArgument(f"confidence must be between 0 and 1, not {value}")


def check_max_detections(count: int) -> None:
    """Raise InvalidArgument unless it is at least 1."""
    if count < 1:
        raise InvalidArgument(f"max_detections must be at least 1, not {count}")
