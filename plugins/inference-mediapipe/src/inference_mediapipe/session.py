"""A loaded task: a picture or a text in, one of core's results out.

MediaPipe's object for pictures differs from that for the frames of a video, which follows what it
found from frame to frame. A session makes each when it is first needed.
"""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from inference_core.errors import InferenceError, InvalidInput, ModelClosed
from inference_core.session import TensorSpec
from inference_vision.image import Image

from inference_mediapipe import results
from inference_mediapipe.options import CALLS, MediapipeOptions
from inference_mediapipe.quiet import NATIVE_LOG
from inference_mediapipe.tasks import Task

_NATIVE_ERRORS = (ValueError, RuntimeError, OSError, IndexError, NotImplementedError)


class TaskSession:
    """One of MediaPipe's tasks with its model.

    Args:
        task: which.
        make: makes MediaPipe's object, for a video (True) or for pictures and texts (False).
        api: the module `mediapipe`.
        device: "cpu" or "gpu".
        options: as the model was loaded with.
        metadata: what there is to say of the file.
        name: of the file, for messages.
        labels: of the classes, as far as the file says.

    Raises:
        InvalidModel: MediaPipe refuses the file.
    """

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    thread_safe = False
    device_arrays = None

    def __init__(
        self,
        task: Task,
        make: Callable[[bool], Any],
        api: Any,
        device: str,
        options: MediapipeOptions,
        metadata: Mapping[str, str],
        name: str,
        labels: tuple[str, ...] = (),
    ) -> None:
        self.task: str = task.name
        self.device, self.metadata = device, metadata
        self.call_options = CALLS[task.name]
        self.input_kind = "image" if task.takes == "image" else None
        self._task, self._make, self._api, self._name = task, make, api, name
        self._labels = labels
        self._mode, self._quiet = options.mode, not options.native_log
        self._open: dict[bool, Any] = {}
        self._closed = False
        self._clock = _Clock()
        self._object(self._mode == "video")  # so that a bad file fails when it is loaded
        _open_sessions.add(self)

    def run(self, value: Any, options: Mapping[str, Any]) -> Any:
        """The result for one input.

        Raises:
            ModelClosed: the session was closed.
            InvalidInput: a text task got no text.
            InferenceError: MediaPipe failed; its message is in it.
        """
        if self._closed:
            raise ModelClosed(f"{self._name} was closed")
        if self._task.takes == "text":
            if not isinstance(value, str):
                raise InvalidInput(f"{self.task} takes a text, not {type(value).__name__}")
            native = self._called(self._object(False), self._task.method, value)
            return results.convert(self.task, native, None, options, ())
        return self._run_on_image(value, options)

    def _run_on_image(self, image: Image, options: Mapping[str, Any]) -> Any:
        at = options["timestamp"] if options["timestamp"] is not None else _time_of(image)
        video = self._mode == "video" or (self._mode == "auto" and at is not None)
        if video:
            if self._clock.goes_back(at):
                self._finish(True)  # another video: what was followed in the last one isn't in it
                self._clock = _Clock()
            arguments: tuple[Any, ...] = (self._picture(image), self._clock.milliseconds(at))
            method = f"{self._task.method}_for_video"
        else:
            arguments, method = (self._picture(image),), self._task.method
        task = self._object(video)
        native = self._called(task, method, *arguments)
        labels = tuple(task.labels) if self.task == "image-segmentation" else self._labels
        return results.convert(self.task, native, image.size, options, labels)

    def _picture(self, image: Image) -> Any:
        pixels = image.pixels
        if image.color_format == "bgr":
            pixels = pixels[..., ::-1]
        return self._api.Image(self._api.ImageFormat.SRGB, np.ascontiguousarray(pixels))

    def _object(self, video: bool) -> Any:
        if video not in self._open:
            with NATIVE_LOG.kept_out(self._quiet):
                self._open[video] = self._make(video)
        return self._open[video]

    def _called(self, task: Any, method: str, *arguments: Any) -> Any:
        with NATIVE_LOG.kept_out(self._quiet):
            try:
                return getattr(task, method)(*arguments)
            except _NATIVE_ERRORS as error:
                failure = error
        # A graph that failed once answers no more: the next call makes it anew.
        for video, each in list(self._open.items()):
            if each is task:
                self._finish(video, failed=True)
        raise InferenceError(
            f"MediaPipe's {self._task.api} failed on {self._name}: {first_lines(failure)}"
        ) from failure

    def close(self, *, at_exit: bool = False) -> None:
        """Free the native objects. Calling it again does nothing."""
        self._closed = True
        for video in list(self._open):
            self._finish(video, failed=at_exit)

    def _finish(self, video: bool, *, failed: bool = False) -> None:
        task = self._open.pop(video, None)
        if task is None:
            return
        with NATIVE_LOG.kept_out(self._quiet):
            try:
                task.close()
            except _NATIVE_ERRORS as error:
                # MediaPipe closes it, and then says again what the graph had failed with. Its object
                # would close the freed memory once more when it is collected, and never return.
                task._handle = None
                if not failed:
                    raise InferenceError(f"closing {self._name} failed: {error}") from error


class _Clock:
    """The timestamps of one video: whole milliseconds that rise, as MediaPipe demands."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._last_seconds: float | None = None
        self._last = -1

    def goes_back(self, seconds: float | None) -> bool:
        """Whether a frame of that time is before the last one."""
        last = self._last_seconds
        return seconds is not None and last is not None and seconds < last

    def milliseconds(self, seconds: float | None) -> int:
        """The timestamp of the next frame: at its own time, or at that of the call."""
        self._last_seconds = seconds if seconds is not None else self._last_seconds
        at = time.monotonic() - self._begun if seconds is None else seconds
        self._last = max(self._last + 1, round(at * 1000))
        return self._last


_open_sessions: weakref.WeakSet[TaskSession] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """What is still open when Python ends: MediaPipe's objects would close themselves too late, when
    half of Python is gone, and complain."""
    for session in list(_open_sessions):
        session.close(at_exit=True)


def _time_of(image: Image) -> float | None:
    """Seconds since the beginning of the video, of a frame that knows it."""
    at = getattr(image, "timestamp", None)
    return float(at) if at is not None else None


def first_lines(error: BaseException) -> str:
    """What MediaPipe says, without its trace of source lines."""
    return str(error).partition("=== Source Location Trace")[0].strip() or type(error).__name__
