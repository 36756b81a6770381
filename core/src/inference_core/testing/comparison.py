"""Whether an answer is what a sample says: arrays by a tolerance, everything else field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inference_core.testing.failure import failed
from inference_core.testing.sample import Sample

_MEND = "mend load() or predict(), or the sample's `outputs` if they are wrong"


def compare(sample: Sample, answer: Any) -> None:
    """Fail the test unless the answer is the expected one."""
    expected = sample.outputs
    if not callable(expected):
        require_equal(sample, expected, answer, "the sample's answer")
        return
    try:
        expected(answer)
    except Exception as error:  # noqa: BLE001 - an AssertionError, or what a wrong answer causes
        failed(f"the sample's answer is wrong: {answer!r:.500}: {error}", _MEND)


def require_equal(sample: Sample, expected: Any, answer: Any, what: str) -> None:
    """Fail the test where `answer` differs from `expected`, and say in what."""
    if isinstance(expected, Mapping) and isinstance(answer, Mapping):
        for name, wanted in expected.items():
            if name not in answer:
                failed(
                    f"{what} has {sorted(map(str, answer))}, but no {name!r}",
                    "return every output by the name that the sample expects",
                )
            require_equal(sample, wanted, answer[name], f"{what}, {name!r},")
        return
    if not equal(sample, expected, answer):
        failed(f"{what} is\n{answer!r:.500}\ninstead of\n{expected!r:.500}", _MEND)


def equal(sample: Sample, expected: Any, answer: Any) -> bool:
    """Whether two values are the same, up to the sample's tolerance."""
    if dataclasses.is_dataclass(expected) and not isinstance(expected, type):
        names = [field.name for field in dataclasses.fields(expected)]
        return type(answer) is type(expected) and all(
            equal(sample, getattr(expected, name), getattr(answer, name)) for name in names
        )
    if isinstance(expected, Mapping) and isinstance(answer, Mapping):
        return expected.keys() == answer.keys() and all(
            equal(sample, expected[name], answer[name]) for name in expected
        )
    if isinstance(expected, (np.ndarray, np.generic)) or isinstance(answer, np.ndarray):
        return _equal_arrays(sample, np.asarray(expected), np.asarray(answer))
    if isinstance(expected, float) and isinstance(answer, float):
        return bool(np.isclose(answer, expected, sample.rtol, sample.atol, equal_nan=True))
    if isinstance(expected, Sequence) and not isinstance(expected, (str, bytes)):
        return (
            isinstance(answer, Sequence)
            and len(answer) == len(expected)
            and all(equal(sample, e, a) for e, a in zip(expected, answer, strict=True))
        )
    return bool(expected == answer)


def _equal_arrays(sample: Sample, expected: np.ndarray, answer: np.ndarray) -> bool:
    if expected.shape != answer.shape:
        return False
    if expected.dtype.kind in "OUS" or answer.dtype.kind in "OUS":
        return bool(np.array_equal(answer, expected))
    return bool(np.allclose(answer, expected, sample.rtol, sample.atol, equal_nan=True))
