"""`Document`: the text of pages, by blocks, lines and words, each with its place on the page.

It holds what was read in the order in which it is read; it recognises nothing and sorts nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from inference_core.errors import InvalidArgument
from inference_core.results._result import Result, check_array, plain

Corners = NDArray[np.float32]
"""float32 (4, 2): x and y of the corners in pixels of the page, from its top left. The first is where
the text begins at the top, and the others follow clockwise as the text is read: the right end of its
upper edge, of its lower edge, and the lower left. For turned text that is no upright box."""

PAGE_BREAK = "\f"


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """One word.

    Attributes:
        text: as it was read.
        confidence: how sure that reading is, 0 to 1.
        corners: where it is, see `Corners`; the word's own, which can't be written to.
        detection_confidence: how sure it is that text is there, 0 to 1; None if the model doesn't say.

    Raises:
        TypeError: a field has the wrong type or dtype.
        ValueError: a number is out of its range, NaN or infinite, or the corners aren't four.
    """

    text: str
    confidence: float
    corners: Corners
    detection_confidence: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise TypeError(f"Word.text must be a str, not {self.text!r:.60}")
        _check_confidence("confidence", self.confidence)
        if self.detection_confidence is not None:
            _check_confidence("detection_confidence", self.detection_confidence)
        check_array("Word", "corners", self.corners, np.float32, (4, 2))
        own = self.corners.copy()
        own.setflags(write=False)
        object.__setattr__(self, "corners", own)

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edge of the upright box around it, in pixels of the page."""
        return upright(self.corners)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Words that stand side by side, in reading order (one or more)."""

    words: tuple[Word, ...]

    def __post_init__(self) -> None:
        _check_children("Line.words", self.words, Word)

    @property
    def text(self) -> str:
        """The words with a space between them."""
        return " ".join(word.text for word in self.words)

    @property
    def corners(self) -> Corners:
        """The smallest rectangle in the direction of the text around all words, see `Corners`."""
        return enclosing([word.corners for word in self.words])

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Lines that belong together, such as a paragraph or a column, in reading order (one or more)."""

    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        _check_children("Block.lines", self.lines, Line)

    @property
    def text(self) -> str:
        """The lines, each on one of its own."""
        return "\n".join(line.text for line in self.lines)

    @property
    def corners(self) -> Corners:
        """The smallest rectangle in the direction of the text around all words, see `Corners`."""
        return enclosing([word.corners for line in self.lines for word in line.words])

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Page(Result):
    """One page.

    Attributes:
        blocks: what is on it, in reading order.
        image_size: (width, height) of its picture in pixels, as `corners` count them.
        orientation: how far its text is turned clockwise, in degrees; None if nobody asked.
        number: which page of its file it is, from 1; None where that isn't known, or where its
            document is made of several files.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a number is out of its range, NaN or infinite.
    """

    blocks: tuple[Block, ...]
    image_size: tuple[int, int]
    orientation: float | None = None
    number: int | None = None

    def __post_init__(self) -> None:
        _check_children("Page.blocks", self.blocks, Block, least=0)
        if not isinstance(self.image_size, tuple) or len(self.image_size) != 2:
            raise TypeError(f"Page.image_size must be (width, height), not {self.image_size!r:.60}")
        for name, side in zip(("width", "height"), self.image_size, strict=True):
            _check_positive(f"image_size: the {name}", side)
        if self.number is not None:
            _check_positive("number", self.number)
        if self.orientation is not None:
            _check_number("Page.orientation", self.orientation)
            if not math.isfinite(self.orientation):
                raise ValueError(f"Page.orientation must be finite, not {self.orientation}")

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines in reading order."""
        return tuple(line for block in self.blocks for line in block.lines)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in reading order."""
        return tuple(word for line in self.lines for word in line.words)

    @property
    def text(self) -> str:
        """The blocks with an empty line between them."""
        return "\n\n".join(block.text for block in self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def __repr__(self) -> str:
        return f"Page({_counted(len(self.words), 'word')})"

    def to_dict(self) -> dict[str, Any]:
        """Number, size, and blocks, lines and words with text and corners, as JSON has them."""
        width, height = self.image_size
        return {
            "number": self.number,
            "image": {"width": width, "height": height},
            "orientation": self.orientation,
            "text": self.text,
            "blocks": [
                {
                    "corners": _listed(block.corners),
                    "lines": [
                        {
                            "text": line.text,
                            "corners": _listed(line.corners),
                            "words": [_word_dict(word) for word in line.words],
                        }
                        for line in block.lines
                    ],
                }
                for block in self.blocks
            ],
        }

    def to_hocr(self, *, source: str = "") -> str:
        """A whole hOCR file of this page; see `Document.to_hocr`."""
        return Document((self,)).to_hocr(source=source)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Document(Result):
    """The pages of one input in their order: one for a picture, all of them for a PDF.

    Raises:
        TypeError: `pages` is no tuple of `Page`.
    """

    pages: tuple[Page, ...]

    def __post_init__(self) -> None:
        _check_children("Document.pages", self.pages, Page, least=0)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in reading order."""
        return tuple(word for page in self.pages for word in page.words)

    @property
    def text(self) -> str:
        """The text of all pages, with a form feed between two of them."""
        return PAGE_BREAK.join(page.text for page in self.pages)

    def __len__(self) -> int:
        return len(self.pages)

    def __iter__(self) -> Iterator[Page]:
        return iter(self.pages)

    @overload
    def __getitem__(self, index: int) -> Page: ...

    @overload
    def __getitem__(self, index: slice) -> Document: ...

    def __getitem__(self, index: int | slice) -> Page | Document:
        return Document(self.pages[index]) if isinstance(index, slice) else self.pages[index]

    def __repr__(self) -> str:
        words = _counted(len(self.words), "word")
        return f"Document({_counted(len(self.pages), 'page')}, {words})"

    def to_dict(self) -> dict[str, Any]:
        """A dict per page, as `Page.to_dict` makes them."""
        return {"pages": [page.to_dict() for page in self.pages]}

    def to_hocr(self, *, source: str = "") -> str:
        """The document as hOCR 1.2: XHTML that carries the place of every word, as PDF tools take it.

        Args:
            source: the name of the picture or PDF, which the pages refer to.
        """
        from inference_core.results.hocr import hocr  # not above: most never ask for it

        return hocr(self, source)

    def annotate(self, image: Any, *, color_format: str = "bgr") -> NDArray[np.uint8]:
        """The picture of a document with one page, with the words drawn on a copy of it.

        Args, returns and raises as `Result.annotate`; InvalidArgument also for several pages, which
        are drawn one by one: `document.pages[0].annotate(its_picture)`.
        """
        if len(self.pages) != 1:
            raise InvalidArgument(
                f"a document of {_counted(len(self.pages), 'page')} isn't drawn on one picture; draw "
                "each page on its own: document.pages[0].annotate(its_picture)"
            )
        return self.pages[0].annotate(image, color_format=color_format)


def upright(corners: Corners) -> tuple[float, float, float, float]:
    """Left, top, right and bottom edge of the upright box around these points."""
    left, top = corners.min(axis=0).tolist()
    right, bottom = corners.max(axis=0).tolist()
    return left, top, right, bottom


def enclosing(rectangles: list[Corners]) -> Corners:
    """The smallest rectangle around all, in the mean direction of their upper edges."""
    edges = sum((each[1] - each[0]).astype(np.float64) for each in rectangles)
    length = float(np.hypot(*edges))
    along = edges / length if length else np.array([1.0, 0.0])
    if abs(along[1]) < 1e-6:  # upright text keeps its very numbers
        along = np.array([np.sign(along[0]) or 1.0, 0.0])
    axes = np.array([along, [-along[1], along[0]]])
    places = np.concatenate(rectangles).astype(np.float64) @ axes.T
    (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
    turned = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return np.asarray(turned @ axes, np.float32)


def _word_dict(word: Word) -> dict[str, Any]:
    found = {
        "text": word.text,
        "confidence": round(float(word.confidence), 6),
        "corners": _listed(word.corners),
    }
    if word.detection_confidence is not None:
        found["detection_confidence"] = round(float(word.detection_confidence), 6)
    return found


def _listed(corners: Corners) -> list[list[float]]:
    return [plain(corner) for corner in corners.round(2)]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _check_confidence(name: str, value: float) -> None:
    _check_number(f"Word.{name}", value)
    if not 0 <= value <= 1:
        raise ValueError(f"Word.{name} must be 0 to 1, not {value}")


def _check_number(where: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        raise TypeError(f"{where} must be a number, not {value!r:.60}")


def _check_positive(what: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"Page.{what} must be an int, not {value!r:.60}")
    if value < 1:
        raise ValueError(f"Page.{what} must be 1 or more, not {value}")


def _check_children(where: str, children: Any, kind: type, least: int = 1) -> None:
    if not isinstance(children, tuple) or not all(isinstance(each, kind) for each in children):
        raise TypeError(f"{where} must be a tuple of {kind.__name__}, not {children!r:.60}")
    if len(children) < least:
        raise ValueError(f"{where} is empty; leave such a {where.partition('.')[0].lower()} out")
