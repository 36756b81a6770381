"""`infer predict` on a video file or a camera: a result for each frame, and an annotated video.

Of a camera, frames that come while the model is busy are dropped, but for the newest. The annotated
video takes as long as what the camera saw.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from inference_core.cli.coco import CocoFile
from inference_core.cli.output import progress
from inference_core.cli.report import Report
from inference_core.cli.saving import SaveFolder, drawn, naming
from inference_core.errors import InferenceError, InvalidArgument, PluginError
from inference_core.model import Model
from inference_core.optional import import_optional

# For the annotated video of a camera or file that doesn't state its own.
DEFAULT_FPS = 25.0

# Some drivers state the unit of their clock, as 90,000: so many frames a second would be written.
MOST_CAMERA_FPS = 120.0


def quieten_decoder() -> None:
    """Keep the decoder from printing what comes as an error in words; before OpenCV is imported."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


class Watcher:
    """Runs a model over videos and cameras and tells of each frame.

    Args:
        model: takes pictures.
        parameters: per-call options.
        report: where results go.
        folder: where annotated videos go, if they are asked for.
        coco: where else detections go.
    """

    def __init__(
        self,
        model: Model,
        parameters: Mapping[str, Any],
        report: Report,
        folder: SaveFolder | None,
        coco: CocoFile | None,
    ) -> None:
        self._model, self._parameters = model, parameters
        self._report, self._folder, self._coco = report, folder, coco

    def watch(self, source: Path | int) -> None:
        """Run the model over one; what goes wrong with it is told, and what was done stays.

        Raises:
            PluginError: the backend or the processor failed; so it would with the next.
            InvalidArgument: an option is wrong.
        """
        vision = import_optional("inference_vision", "inference-vision", "reading videos")
        name = f"camera {source}" if isinstance(source, int) else str(source)
        try:
            with vision.Video(source) as clip:
                live, annotated = isinstance(source, int), None
                fps = clip.fps or DEFAULT_FPS
                if self._folder:
                    stem = f"camera-{source}" if isinstance(source, int) else source.stem
                    target = self._folder.free(f"{stem}.mp4")
                    with naming("--save", target):
                        writer = vision.VideoWriter(
                            target, min(fps, MOST_CAMERA_FPS) if live else fps
                        )
                    annotated = AnnotatedVideo(writer, live=live)
                self._frames(clip, name, annotated, live=live)
        except (PluginError, InvalidArgument):
            raise
        except InferenceError as error:
            self._report.failure(str(error), name)

    def _frames(
        self, clip: Any, name: str, annotated: AnnotatedVideo | None, *, live: bool
    ) -> None:
        done, begun = 0, time.monotonic()
        try:
            # Closed in turn, also by an interrupt: the bar, the stream, and then the video is whole.
            with (
                _finished(annotated),
                self._model.stream(clip, live=live, **self._parameters) as results,
                closing(progress(results, clip.count, name, "frames")) as frames,
            ):
                for frame, result in frames:
                    self._tell(frame, name, result, annotated)
                    done += 1
        finally:
            if done:
                seconds = time.monotonic() - begun
                saved = annotated.path if annotated and annotated.frames else None
                dropped = results.dropped if live else None
                self._report.video(name, done, seconds, saved, dropped)

    def _tell(self, frame: Any, name: str, result: Any, annotated: AnnotatedVideo | None) -> None:
        at = {"frame": frame.index, "timestamp": round(frame.timestamp, 6)}
        pixels = drawn(result, frame) if annotated else None
        if annotated and pixels is not None:
            with naming("--save", annotated.path):
                annotated.write(pixels, frame.timestamp)
        elif annotated:
            self._report.undrawable(result)
        if self._coco:
            self._coco.add(result, name, at)
        self._report.frame(name, at, result, quiet=pixels is not None or self._coco is not None)


class AnnotatedVideo:
    """The frames that were drawn, as a video as long as what it shows.

    Args:
        writer: an `inference_vision.VideoWriter`, whose frames per second are those of the source,
            or for a live one any.
        live: frames may be missing, or come at another rate than the source states. So each is written
            again until it is time for the next, and of those too close together the last.

    Attributes:
        path: where it will be.
    """

    def __init__(self, writer: Any, *, live: bool) -> None:
        self.path: Path = writer.path
        self._writer, self._live = writer, live
        self._last: Any = None  # drawn, and not yet written
        self._begun: float | None = None

    @property
    def frames(self) -> int:
        """How many were written."""
        count: int = self._writer.frames
        return count

    def write(self, pixels: Any, timestamp: float) -> None:
        """Add a frame: uint8 (height, width, 3), blue first; its time is in seconds."""
        if not self._live:
            self._writer.write(pixels)
            return
        self._begun = timestamp if self._begun is None else self._begun
        due = round((timestamp - self._begun) * self._writer.fps)
        while self._last is not None and self._writer.frames < due:
            self._writer.write(self._last)
        self._last = pixels

    def close(self) -> None:
        """Finish the video."""
        last, self._last = self._last, None
        try:
            if last is not None:
                self._writer.write(last)
        finally:
            self._writer.close()


@contextmanager
def _finished(annotated: AnnotatedVideo | None) -> Iterator[None]:
    """Finish the annotated video, if there is one, whatever happens inside."""
    try:
        yield
    finally:
        if annotated:
            with naming("--save", annotated.path):
                annotated.close()
