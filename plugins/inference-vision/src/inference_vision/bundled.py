"""Where the bundled `shapes` model and its sample pictures are. Light: standard library only."""

from __future__ import annotations

from pathlib import Path

from inference_core.errors import ModelNotFound

_SHAPES = Path(__file__).parent / "models" / "shapes"


def shapes(ref: str) -> Path:
    """The folder of the bundled model package; an `inference_core.sources` entry point.

    Args:
        ref: "shapes", the only name there is.

    Raises:
        ModelNotFound: another name, or an installation without the model's files.
    """
    if ref != "shapes":
        raise ModelNotFound(f"{ref!r} isn't bundled with inference-vision; it has 'shapes'")
    if not _SHAPES.is_dir():
        raise ModelNotFound(f"{_SHAPES} is missing: reinstall inference-vision")
    return _SHAPES


def sample_paths() -> list[Path]:
    """Pictures to try the `shapes` model on, in the order of their names."""
    folder = shapes("shapes") / "samples"
    return sorted(path for path in folder.glob("*") if path.suffix in (".jpg", ".png"))
