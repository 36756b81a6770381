"""Reading videos: a file or a camera becomes an iterator of frames, each an `Image` with its time.

OpenCV decodes. What ends too early says so after its last frame, so that what could be read isn't lost.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from inference_core.errors import InvalidInput

from inference_vision.image import Image

# Containers whose duration is only estimated may announce a few frames that never come.
_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Frame(Image):
    """A frame of a video: a picture, blue first, that any vision model takes as it is.

    Attributes:
        index: 0 for the first frame.
        timestamp: seconds since the beginning of the file, or since a camera's first frame.
        video: the same for all frames of an opened `Video`, and of no other. Who makes frames may
            call a video as they like.
    """

    index: int
    timestamp: float
    video: str


class Video:
    """An opened video file or camera. Iterate once to get its frames; a context manager closes it.

    Args:
        source: the path of a file, or the index of a camera (0 is the first).

    Attributes:
        name: the path, or "camera 0".
        fps: frames per second as the file or camera states it, 0.0 where it doesn't.
        count: frames that the file announces (some formats only estimate it); None if unknown.

    Raises:
        InvalidInput: no such file or camera, or OpenCV can't open it. Iterating raises it too: for a
            file without a frame, and after the last frame of one that was cut off.
    """

    def __init__(self, source: str | os.PathLike[str] | int) -> None:
        self._path = None if isinstance(source, int) else _checked(Path(source))
        self.name = f"camera {source}" if self._path is None else str(self._path)
        self._reading = threading.Lock()  # OpenCV must not free what another thread reads
        self._closed = False
        self._identity = uuid.uuid4().hex  # so that a frame that was pickled still has it
        self._capture = cv2.VideoCapture(
            source if isinstance(source, int) else opencv_name(Path(source))
        )
        if not self._capture.isOpened():
            raise InvalidInput(f"{self.name} {self._why_closed()}")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 0 < fps < 100_000 else 0.0
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = int(count) if self._path and 0 < count < 1e9 else None

    def __iter__(self) -> Iterator[Frame]:
        begun, index = None, 0
        while True:
            with self._reading:
                there, pixels = self._capture.read()
            if self._closed:
                self.close()
            if not there:
                break
            if self._path:
                # Some formats have no timestamps.
                seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if seconds <= 0 and self.fps:
                    seconds = index / self.fps
            else:
                now = time.monotonic()
                begun = now if begun is None else begun
                seconds = now - begun
            yield Frame(
                np.asarray(pixels, np.uint8),
                "bgr",
                f"{self.name}, frame {index}",
                index,
                max(seconds, 0.0),
                self._identity,
            )
            index += 1
        self._check_end(index)

    def close(self) -> None:
        """Free the file or the camera. Calling it again does nothing.

        While another thread waits for a frame, that thread frees it when the frame comes.
        """
        self._closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._capture.release()
            finally:
                self._reading.release()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _why_closed(self) -> str:
        if self._path is None:
            return (
                "can't be opened: there is none with that number, another program has it, or this "
                "user may not use it"
            )
        return _cut_off(self._path) or (
            "can't be opened as a video: it is none, it is damaged, or it is in a format that this "
            "build of OpenCV lacks"
        )

    def _check_end(self, read: int) -> None:
        """Raise if more frames should have come.

        Raises:
            InvalidInput: they should.
        """
        if self._path is None:
            raise InvalidInput(f"{self.name} gives no more frames (after {read})")
        cut = _cut_off(self._path)
        if cut:
            raise InvalidInput(f"{self.name} {cut}; {read} frames could be read")
        if not read:
            raise InvalidInput(
                f"{self.name} holds no frame that could be decoded: it is empty, damaged, or in a "
                "codec that this build of OpenCV lacks"
            )
        if self.count and read < self.count * (1 - _TOLERANCE) - 1:
            raise InvalidInput(
                f"{self.name} announces {self.count} frames, of which {read} could be read: it is "
                "damaged or cut off"
            )


def opencv_name(path: Path) -> str:
    """A path as OpenCV's videos take it: absolute, or "rtsp:x" would be an address.

    Raises:
        InvalidInput: it isn't UTF-8, on which OpenCV crashes.
    """
    name = str(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{path} has a name that isn't UTF-8, and OpenCV takes no video by such; rename it"
        ) from error
    return name


def _checked(path: Path) -> Path:
    try:
        if path.is_dir():
            raise InvalidInput(f"{path} is a folder, not a video")
        if not path.exists():
            raise InvalidInput(f"{path}: no such file (looked in {Path.cwd()})")
        if not path.stat().st_size:
            raise InvalidInput(f"{path} is empty")
        with path.open("rb"):
            return path
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror or error}") from error


def _cut_off(path: Path) -> str:
    """What shows that bytes are missing at the end of an MP4 or AVI file, "" if nothing does.

    Both are made of boxes that state their size: ISO/IEC 14496-12 (4.2) and RIFF.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            missing = 8 + int.from_bytes(head[4:8], "little") - size
            return f"is cut off: {missing:,} bytes are missing" if missing > 0 else ""
        if head[4:8] != b"ftyp":
            return ""
        end, has_index = _last_box(file, size)
    if end > size:
        return f"is cut off: {end - size:,} bytes are missing"
    return "" if has_index else "is cut off: it ends before its index (the box moov)"


def _last_box(file: BinaryIO, size: int) -> tuple[int, bool]:
    """Where the last outermost box of an MP4 file should end, and whether one was the index."""
    at, has_index = 0, False
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:  # it follows in 8 bytes
            length = int.from_bytes(head[8:16], "big")
        has_index = has_index or kind == b"moov"
        if length == 0:  # up to the end of the file
            return size, has_index
        if length < 8:  # no box; what precedes it counts
            break
        at += length
    return at, has_index
