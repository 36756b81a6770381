"""Pictures and videos: what is followed from frame to frame, and how time rises."""

from __future__ import annotations

import itertools
import json
import threading
import time

import numpy as np
import pytest
from inference_core.cli import main
from inference_mediapipe.session import _Clock
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


def frames(times, start=0):
    pixels = picture((255, 0, 0))
    return [Frame(pixels, "rgb", "clip", start + i, at) for i, at in enumerate(times)]


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
    model(picture((255, 0, 0)), timestamp=2.5)
    model(picture((255, 0, 0)), timestamp=2.5)  # MediaPipe takes no time twice
    model(picture((255, 0, 0)), timestamp=3)
    assert spy.calls == [("classify_for_video", at) for at in (2500, 2501, 3000)]


def test_without_a_time_it_is_that_of_the_call(spied):
    model, spy = spied(mode="video")
    for _ in range(3):
        model(picture((255, 0, 0)))
        time.sleep(0.03)
    at = [at for _, at in spy.calls]
    assert at[0] < 1000
    assert all(30 <= later - earlier < 1000 for earlier, later in itertools.pairwise(at))


def test_whole_milliseconds_always_rise():
    clock, at = _Clock(), []
    for seconds in (0.0, 0.0001, 0.0002, 0.01, 0.0101, 1.0):
        assert not clock.goes_back(seconds)
        at.append(clock.milliseconds(seconds))
    assert at == [0, 1, 2, 10, 11, 1000]
    assert clock.goes_back(0.5)
    assert not clock.goes_back(None)


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
        Frame(np.roll(drawn_hand, 6 * index, axis=1), "rgb", "clip", index, index / 25)
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
