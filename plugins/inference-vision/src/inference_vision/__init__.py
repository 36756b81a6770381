"""Vision for inference-core: reading images, processors of model families, drawing, `shapes`.

Importing this package, or a module that one of its entry points names, loads neither numpy nor
OpenCV; the names below are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_vision.bundled import sample_paths
    from inference_vision.drawing import annotate
    from inference_vision.image import Image, read_image
    from inference_vision.video import Frame, Video
    from inference_vision.video_writing import VideoWriter
    from inference_vision.writing import write_image

_HOME_OF = {
    "Frame": "video",
    "Image": "image",
    "Video": "video",
    "VideoWriter": "video_writing",
    "annotate": "drawing",
    "read_image": "image",
    "sample_paths": "bundled",
    "write_image": "writing",
}

__all__ = [
    "Frame",
    "Image",
    "Video",
    "VideoWriter",
    "annotate",
    "read_image",
    "sample_paths",
    "write_image",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
