"""Document OCR with docTR's models on ONNX Runtime, as a backend of inference-core.

`read_pages` gives the pages of a PDF or TIFF as pictures, as the models see them. It is imported when
it is asked for, so that the entry point in this package stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference_doctr.pages import read_pages

__all__ = ["read_pages"]


def __getattr__(name: str) -> Any:
    if name == "read_pages":
        from inference_doctr.pages import read_pages

        return read_pages
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
