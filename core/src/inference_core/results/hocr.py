"""A `Document` as hOCR 1.2, the XHTML in which OCR programs hand words with their places on.

Written after the specification "hOCR - OCR Workflow and Output embedded in HTML", version 1.2: the
typesetting classes ocr_page, ocr_carea, ocr_par and ocr_line, and ocrx_word of the engine-specific
ones. Places are whole pixels from the top left. Turned text has the property `poly` besides the upright
`bbox`, and its line a `textangle`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from inference_core.results.document import Corners, Document, Line, Page, upright

if TYPE_CHECKING:
    from collections.abc import Sequence

# What XML 1.0 can't carry, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
 <head>
  <title>{title}</title>
  <meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
  <meta name="ocr-system" content="inference-core"/>
  <meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word"/>
 </head>
 <body>
"""


def hocr(document: Document, source: str) -> str:
    """The file's text.

    Args:
        document: whose pages to write.
        source: the name of the picture or PDF that they are of, "" if it has none.
    """
    head = _HEAD.format(title=_quoted(source))
    pages = (
        line for number, page in enumerate(document, 1) for line in _page(page, number, source)
    )
    return head + "".join(f"  {line}\n" for line in pages) + " </body>\n</html>\n"


def _page(page: Page, number: int, source: str) -> Iterator[str]:
    width, height = page.image_size
    # In double quotes, which a name may hold itself.
    image = source.replace("\\", "/").replace('"', "'")
    title = f'image "{image}"; bbox 0 0 {width} {height}; ppageno {(page.number or number) - 1}'
    yield _open("div", "ocr_page", f"page_{number}", title)
    lines = words = 0
    for index, block in enumerate(page, 1):
        place = _place(block.corners)
        yield " " + _open("div", "ocr_carea", f"block_{number}_{index}", place)
        yield "  " + _open("p", "ocr_par", f"par_{number}_{index}", place)
        for line in block.lines:
            lines += 1
            title = f"{_place(line.corners)}{_angle(line)}"
            yield "   " + _open("span", "ocr_line", f"line_{number}_{lines}", title)
            for word in line.words:
                words += 1
                title = f"{_place(word.corners)}; x_wconf {round(word.confidence * 100)}"
                opened = _open("span", "ocrx_word", f"word_{number}_{words}", title)
                yield f"    {opened}{_quoted(word.text)}</span>"
            yield "   </span>"
        yield "  </p>"
        yield " </div>"
    yield "</div>"


def _open(tag: str, kind: str, name: str, title: str) -> str:
    return f'<{tag} class="{kind}" id="{name}" title="{_quoted(title)}">'


def _place(corners: Corners) -> str:
    """The upright box, and the corners themselves where they aren't one."""
    box = f"bbox {_numbers(upright(corners))}"
    left, top, right, bottom = upright(corners)
    straight = [[left, top], [right, top], [right, bottom], [left, bottom]]
    if corners.tolist() == straight:
        return box
    return f"{box}; poly {_numbers(corners.ravel().tolist())}"


def _numbers(values: Sequence[float]) -> str:
    """Whole pixels, none before the page's edge: hOCR's numbers have no sign."""
    return " ".join(str(max(0, round(value))) for value in values)


def _angle(line: Line) -> str:
    """`textangle`: how far the line is turned counter-clockwise, in degrees, where it is turned."""
    (x0, y0), (x1, y1) = line.corners[:2].tolist()
    angle = math.degrees(math.atan2(y0 - y1, x1 - x0))
    return f"; textangle {angle:.1f}" if abs(angle) >= 0.05 else ""


def _quoted(text: str) -> str:
    return escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))
