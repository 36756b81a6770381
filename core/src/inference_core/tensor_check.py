"""Checks arrays against the tensors a graph declares, before any runtime sees them.

Runtimes report a wrong input each in their own words, some by ending the process; here every backend
gets the same sentence, which names the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from inference_core.arguments import did_you_mean
from inference_core.errors import InvalidInput
from inference_core.session import TensorSpec

# TensorSpec's names for what numpy lacks, and the dtype that stands in for it.
_STAND_INS = {"bfloat16": "float32", "str": "object"}


def checker(inputs: tuple[TensorSpec, ...]) -> Callable[[Mapping[str, Any]], None]:
    """A function that raises `InvalidInput` unless its argument fits `inputs`.

    An unknown rank or axis fits any. Python numbers and lists are refused: a copy to an array, and
    its dtype, are the caller's to choose.
    """
    expected = [(spec.name, _dtype(spec), spec.shape, spec) for spec in inputs]
    count = len(expected)

    def check(feeds: Mapping[str, Any]) -> None:
        if type(feeds) is not dict and not isinstance(feeds, Mapping):  # the first is quick
            raise InvalidInput(f"feeds are arrays by input name, not {type(feeds).__name__}")
        for name, dtype, shape, spec in expected:
            array = feeds.get(name)
            if array is None:
                raise _wrong_names(inputs, feeds)
            if type(array) is not np.ndarray and not isinstance(array, np.ndarray):
                raise InvalidInput(
                    f"input {name!r} is a {type(array).__name__}; it takes a numpy array: {spec}"
                )
            if dtype is not None and array.dtype != dtype and not _same_text(array, dtype):
                raise InvalidInput(
                    f"input {name!r} has dtype {array.dtype}, the graph takes {spec.dtype}: {spec}"
                )
            if shape is not None and array.shape != shape and not _fits(array.shape, shape):
                raise InvalidInput(
                    f"input {name!r} has shape {array.shape}, the graph takes {spec}"
                )
        if len(feeds) != count:
            raise _wrong_names(inputs, feeds)

    return check


def _dtype(spec: TensorSpec) -> np.dtype[Any] | None:
    try:
        dtype = np.dtype(_STAND_INS.get(spec.dtype, spec.dtype))
    except TypeError:  # "any", float8 and the like: the runtime decides
        return None
    # ml_dtypes, once anything imports it, teaches numpy float8; the check mustn't depend on that.
    return dtype if dtype.isbuiltin == 1 else None


def _same_text(array: np.ndarray, dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "O" and array.dtype.kind in "US"


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        want is None or have == want for have, want in zip(shape, wanted, strict=True)
    )


def _wrong_names(inputs: tuple[TensorSpec, ...], feeds: Mapping[str, Any]) -> InvalidInput:
    names = [spec.name for spec in inputs]
    missing = [name for name in names if feeds.get(name) is None]
    unknown = [str(name) for name in feeds if name not in names]
    parts = [f"missing {', '.join(map(repr, missing))}"] if missing else []
    parts += [f"unknown {name!r}{did_you_mean(name, names).rstrip('?')}" for name in unknown]
    return InvalidInput(
        f"wrong inputs: {'; '.join(parts)}. The graph takes {'; '.join(map(str, inputs)) or 'none'}"
    )
