"""Memory for tensors that is used again once nobody can read it any more.

A tensor must not be overwritten while a runtime, a queue or the caller still holds it, and a fresh
one costs the operating system a page fault per 4 KiB, which can take longer than filling it. So the
arrays given out here lie in leased memory: every view of one, torch tensors and runtimes' handles
included, keeps the lease alive, and the memory comes back when the last of them is gone.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 4
"""Free pieces of memory that are kept: as many tensors as one model has in the making."""


class TensorMemory:
    """Gives out uninitialised arrays. Safe for threads: all it does to shared state is to append to
    and pop from a deque."""

    def __init__(self) -> None:
        self._free: deque[NDArray[np.uint8]] = deque(maxlen=KEPT)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """A C-contiguous, writeable array with whatever content; nobody else has its memory."""
        size = math.prod(shape) * dtype.itemsize
        try:
            block = self._free.pop()
        except IndexError:
            block = np.empty(size, np.uint8)
        if block.size != size:  # the batch became larger or smaller
            block = np.empty(size, np.uint8)
        return np.asarray(_Lease(block, self._free)).view(dtype).reshape(shape)


class _Lease:
    """Owns a piece of memory on behalf of the arrays that lie in it (it is the `base` of each), and
    gives it back when they are gone."""

    __slots__ = ("__array_interface__", "_block", "_free")

    def __init__(self, block: NDArray[np.uint8], free: deque[NDArray[np.uint8]]) -> None:
        self._block, self._free = block, free
        self.__array_interface__ = block.__array_interface__

    def __del__(self) -> None:
        self._free.append(self._block)
