"""Writes a video frame by frame; the file appears when it is finished, whole and playable."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from inference_core.errors import InvalidArgument, InvalidInput
from numpy.typing import NDArray

from inference_vision.video import opencv_name

# What every build of OpenCV can encode; H.264 needs a library that few have.
_CODECS = {".avi": "MJPG", ".m4v": "mp4v", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"}


class VideoWriter:
    """A video that is being written. A context manager, which finishes it whatever happens inside.

    So what was written before an interrupt or an error is a valid file. Without a frame there is none,
    nor is there after an interrupt while the file is finished (a second Ctrl-C).

    Args:
        path: the file; its folder must exist. An existing file is replaced at the end.
        fps: frames per second.

    Attributes:
        frames: how many were written; after an interrupt in `write` only `close` knows.

    Raises:
        InvalidArgument: no suffix of a video, or fps isn't above 0.
        InvalidInput: the path isn't UTF-8.
    """

    def __init__(self, path: Path, fps: float) -> None:
        if path.suffix.lower() not in _CODECS:
            raise InvalidArgument(f"{path}: videos are written as {', '.join(_CODECS)}")
        if not 0 < fps < 65536:  # what MPEG-4 can state
            raise InvalidArgument(f"{path}: fps must be above 0 and below 65536, not {fps}")
        self.path, self.fps, self.frames = path, fps, 0
        self._partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        self._name = opencv_name(self._partial)
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, pixels: NDArray[np.uint8]) -> None:
        """Add a frame. An odd width or height grows by one pixel, which the encoders can't do without.

        Args:
            pixels: uint8 (height, width, 3), blue first; all frames have the size of the first.

        Raises:
            InvalidInput: a frame of another size, or OpenCV can't encode such a video.
        """
        height, width = pixels.shape[:2]
        if self._writer is None:
            self._size = (width, height)
            self._writer = self._opened(width + width % 2, height + height % 2)
        elif (width, height) != self._size:
            raise InvalidInput(
                f"{self.path}: frame {self.frames} has {width} x {height} pixels, those before it "
                f"{self._size[0]} x {self._size[1]}; a video has one size"
            )
        if width % 2 or height % 2:
            edges = (0, height % 2, 0, width % 2)
            pixels = np.asarray(cv2.copyMakeBorder(pixels, *edges, cv2.BORDER_REPLICATE), np.uint8)
        self._writer.write(pixels)
        self.frames += 1

    def close(self) -> None:
        """Finish the file and put it in its place. Calling it again does nothing.

        Raises:
            OSError: it isn't whole; the disk may be full.
        """
        try:
            writer, self._writer = self._writer, None
            if writer is not None:
                self._finish(writer)
        finally:
            # Still there after an error or an interrupt, which may even have come while it was opened.
            self._partial.unlink(missing_ok=True)

    def _finish(self, writer: cv2.VideoWriter) -> None:
        writer.release()
        check = cv2.VideoCapture(self._name)
        written = int(check.get(cv2.CAP_PROP_FRAME_COUNT)) if check.isOpened() else 0
        check.release()
        # An interrupt right after a frame was written came before it was counted: it counts now.
        if written < self.frames:
            raise OSError(
                f"{self.path}: {written} of {self.frames} frames arrived in the file; is the disk full?"
            )
        self.frames = written
        self._partial.replace(self.path)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, width: int, height: int) -> cv2.VideoWriter:
        codec = _CODECS[self.path.suffix.lower()]
        code = cv2.VideoWriter.fourcc(*codec)
        writer = cv2.VideoWriter(self._name, code, self.fps, (width, height))
        if not writer.isOpened():
            self._partial.unlink(missing_ok=True)
            raise InvalidInput(
                f"{self.path}: OpenCV can't write {width} x {height} pixels as {codec} there; is the "
                "folder writable, and does this build of OpenCV have that encoder?"
            )
        return writer
