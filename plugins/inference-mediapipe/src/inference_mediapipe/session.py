"""A loaded task: a picture or a text in, one of core's results out.

MediaPipe's object for pictures differs from that for the frames of a video, which follows what it
found from frame to frame. A session makes each when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import numpy as np
from inference_core.errors import (
    InferenceError,
    InvalidArgument,
    InvalidInput,
    InvalidModel,
    ModelClosed,
)
from inference_core.results import Detections
from inference_core.session import TensorSpec
from inference_vision.image import Image
from inference_vision.video import Frame

from inference_mediapipe import results
from inference_mediapipe.aside import aside
from inference_mediapipe.following import Following, check_seconds
from inference_mediapipe.native_task import NATIVE_ERRORS, NativeTask, in_one_line
from inference_mediapipe.options import CALLS, MediapipeOptions
from inference_mediapipe.tasks import Task

# MediaPipe keeps some megabytes, a file and three threads of each graph that failed for good.
_MOST_FAILURES = 10
# Where name servers don't answer, closing takes seconds: so many graphs may be at it at once.
_MOST_CLOSING = 4


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
        self._options, self._labels = options, labels
        self._open: dict[bool, NativeTask] = {}
        self._closing: list[Future[Exception | None]] = []
        self._closed = False
        self._following = Following()
        self._answered = False  # whether it ever has
        self._failures, self._failure = 0, ""
        self._object(options.mode == "video")  # so that a bad file fails when it is loaded

    def run(self, value: Any, options: Mapping[str, Any]) -> Any:
        """The result for one input.

        Raises:
            ModelClosed: the session was closed.
            InvalidInput: a text task got no text, or a frame is of a video that was left.
            InvalidArgument: an option for videos where the input is none.
            InvalidModel: the graph fails, and never did anything else.
            InferenceError: MediaPipe failed; its message is in it.
        """
        if self._closed:
            raise ModelClosed(f"{self._name} was closed")
        if self._failures and not self._answered:
            raise InvalidModel(self._failure)
        if self._failures >= _MOST_FAILURES:
            raise InferenceError(
                f"{self._failure}. It failed {self._failures} times, which isn't tried again: load the "
                "model anew"
            )
        if self._task.takes == "text":
            _check_text(self.task, value)
            return self._answer(False, None, options, value)
        return self._run_on_image(value, options)

    def _run_on_image(self, image: Image, options: Mapping[str, Any]) -> Any:
        stated, anew = options["timestamp"], options["new_video"]
        frame = image if isinstance(image, Frame) else None
        mode = self._options.mode
        if mode == "image" or (mode == "auto" and frame is None and stated is None):
            if stated is not None or anew:
                name = "new_video" if anew else "timestamp"
                raise InvalidArgument(
                    f"{name} is for the pictures of a video, and this isn't taken for one: load with "
                    'options={"mode": "video"}'
                )
            return self._answer(False, image.size, options, self._picture(image))
        if frame is not None:
            check_seconds(frame.timestamp, f"{frame.source}: timestamp", InvalidInput)
        video, index = (frame.video, frame.index) if frame is not None else (None, 0)
        if self._following.begins(image.source, video, index, anew):
            self._retire()
        seconds = frame.timestamp if frame is not None and stated is None else stated
        at = self._following.milliseconds(seconds, stated is not None)
        return self._answer(True, image.size, options, self._picture(image), at)

    def _retire(self) -> None:
        """Close what followed the last video, for that isn't in the next one, and what was only made
        to see whether the file is good."""
        for video, task in list(self._open.items()):
            if video or not task.used:
                self._closing.append(aside(self._open.pop(video).close))
        busy = [each for each in self._closing if not each.done()]
        while len(busy) > _MOST_CLOSING:
            busy = list(wait(busy, return_when=FIRST_COMPLETED).not_done)
        # What went wrong there is for `close` to tell: it has nothing to do with the next video.
        self._closing = [each for each in self._closing if each in busy or each.result()]

    def _picture(self, image: Image) -> Any:
        pixels = image.pixels
        if image.color_format == "bgr":
            pixels = pixels[..., ::-1]
        return self._api.Image(self._api.ImageFormat.SRGB, np.ascontiguousarray(pixels))

    def _object(self, video: bool) -> NativeTask:
        if video not in self._open:
            self._open[video] = NativeTask(
                lambda: self._make(video), quiet=not self._options.native_log
            )
        return self._open[video]

    def _answer(
        self, video: bool, size: results.Size | None, options: Mapping[str, Any], *arguments: Any
    ) -> Any:
        task = self._object(video)
        method = f"{self._task.method}_for_video" if video else self._task.method
        try:
            native = task.call(method, *arguments)
        except NATIVE_ERRORS as error:
            del self._open[video]  # it answers no more: the next call makes it anew
            task.close()
            self._failures += 1
            self._failure = (
                f"MediaPipe's {self._task.api} failed on {self._name}: {in_one_line(error)}"
            )
            if self._answered:
                raise InferenceError(self._failure) from error
            self._failure += f". The file may not be for {self.task}"
            raise InvalidModel(self._failure) from error
        self._answered = True
        labels = task.labels if self.task == "image-segmentation" else self._labels
        result = results.convert(self.task, native, size, options, labels, self._options)
        task.settled = task.settled or not isinstance(result, Detections) or len(result) > 0
        return result

    def close(self) -> None:
        """Free the native objects. Calling it again does nothing.

        Raises:
            InferenceError: MediaPipe failed to; what it holds is lost.
        """
        self._closed = True
        closing = self._closing + [aside(task.close) for task in self._open.values()]
        self._open, self._closing = {}, []
        for each in closing:
            self._check_closed(each)

    def _check_closed(self, closing: Future[Exception | None]) -> None:
        error = closing.result()
        if error is not None:
            raise InferenceError(f"closing {self._name} failed: {in_one_line(error)}") from error


def _check_text(task: str, value: Any) -> None:
    if not isinstance(value, str):
        raise InvalidInput(f"{task} takes a text, not {type(value).__name__}")
    try:
        sound = "\0" not in value and bool(value.encode() or True)
    except UnicodeEncodeError:
        sound = False
    if not sound:
        raise InvalidInput(f"{task}: the text holds a NUL or half a surrogate pair")
