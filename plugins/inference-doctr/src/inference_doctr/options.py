"""What a caller may set when the model is loaded, and for each call; without importing a framework."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from inference_core.errors import InvalidArgument

Recogniser = Literal["crnn", "master", "parseq", "sar", "viptr", "vitstr"]


@dataclass(frozen=True, slots=True)
class DoctrOptions:
    """Options of the doctr backend.

    Attributes:
        threads: threads that share the work of one operator, 1 to 1024; None means one per core.
        detection_batch: pages that go through the detector at once, 1 to 64.
        recognition_batch: words that go through the recogniser at once, 1 to 4096.

    Raises:
        InvalidArgument: a value out of its range.
    """

    threads: int | None = None
    detection_batch: int = 2
    recognition_batch: int = 128

    def __post_init__(self) -> None:
        _check_range("threads", self.threads, 1, 1024)
        _check_range("detection_batch", self.detection_batch, 1, 64)
        _check_range("recognition_batch", self.recognition_batch, 1, 4096)


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What decides which pictures are made of an input.

    Attributes:
        dpi: how finely PDF pages are rendered, 18 to 1200 dots per inch.
        pages: which pages of a PDF or TIFF, counted from 1; empty for all. Of a tuple each has them.
        password: what opens an encrypted PDF.
        color_format: "bgr" or "rgb", the channel order of a picture that is an array.

    Raises:
        InvalidArgument: a value out of its range.
    """

    dpi: int = 144
    pages: tuple[int, ...] = ()
    password: str | None = None
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        _check_range("dpi", self.dpi, 18, 1200)
        for number in self.pages:
            _check_range("pages: the number", number, 1, 2**31)


@dataclass(frozen=True, slots=True)
class CallOptions(PageOptions):
    """Options of a call, with those of `PageOptions`. The first two belong to the files: the manifest's
    parameters state them.

    Attributes:
        vocabulary: the characters of the recogniser in the order of its classes. Required.
        recognition: the recogniser's family, by which its output is decoded. Required.
        bin_threshold: least probability of a pixel that counts as text, 0 to 1: 0.3 is docTR's for
            DBNet, 0.1 for LinkNet and FAST.
        box_threshold: least mean probability of a word's pixels, 0 to 1.
        confidence: words read with less confidence are left out, 0 to 1.
        assume_straight_pages: words are upright boxes. False finds turned ones, too, as rectangles that
            lie as they do.
        straighten_pages: turn each page upright before its words are read. Their places are those on
            the page as it was given, as upright boxes around them.
        detect_orientation: find out how far each page is turned.
        preserve_aspect_ratio: bring pages to the detector's size with a margin, not by stretching.
        symmetric_pad: that margin is on both sides, not only right or below.
        resolve_lines: gather words into lines.
        resolve_blocks: gather lines into blocks.
        paragraph_break: words further apart are of different lines, in widths of the page, 0 to 1.
        keep_reading_order: order blocks as people read them (columns, right-to-left scripts), not only
            from top to bottom.

    Raises:
        InvalidArgument: a value out of its range, or what the files need isn't stated.
    """

    vocabulary: str = ""
    recognition: Recogniser | None = None
    bin_threshold: float = 0.3
    box_threshold: float = 0.1
    confidence: float = 0.0
    assume_straight_pages: bool = True
    straighten_pages: bool = False
    detect_orientation: bool = False
    preserve_aspect_ratio: bool = True
    symmetric_pad: bool = True
    resolve_lines: bool = True
    resolve_blocks: bool = True
    paragraph_break: float = 0.035
    keep_reading_order: bool = True

    def __post_init__(self) -> None:
        PageOptions.__post_init__(self)  # no super(), for which slots make a stranger of this class
        if not self.vocabulary:
            raise InvalidArgument(
                'no "vocabulary" is stated: write it into the parameters of model.json, the characters '
                "in the order of the recogniser's classes"
            )
        if repeated := [each for each, times in Counter(self.vocabulary).items() if times > 1]:
            raise InvalidArgument(
                f"the vocabulary has {''.join(sorted(repeated))!r} more than once; it is the "
                "characters in the order of the recogniser's classes"
            )
        if self.recognition is None:
            raise InvalidArgument(
                'no "recognition" is stated: write the recogniser\'s family into the parameters of '
                'model.json, "crnn", "master", "parseq", "sar", "viptr" or "vitstr"'
            )
        for name in ("bin_threshold", "box_threshold", "confidence", "paragraph_break"):
            _check_range(name, getattr(self, name), 0, 1)


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidArgument(f"{name}={value!r} must be {low} to {high}")
