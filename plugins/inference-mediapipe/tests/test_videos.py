"""Pictures and videos: what is followed from frame to frame, and how time rises."""

from __future__ import annotations

import itertools
import json
import threading
import time

import numpy as np
import pytest
from inference_core import InvalidArgument, InvalidInput
from inference_core.cli import main
from inference_mediapipe.following import Clock, Following
from inference_vision import VideoWriter, video
from inference_vision.video import Frame

from .models import mean_colour, picture


class Spy:
    """Stands between a session and MediaPipe's own object; notes which method got which time."""

    def __init__(self, session) -> None:
        self.calls, self.made, make = [], [], session._make
        session._open.clear()  # what load made in its mode

        def spying(video):
            task = make(video)
            self.made.append(video)
            for name in ("classify", "classify_for_video"):
                self._wrap(task, name)
            return task

        session._make = spying

    def _wrap(self, task, name):
        original = getattr(task, name)

        def noting(image, *at):
            self.calls.append((name, *at))
            return original(image, *at)

        setattr(task, name, noting)


@pytest.fixture
def spied(saved, opened):
    def load(**options):
        model = opened(saved(mean_colour()), **options)
        session = next(iter(model._parts.values())).session
        session._open.pop(options.get("mode") == "video").close()
        return model, Spy(session)

    return load


def frames(times, video="clip"):
    pixels = picture((255, 0, 0))
    return [Frame(pixels, "rgb", f"{video}, frame {i}", i, at, video) for i, at in enumerate(times)]


def test_pictures_are_each_looked_at_for_themselves(spied):
    model, spy = spied()
    model([picture((255, 0, 0))] * 2)
    assert spy.calls == [("classify",)] * 2


def test_frames_of_a_video_come_with_their_times(spied):
    model, spy = spied()
    results = [r for _, r in model.stream(frames([0.0, 0.04, 0.08]))]
    assert [each.top.label for each in results] == ["red"] * 3
    assert spy.calls == [("classify_for_video", at) for at in (0, 40, 80)]
    assert spy.made == [True]


def test_another_video_is_followed_anew(spied):
    model, spy = spied()
    for clip in (frames([0.0, 5.0]), frames([0.0, 1.0])):
        list(model.stream(clip))
    assert spy.calls == [("classify_for_video", at) for at in (0, 5000, 0, 1000)]
    assert spy.made == [True, True]


def test_a_clip_of_one_frame_is_not_gone_on_with(spied):
    """Nor does a frame of another clip need an earlier time to begin it."""
    model, spy = spied()
    for clip in (frames([0.0], "first"), frames([0.0, 1.0], "second"), frames([5.0], "third")):
        list(model.stream(clip))
    assert spy.calls == [("classify_for_video", at) for at in (0, 0, 1000, 5000)]
    assert spy.made == [True] * 3


def test_a_video_that_was_left_for_another_does_not_come_back(spied):
    model, spy = spied()
    (first, second), (other, next_other) = frames([0.0, 1.0], "one"), frames([0.0, 1.0], "other")
    model(first)
    model(other)
    with pytest.raises(InvalidInput, match=r"one, frame 1 goes on with a video .* another model"):
        model(second)
    model(next_other)  # is not held up by that
    model(first)  # from its beginning
    model(second)
    times = (0, 0, 1000, 0, 1000)
    assert spy.calls == [("classify_for_video", at) for at in times]
    assert spy.made == [True] * 3


def test_only_so_many_videos_are_remembered():
    following = Following()
    for index in range(2):
        for name in range(40):
            assert following.begins("a frame", name, index, False)
    assert len(following._last) == 16


def test_a_video_of_arrays_begins_where_the_caller_says(spied):
    model, spy = spied(mode="video")
    model(picture((255, 0, 0)), timestamp=1.0)
    model(picture((255, 0, 0)), timestamp=2.0)
    model(picture((255, 0, 0)), timestamp=0.5, new_video=True)
    assert spy.calls == [("classify_for_video", at) for at in (1000, 2000, 500)]
    assert spy.made == [True, True]
    (frame,) = frames([0.0])
    model(frame)
    with pytest.raises(InvalidInput, match="new_video=True"):
        model(picture((255, 0, 0)), timestamp=0.75)


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_time_that_is_not_after_the_last_one_is_refused(spied, seconds):
    model, _ = spied(mode="video")
    model(picture((255, 0, 0)), timestamp=1.0)
    with pytest.raises(InvalidArgument, match=r"isn't after .* 1\.0: .* new_video=True"):
        model(picture((255, 0, 0)), timestamp=seconds)
    with pytest.raises(InvalidArgument, match="each of a video has its own"):
        model([picture((255, 0, 0))] * 2, timestamp=2.0)


@pytest.mark.parametrize("seconds", [np.nan, np.inf, -5.0, 1e300, True, "1"])
def test_a_time_that_is_none_is_refused(spied, seconds):
    model, spy = spied(mode="video")
    if type(seconds) is float:  # core makes one of others
        with pytest.raises(InvalidArgument, match="timestamp"):
            model(picture((255, 0, 0)), timestamp=seconds)
    (frame,) = frames([seconds])
    with pytest.raises(InvalidInput, match=r"clip, frame 0: timestamp=.* must be seconds"):
        model(frame)
    assert spy.calls == []


@pytest.mark.parametrize("options", [{"timestamp": 1.0}, {"new_video": True}])
@pytest.mark.parametrize("mode", ["image", "auto"])
def test_what_is_for_videos_is_refused_for_pictures(spied, mode, options):
    model, _ = spied(mode=mode)
    if mode == "auto" and "timestamp" in options:
        model(picture((255, 0, 0)), **options)  # which makes it one of a video
        return
    with pytest.raises(InvalidArgument, match=r'is for the pictures of a video.*"mode": "video"'):
        model(picture((255, 0, 0)), **options)


def test_the_object_for_pictures_is_freed_by_a_video(saved, opened):
    model = opened(saved(mean_colour()))
    session = next(iter(model._parts.values())).session
    assert list(session._open) == [False]
    first, second = frames([0.0, 1.0])
    model(first)
    assert list(session._open) == [True]
    model(picture((255, 0, 0)))
    model(second)
    assert list(session._open) == [True, False]  # it is used


def test_a_slow_end_holds_up_no_new_video(spied, monkeypatch):
    """As where name servers don't answer, which MediaPipe waits for when it closes."""
    model, _ = spied()
    session = next(iter(model._parts.values())).session
    release, ends, make = threading.Event(), [], session._make

    def slow(video):
        task = make(video)
        close = task.close

        def closing():
            if task not in ends:
                ends.append(task)
                assert release.wait(30)
            close()

        task.close = closing
        return task

    session._make = slow
    for number in range(5):  # four are at their ends then, and none is waited for
        list(model.stream(frames([0.0], f"clip {number}")))
    waiting = threading.Thread(target=model, args=frames([0.0], "one more"))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    release.set()
    waiting.join()
    model.close()
    assert len(ends) == 6


def test_pictures_between_frames_leave_the_video_alone(spied):
    model, spy = spied()
    first, second = frames([0.0, 1.0])
    for value in (first, picture((0, 0, 255)), second):
        model(value)
    assert spy.calls == [("classify_for_video", 0), ("classify",), ("classify_for_video", 1000)]
    assert spy.made == [True, False]


def test_frames_are_pictures_where_that_is_asked_for(spied):
    model, spy = spied(mode="image")
    list(model.stream(frames([0.0, 1.0])))
    assert spy.calls == [("classify",)] * 2


def test_arrays_are_a_video_where_that_is_asked_for(spied):
    model, spy = spied(mode="video")
    for seconds in (2.5, 2.5001, 3):
        model(picture((255, 0, 0)), timestamp=seconds)  # MediaPipe takes no millisecond twice
    assert spy.calls == [("classify_for_video", at) for at in (2500, 2501, 3000)]
    assert spy.made == [True]


def test_without_a_time_it_is_that_of_the_call(spied):
    model, spy = spied(mode="video")
    for _ in range(3):
        model(picture((255, 0, 0)))
        time.sleep(0.03)
    at = [at for _, at in spy.calls]
    assert at[0] < 1000
    assert all(30 <= later - earlier < 1000 for earlier, later in itertools.pairwise(at))


def test_whole_milliseconds_always_rise():
    clock = Clock()
    times = (0.0, 0.0001, 0.0002, 0.01, 0.0101, 1.0, 0.5)
    assert [clock.milliseconds(each) for each in times] == [0, 1, 2, 10, 11, 1000, 1001]


def test_a_live_stream_of_frames_drops_and_counts(saved, opened):
    """The camera gives forty frames while the model is held at its first."""
    model = opened(saved(mean_colour()))
    session = next(iter(model._parts.values())).session
    run, busy, done = session.run, threading.Event(), threading.Event()

    def held(value, options):
        busy.set()
        assert done.wait(10)
        return run(value, options)

    session.run = held

    def camera():
        first, *others = frames([index / 25 for index in range(41)])
        yield first
        assert busy.wait(10)
        yield from others
        done.set()

    stream = model.stream(camera(), live=True)
    assert [frame.index for frame, _ in stream] == [0, 40]
    assert stream.dropped == 39


def test_a_hand_is_followed_through_a_video(bundles, opened, drawn_hand):
    """It moves to the right by 6 pixels a frame, and so do its landmarks."""
    model = opened(bundles["hand-landmarks"])
    clip = [
        Frame(np.roll(drawn_hand, 6 * index, axis=1), "rgb", "clip", index, index / 25, "clip")
        for index in range(8)
    ]
    tips = [result.keypoints[0, 12, 0] for _, result in model.stream(clip)]
    assert len(tips) == 8
    assert tips[-1] - tips[0] == pytest.approx(42, abs=10)


def test_the_command_line_drops_frames_of_a_camera_and_says_how_many(
    saved, monkeypatch, tmp_path, capsys
):
    """There is no camera where tests run: a file, which never waits, takes its place."""
    path = tmp_path / "clip.avi"
    with VideoWriter(path, fps=25) as clip:
        for _ in range(60):
            clip.write(picture((0, 0, 255), 64, 48))
    real = video.cv2.VideoCapture
    monkeypatch.setattr(video.cv2, "VideoCapture", lambda index: real(str(path)))
    words = ["predict", str(saved(mean_colour())), "0", "--backend", "mediapipe", "--json"]
    assert main(words) == 1  # for the camera that ends
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    frames_done = [row["frame"] for row in rows if "frame" in row]
    (summary,) = [row for row in rows if "frames" in row]
    assert frames_done == sorted(set(frames_done))
    assert summary["frames"] == len(frames_done)
    assert summary["dropped"] == 60 - len(frames_done) > 0
