"""Masks of objects in three forms (bitmaps, run lengths, polygons) and the ways between them.

All ways are exact: outlines run along the edges between pixels, so that filling them gives the very
pixels back. It finds no masks and draws none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from inference_core.errors import InvalidArgument

Bitmap = NDArray[np.bool_]
MaskFormat = Literal["bitmap", "rle", "polygons"]
MASK_FORMATS: tuple[MaskFormat, ...] = get_args(MaskFormat)

Part = tuple[Bitmap, tuple[int, int]]
"""A part of a picture outside of which a mask is false: bool (height, width) of the part, and x and y
of its top left pixel. Most objects are far smaller than their pictures, and so is the work on them."""

_NOTHING: Part = (np.zeros((0, 0), bool), (0, 0))


@dataclass(frozen=True, slots=True, eq=False)
class RunLengths:
    """One mask as COCO's uncompressed run lengths.

    Attributes:
        size: (height, width) of the picture.
        counts: int64 (M,): lengths of alternating runs of false and true pixels, false first (0 if
            the first pixel is true), down the columns from the left. They sum to height * width.

    Raises:
        TypeError: `counts` isn't an int64 array.
        ValueError: `counts` has another shape, a negative number, or another sum.
    """

    size: tuple[int, int]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        counts = self.counts
        if not isinstance(counts, np.ndarray) or counts.dtype != np.int64:
            raise TypeError("RunLengths.counts must be an array of int64")
        pixels = self.size[0] * self.size[1]
        if counts.ndim != 1 or (counts < 0).any() or counts.sum() != pixels:
            raise ValueError(
                f"RunLengths.counts must be one row of lengths with the sum {pixels}, the pixels of "
                f"a picture of {self.size[1]} x {self.size[0]}"
            )

    @classmethod
    def of(
        cls, bitmap: Bitmap, at: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
    ) -> RunLengths:
        """The run lengths of a mask that is given by the part of the picture it lies in.

        Args:
            bitmap: bool (height, width) of that part.
            at: x and y of its top left pixel.
            size: (height, width) of the picture; by default that of `bitmap`.
        """
        height, width = size or bitmap.shape
        bitmap, at = _cut(bitmap, at)
        # Every column between two false pixels: no run goes on into the next one.
        columns = np.zeros((bitmap.shape[1], bitmap.shape[0] + 2), bool)
        columns[:, 1:-1] = bitmap.T
        changes = np.flatnonzero(columns[:, 1:] != columns[:, :-1])
        column, row = np.divmod(changes, bitmap.shape[0] + 1)
        changes = (column + at[0]) * height + row + at[1]
        # Down to the last row, and from the first of the next column: that is one run.
        meets = np.flatnonzero(changes[1:] == changes[:-1])
        changes = np.delete(changes, np.concatenate([meets, meets + 1]))
        edges = np.concatenate([[0], changes, [height * width]])
        counts = np.diff(edges)
        if len(counts) > 1 and counts[-1] == 0:  # the last pixel is true
            counts = counts[:-1]
        return cls((height, width), counts.astype(np.int64))

    @property
    def area(self) -> int:
        """How many pixels are true."""
        return int(self.counts[1::2].sum())

    def part(self) -> Part:
        """The smallest part of the picture that has all true pixels."""
        height = self.size[0]
        edges = np.cumsum(self.counts)
        starts, ends = edges[:-1:2], edges[1::2]
        starts, ends = starts[starts < ends], ends[starts < ends]
        if not len(starts):
            return _NOTHING
        (left, upper), (right, lower) = divmod(starts, height), divmod(ends - 1, height)
        # A run that goes on into the next column has pixels in the last row and in the first.
        over = bool((left < right).any())
        x, y = int(left[0]), 0 if over else int(upper.min())
        columns, rows = int(right[-1]) + 1 - x, (height if over else int(lower.max()) + 1) - y
        inner = np.empty(2 * len(starts) + 2, np.int64)
        inner[0], inner[-1] = 0, columns * rows
        inner[1:-1:2] = (left - x) * rows + upper - y
        inner[2:-1:2] = (right - x) * rows + lower - y + 1
        lengths = np.diff(inner)
        values = np.arange(len(lengths)) % 2 == 1
        return np.repeat(values, lengths).reshape((rows, columns), order="F"), (x, y)

    def to_bitmap(self) -> Bitmap:
        """bool (height, width)."""
        return _placed(self.part(), self.size)

    def to_dict(self) -> dict[str, Any]:
        """{"size": [height, width], "counts": […]}, COCO's uncompressed segmentation."""
        return {"size": list(self.size), "counts": self.counts.tolist()}


@dataclass(frozen=True, slots=True, eq=False)
class Polygons:
    """One mask as the outlines of its parts and holes.

    Attributes:
        size: (height, width) of the picture.
        outlines: float32 (M, 2) each: corners x, y in pixels from the picture's top left corner, the
            last joined to the first. A point is inside if an odd number of outlines goes round it,
            and a pixel if its centre is. Those made here run clockwise round parts, the other way
            round holes.

    Raises:
        TypeError: an outline isn't a float32 array.
        ValueError: an outline has another shape, or a number is NaN or infinite.
    """

    size: tuple[int, int]
    outlines: tuple[NDArray[np.float32], ...]

    def __post_init__(self) -> None:
        for outline in self.outlines:
            if not isinstance(outline, np.ndarray) or outline.dtype != np.float32:
                raise TypeError("Polygons.outlines must be arrays of float32")
            if outline.ndim != 2 or outline.shape[1] != 2 or not np.isfinite(outline).all():
                raise ValueError("Polygons.outlines must be rows of finite x, y")

    @classmethod
    def of(
        cls, bitmap: Bitmap, at: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
    ) -> Polygons:
        """The outlines of a mask that is given by the part of the picture it lies in.

        Args:
            bitmap: bool (height, width) of that part.
            at: x and y of its top left pixel.
            size: (height, width) of the picture; by default that of `bitmap`.
        """
        height, width = size or bitmap.shape
        bitmap, at = _cut(bitmap, at)
        outlines = tuple((loop + at).astype(np.float32) for loop in _loops(bitmap))
        return cls((height, width), outlines)

    def part(self) -> Part:
        """The part of the picture that has all pixels whose centres are inside."""
        height, width = self.size
        # Where a row of pixel centres crosses an outline, everything to the right changes sides.
        none = np.empty((0, 2))
        start = np.concatenate([none, *self.outlines])
        end = np.concatenate([none, *(np.roll(outline, -1, axis=0) for outline in self.outlines)])
        top, bottom = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
        first = np.clip(np.ceil(top - 0.5), 0, height).astype(np.int64)
        rows = np.clip(np.ceil(bottom - 0.5), 0, height).astype(np.int64) - first
        edge = np.repeat(np.arange(len(rows)), rows)
        if not len(edge):
            return _NOTHING
        row = np.arange(len(edge)) - np.repeat(np.cumsum(rows) - rows - first, rows)
        step = end[edge] - start[edge]
        x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * step[:, 0] / step[:, 1]
        column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
        # Every row is crossed an even number of times: right of the last nothing is inside.
        left, upper = int(column.min()), int(row.min())
        crossings = np.zeros((row.max() - upper + 1, column.max() - left + 1), np.uint8)
        np.add.at(crossings, (row - upper, column - left), 1)
        sides = np.cumsum(crossings, axis=1, dtype=np.uint8)  # mod 256, so odd stays odd
        return (sides[:, :-1] & 1).view(bool), (left, upper)

    def to_bitmap(self) -> Bitmap:
        """bool (height, width): the pixels whose centres are inside."""
        return _placed(self.part(), self.size)

    def to_dict(self) -> dict[str, Any]:
        """{"size": [height, width], "polygons": [[[x, y], …], …]}."""
        return {
            "size": list(self.size),
            "polygons": [outline.tolist() for outline in self.outlines],
        }


Masks = Bitmap | tuple[RunLengths, ...] | tuple[Polygons, ...]
"""bool (N, height, width), or one object per mask."""


def mask_part(mask: Bitmap | RunLengths | Polygons) -> Part:
    """The part of the picture that has all true pixels of a mask."""
    return _cut(mask, (0, 0)) if isinstance(mask, np.ndarray) else mask.part()


def convert_masks(masks: Masks, wanted: MaskFormat, image_size: tuple[int, int]) -> Masks:
    """All masks of a picture in another form; those that have it already stay as they are.

    Args:
        masks: in any form.
        wanted: "bitmap", "rle" or "polygons".
        image_size: (width, height) of the picture.

    Raises:
        InvalidArgument: `wanted` is none of them.
    """
    if wanted not in MASK_FORMATS:
        raise InvalidArgument(f"the mask format must be {', '.join(MASK_FORMATS)}, not {wanted!r}")
    if wanted == "bitmap":
        if isinstance(masks, np.ndarray):
            return masks
        bitmaps = np.zeros((len(masks), image_size[1], image_size[0]), bool)
        for bitmap, mask in zip(bitmaps, _each(masks), strict=True):
            _place(mask_part(mask), bitmap)
        return bitmaps
    kind: type[RunLengths] | type[Polygons] = RunLengths if wanted == "rle" else Polygons
    converted: Any = tuple(
        mask if isinstance(mask, kind) else kind.of(*mask_part(mask), image_size[::-1])
        for mask in _each(masks)
    )
    return converted  # type: ignore[no-any-return]


def _each(masks: Masks) -> Iterator[Bitmap | RunLengths | Polygons]:
    return (masks[index] for index in range(len(masks)))


def _cut(bitmap: Bitmap, at: tuple[int, int]) -> Part:
    """The smallest part that has all true pixels of a bitmap whose top left pixel is at x, y."""
    rows = np.flatnonzero(bitmap.any(axis=1))
    if not len(rows):
        return _NOTHING
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(bitmap[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return bitmap[top:bottom, left:right], (at[0] + left, at[1] + top)


def _place(part: Part, bitmap: Bitmap) -> None:
    """Write a part into a bitmap of the whole picture."""
    inner, (x, y) = part
    bitmap[y : y + inner.shape[0], x : x + inner.shape[1]] = inner


def _placed(part: Part, size: tuple[int, int]) -> Bitmap:
    """bool (height, width) with a part in it, else false."""
    bitmap = np.zeros(size, bool)
    _place(part, bitmap)
    return bitmap


def _loops(bitmap: Bitmap) -> list[NDArray[np.int64]]:
    """The closed outlines of a bitmap along the edges of its pixels, only their corners.

    Every border between a true and a false pixel is a step from one grid point to the next, with the
    true pixel on its right hand. Where four steps meet (two true pixels touch by their corners) each
    turns right, which keeps the two apart.
    """
    height, width = bitmap.shape
    inside = np.zeros((height + 2, width + 2), bool)
    inside[1:-1, 1:-1] = bitmap
    below, above = inside[1:, 1:-1], inside[:-1, 1:-1]
    right, left = inside[1:-1, 1:], inside[1:-1, :-1]
    columns = width + 1
    # Steps to the right, down, left and up, by the number of the grid point where they start.
    begins = (
        _points(below & ~above, columns),
        _points(left & ~right, columns),
        _points(above & ~below, columns) + 1,
        _points(right & ~left, columns) + columns,
    )
    return _followed(begins, (1, columns, -1, -columns), columns)


def _points(flags: Bitmap, columns: int) -> NDArray[np.int64]:
    """The numbers of the grid points where `flags`, which may have fewer columns, are set."""
    row, column = np.nonzero(flags)
    return np.asarray(row * columns + column, np.int64)


def _followed(
    begins: Sequence[NDArray[np.int64]], moves: Sequence[int], columns: int
) -> list[NDArray[np.int64]]:
    """The loops that steps form: one starts at each of `begins`, ascending, for each direction."""
    firsts = np.cumsum([0, *map(len, begins)])  # number of the first step of each direction
    ends = [points + move for points, move in zip(begins, moves, strict=True)]
    successors = []
    for direction, end in enumerate(ends):
        successor = np.full(len(end), -1, np.int64)
        for turn in (-1, 0, 1):  # left, straight on, right: the last that is possible counts
            towards = (direction + turn) % 4
            place = np.searchsorted(begins[towards], end)
            there = np.append(begins[towards], -1)[place] == end
            successor[there] = firsts[towards] + place[there]
        successors.append(successor)
    following = np.concatenate(successors)
    direction_of = np.repeat(np.arange(4), [len(points) for points in begins])
    turns: list[bool] = (direction_of[following] != direction_of).tolist()
    nexts: list[int] = following.tolist()
    ending: list[int] = np.concatenate(ends).tolist()
    seen = bytearray(len(nexts))
    loops = []
    for first in range(len(nexts)):
        loop, step = [], first
        while not seen[step]:
            seen[step] = 1
            if turns[step]:
                loop.append(ending[step])
            step = nexts[step]
        if loop:
            y, x = np.divmod(np.array(loop, np.int64), columns)
            loops.append(np.stack([x, y], axis=1))
    return loops
