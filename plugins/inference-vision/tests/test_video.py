"""Videos: what is written is read back, and what can't be read says why after what could be."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from itertools import count, islice

import cv2
import numpy as np
import pytest
from inference_core.errors import InvalidArgument, InvalidInput
from inference_vision import video
from inference_vision.image import read_image
from inference_vision.video import Video
from inference_vision.video_writing import VideoWriter


def grey(level, width=64, height=48):
    return np.full((height, width, 3), level, np.uint8)


def written(path, count=20, width=64, height=48, fps=10.0):
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    assert writer.isOpened()
    for index in range(count):
        writer.write(grey(index * 10, width, height))
    writer.release()
    return path


def frames_and_error(path):
    frames, clip = [], Video(path)
    with clip, pytest.raises(InvalidInput) as caught:
        frames.extend(clip)
    return frames, str(caught.value)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_frames_come_in_order_with_index_and_time(tmp_path, name):
    with Video(written(tmp_path / name)) as clip:
        assert (clip.fps, clip.count) == (10.0, 20)
        frames = list(clip)
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.timestamp for frame in frames] == pytest.approx([i / 10 for i in range(20)])
    assert all(frame.size == (64, 48) and frame.color_format == "bgr" for frame in frames)
    levels = [frame.pixels.mean() for frame in frames]
    assert levels == pytest.approx([i * 10 for i in range(20)], abs=4)


def test_a_frame_is_an_image_that_says_where_it_is_from(tmp_path):
    path = written(tmp_path / "clip.mp4", 2)
    with Video(path) as clip:
        _, second = clip
    assert read_image(second) is second
    assert second.source == f"{path}, frame 1"


def test_frames_know_which_video_they_are_of(tmp_path):
    path = written(tmp_path / "clip.avi", 3)
    with Video(path) as one, Video(path) as again:
        first, second = ({frame.video for frame in clip} for clip in (one, again))
    assert len(first) == len(second) == 1
    assert first != second
    with Video(path) as clip:
        frame = next(iter(clip))
    assert pickle.loads(pickle.dumps(frame)).video == frame.video


def test_channels_are_blue_first(tmp_path):
    path = tmp_path / "blue.avi"
    with VideoWriter(path, 5) as writer:
        writer.write(np.tile(np.array([255, 0, 0], np.uint8), (48, 64, 1)))
    with Video(path) as clip:
        (frame,) = clip
    blue, green, red = frame.pixels.reshape(-1, 3).mean(axis=0)
    assert blue > 200
    assert max(green, red) < 60


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "is empty"), (b"no video " * 50, "can't be opened as a video")],
)
def test_what_is_no_video_is_refused_with_its_path(tmp_path, content, message):
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message) as caught:
        Video(path)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_video(tmp_path):
    with pytest.raises(InvalidInput, match="is a folder"):
        Video(tmp_path)


def test_a_file_without_frames_is_an_error_and_not_an_empty_video(tmp_path):
    frames, error = frames_and_error(written(tmp_path / "none.avi", 0))
    assert frames == []
    assert "holds no frame" in error


def test_an_mp4_file_cut_off_before_its_index_is_refused(tmp_path):
    path = written(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InvalidInput, match="is cut off"):
        Video(path)


def test_a_file_cut_off_after_its_index_gives_its_frames_and_then_an_error(tmp_path):
    path = written(tmp_path / "clip.avi", 20)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    frames, error = frames_and_error(path)
    assert 0 < len(frames) < 20
    assert "bytes are missing" in error
    assert f"{len(frames)} frames could be read" in error


def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(InvalidInput, match="camera 4321 can't be opened"):
        Video(4321)


def test_frames_of_a_camera_have_the_time_since_the_first(tmp_path, monkeypatch):
    # There is no camera where tests run: a file takes its place behind OpenCV's interface.
    path = written(tmp_path / "clip.avi", 3)
    real = cv2.VideoCapture
    monkeypatch.setattr(video.cv2, "VideoCapture", lambda index: real(str(path)))
    frames, error = frames_and_error(0)
    assert frames[0].timestamp == 0.0
    assert frames[0].timestamp < frames[1].timestamp < frames[2].timestamp
    assert error == "camera 0 gives no more frames (after 3)"


class StuckCapture:
    """OpenCV's capture of a file, which stands still in its second frame as a camera may."""

    def __init__(self, real):
        self._real, self._frames = real, 0
        self.stuck, self.go = threading.Event(), threading.Event()
        self.reading, self.freed_while_reading = False, []

    def __getattr__(self, name):
        return getattr(self._real, name)

    def read(self):
        self.reading = True
        self._frames += 1
        if self._frames == 2:
            self.stuck.set()
            assert self.go.wait(10)
        frame = self._real.read()
        self.reading = False
        return frame

    def release(self):
        self.freed_while_reading.append(self.reading)
        self._real.release()


def test_a_camera_is_not_freed_while_a_thread_waits_for_its_frame_but_right_after(
    tmp_path, monkeypatch
):
    stuck = StuckCapture(cv2.VideoCapture(str(written(tmp_path / "clip.avi", 5))))
    monkeypatch.setattr(video.cv2, "VideoCapture", lambda index: stuck)
    frames = []
    with Video(0) as camera:
        rows = iter(camera)
        reader = threading.Thread(target=lambda: frames.extend(islice(rows, 2)))
        reader.start()
        assert stuck.stuck.wait(10)
    assert stuck.freed_while_reading == []
    stuck.go.set()
    reader.join(10)
    assert len(frames) == 2
    assert stuck.freed_while_reading == [False]
    assert not stuck.isOpened()


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
def test_what_is_written_is_read_back(tmp_path, suffix, size):
    path = tmp_path / f"out{suffix}"
    with VideoWriter(path, 12.5) as writer:
        for level in (0, 100, 200):
            writer.write(grey(level, *size))
    with Video(path) as clip:
        assert clip.fps == pytest.approx(12.5)
        frames = list(clip)
    assert [frame.pixels.mean() for frame in frames] == pytest.approx([0, 100, 200], abs=4)
    assert frames[0].size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_an_interrupt_leaves_a_valid_file(tmp_path):
    path = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 10) as writer:  # noqa: PT012
        writer.write(grey(0))
        writer.write(grey(50))
        raise KeyboardInterrupt
    with Video(path) as clip:
        assert len(list(clip)) == 2


class InterruptedAfter:
    """OpenCV's writer, with the Ctrl-C that Python tells of as soon as a frame has been written."""

    def __init__(self, real):
        self._real = real

    def write(self, pixels):
        self._real.write(pixels)
        raise KeyboardInterrupt

    def release(self):
        self._real.release()


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_an_interrupt_between_writing_and_counting_a_frame_loses_none(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 10) as writer:  # noqa: PT012
        writer.write(grey(0))
        writer._writer = InterruptedAfter(writer._writer)
        writer.write(grey(50))
    assert writer.frames == 2
    with Video(path) as clip:
        assert len(list(clip)) == 2
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def interrupted_before(line):
    """A trace function: a Ctrl-C before the n-th line that opens or finishes a file."""
    lines = count()

    def trace(frame, event, _):
        if frame.f_code.co_name not in ("_opened", "_finish"):
            return None
        if event == "line" and next(lines) == line:
            raise KeyboardInterrupt
        return trace

    return trace


def test_an_interrupt_while_a_file_is_opened_or_finished_leaves_nothing_half_written(
    tmp_path, request
):
    tracing = sys.gettrace()
    request.addfinalizer(lambda: sys.settrace(tracing))
    path = tmp_path / "out.mp4"
    for line in count():
        path.write_text("before")
        writer = VideoWriter(path, 10)
        sys.settrace(interrupted_before(line))
        try:
            with writer:
                writer.write(grey(0))
        except KeyboardInterrupt:
            assert path.read_text() == "before"
            assert list(tmp_path.iterdir()) == [path]
        else:
            break
    assert line > 10
    with Video(path) as clip:
        assert len(list(clip)) == 1


def test_a_file_with_fewer_frames_than_were_written_is_an_error(tmp_path):
    writer = VideoWriter(tmp_path / "out.mp4", 10)
    writer.write(grey(0))
    writer.write(grey(50))
    writer.frames += 1  # as if the encoder had dropped one
    with pytest.raises(OSError, match="2 of 3 frames arrived"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_without_a_frame_nothing_is_written_and_what_was_there_stays(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_text("before")
    with VideoWriter(path, 10):
        pass
    assert path.read_text() == "before"


def test_a_frame_of_another_size_is_refused(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        writer.write(grey(0))
        with pytest.raises(InvalidInput, match="frame 1 has 32 x 32 pixels"):
            writer.write(grey(0, 32, 32))


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only there")
def test_a_name_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.avi")
    written(tmp_path / "a.avi", 2).rename(path)
    with pytest.raises(InvalidInput, match="isn't UTF-8"):
        Video(path)
    with pytest.raises(InvalidInput, match="isn't UTF-8"):
        VideoWriter(path, 10)


@pytest.mark.parametrize(
    ("name", "fps", "message"), [("a.png", 10, "are written as"), ("a.mp4", 0, "fps must be")]
)
def test_what_cannot_be_a_video_file_is_refused(tmp_path, name, fps, message):
    with pytest.raises(InvalidArgument, match=message):
        VideoWriter(tmp_path / name, fps)


def test_a_folder_that_is_not_there_is_an_error_and_no_silence(tmp_path):
    with (
        VideoWriter(tmp_path / "missing" / "out.mp4", 10) as writer,
        pytest.raises(InvalidInput, match="can't write"),
    ):
        writer.write(grey(0))
