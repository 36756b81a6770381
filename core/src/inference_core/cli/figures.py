"""The arithmetic of `infer bench`: percentiles, how sure a median is, and which backend is fastest.

Only the standard library: the figures come from other processes, and this one needs no numpy.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

PERCENTILES = (50, 90, 99)
_BLOCKS = 10
FEWEST = 2 * _BLOCKS
"""Fewer runs than this say nothing about their spread."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` % of `values` lie, linear between neighbours.

    The definition of `numpy.percentile` (Hyndman and Fan 1996, type 7).
    """
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Sequence[float]) -> tuple[float, float] | None:
    """The least and the greatest of the medians of ten blocks of `values` in their order.

    For independent values the true median lies between them with a probability of 1 - 2 / 2**10;
    and a machine whose speed drifts while it is measured makes them lie further apart. None for
    fewer than `FEWEST` values.
    """
    if len(values) < FEWEST:
        return None
    edges = [len(values) * index // _BLOCKS for index in range(_BLOCKS + 1)]
    medians = [statistics.median(values[a:b]) for a, b in pairwise(edges)]
    return min(medians), max(medians)


@dataclass(frozen=True, slots=True)
class Fastest:
    """Which backend is the fastest, by the median of all stages together.

    Attributes:
        backend: its name.
        sure: whether no other's spread touches its own; None where there are too few runs to say, or
            no other backend.
        others: how many times as long each other takes: least, by the medians, and most, by the
            spreads; without spreads three times the same. The next fastest first.
    """

    backend: str
    sure: bool | None
    others: Mapping[str, tuple[float, float, float]]

    def __str__(self) -> str:
        if not self.others:
            return f"only {self.backend} was measured"
        rivals = [
            f"{name} takes {ratio:.2f} times as long"
            + ("" if self.sure is None else f" ({low:.2f} to {high:.2f})")
            for name, (low, ratio, high) in self.others.items()
        ]
        said = f"fastest: {self.backend}; {', '.join(rivals)}"
        if self.sure is None:
            return f"{said}; too few runs to say how sure that is"
        if self.sure:
            return f"{said}; sure, for the spreads don't touch"
        near = ", ".join(name for name, (low, _, _) in self.others.items() if low <= 1)
        return f"{said}; not sure: its spread touches that of {near}. More --runs may tell"


def fastest(totals: Mapping[str, Sequence[float]]) -> Fastest:
    """Compare backends by the times of an input in their calls (one backend or more)."""
    medians = {name: statistics.median(values) for name, values in totals.items()}
    first, *rest = sorted(medians, key=lambda name: medians[name])
    spreads = {name: spread(values) for name, values in totals.items()}
    others = {}
    own = spreads[first]
    for name in rest:
        ratio = medians[name] / medians[first]
        its = spreads[name]
        others[name] = (its[0] / own[1], ratio, its[1] / own[0]) if own and its else (ratio,) * 3
    known = others and all(spreads.values())
    sure = all(low > 1 for low, _, _ in others.values()) if known else None
    return Fastest(first, sure, others)
