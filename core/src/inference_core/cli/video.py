"""`infer predict` on a video file or a camera: a result for each frame, and an annotated video.

Of a camera, frames that come while the model is busy are dropped, but for the newest.
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
                writer = None
                if self._folder:
                    stem = f"camera-{source}" if isinstance(source, int) else source.stem
                    target = self._folder.free(f"{stem}.mp4")
                    with naming("--save", target):
                        writer = vision.VideoWriter(target, clip.fps or DEFAULT_FPS)
                self._frames(clip, name, writer, live=isinstance(source, int))
        except (PluginError, InvalidArgument):
            raise
        except InferenceError as error:
            self._report.failure(str(error), name)

    def _frames(self, clip: Any, name: str, writer: Any, *, live: bool) -> None:
        done, begun = 0, time.monotonic()
        try:
            # Closed in turn, also by an interrupt: the bar, the stream, and then the video is whole.
            with (
                _finished(writer),
                closing(self._model.stream(clip, live=live, **self._parameters)) as results,
                closing(progress(results, clip.count, name, "frames")) as frames,
            ):
                for frame, result in frames:
                    self._tell(frame, name, result, writer)
                    done += 1
        finally:
            if done:
                seconds = time.monotonic() - begun
                saved = writer.path if writer and writer.frames else None
                dropped = results.dropped if live else None
                self._report.video(name, done, seconds, saved, dropped)

    def _tell(self, frame: Any, name: str, result: Any, writer: Any) -> None:
        at = {"frame": frame.index, "timestamp": round(frame.timestamp, 6)}
        pixels = drawn(result, frame) if writer else None
        if pixels is not None:
            with naming("--save", writer.path):
                writer.write(pixels)
        elif writer:
            self._report.undrawable(result)
        if self._coco:
            self._coco.add(result, name, at)
        self._report.frame(name, at, result, quiet=pixels is not None or self._coco is not None)


@contextmanager
def _finished(writer: Any) -> Iterator[None]:
    """Finish the annotated video, if there is one, whatever happens inside."""
    try:
        yield
    finally:
        if writer:
            with naming("--save", writer.path):
                writer.close()
