"""Which video a picture goes on with, and at what time of it. MediaPipe is not asked."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable

from inference_core.errors import InvalidArgument, InvalidInput

LONGEST = 1e10
"""Largest timestamp, in seconds: 300 years, so that the time since 1970 is one too."""

# So many videos are remembered, to tell one that comes back from a new one.
_REMEMBERED = 16


def check_seconds(seconds: float, what: str, error: type[Exception]) -> None:
    """Raise `error` unless it is a number of seconds from 0 to `LONGEST`; `what` has it."""
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or not 0 <= seconds <= LONGEST:
        raise error(f"{what}={seconds!r} must be seconds, 0 to {LONGEST:.0f}")


class Following:
    """The one video that a model follows at a time."""

    def __init__(self) -> None:
        self._last: dict[Hashable, int] = {}  # index by video, the latest video at the end
        self._clock = Clock()

    def begins(self, source: str, video: Hashable, index: int, anew: bool) -> bool:
        """Whether a picture is the first that is seen of its video.

        Args:
            source: what to call it in a message.
            video: which it is of; None for pictures that don't know that.
            index: its place in the video; one that isn't after the last one's begins it again.
            anew: whether the caller says so.

        Raises:
            InvalidInput: another video has come in between, and this goes on with the first.
        """
        current = next(reversed(self._last), video)
        seen = self._last.get(video)
        begins = anew or seen is None or (video is not None and index <= seen)
        if not begins and video != current:
            raise InvalidInput(
                f"{source} goes on with a video that was left for another, and a model follows one at "
                "a time: open another model for the second one, begin a video with new_video=True, or "
                'load with options={"mode": "image"}, which follows none'
            )
        self._last.pop(video, None)
        self._last[video] = index
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
        if begins:
            self._clock = Clock()
        return begins

    def milliseconds(self, seconds: float | None, stated: bool) -> int:
        """The timestamp of the next picture: at its own time, or at that of the call.

        Args:
            seconds: its time in the video, if that is known.
            stated: whether the caller of this very call says it, and not the frame: then it must be
                after the last one.

        Raises:
            InvalidArgument: it isn't.
        """
        return self._clock.milliseconds(seconds, stated)


class Clock:
    """The timestamps of one video: whole milliseconds that rise, as MediaPipe demands."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._seconds = -1.0
        self._last = -1

    def milliseconds(self, seconds: float | None, stated: bool = False) -> int:
        """The next timestamp; see `Following.milliseconds`."""
        if seconds is not None:
            if stated and seconds <= self._seconds:
                raise InvalidArgument(
                    f"timestamp={seconds} isn't after that of the picture before, {self._seconds}: "
                    "each of a video has its own, and another video begins with new_video=True"
                )
            self._seconds = max(self._seconds, seconds)
        at = time.monotonic() - self._begun if seconds is None else seconds
        self._last = max(self._last + 1, round(at * 1000))
        return self._last
