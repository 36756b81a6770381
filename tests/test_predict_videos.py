"""`infer predict` and `Model.stream` on videos, with the bundled model: frames, files, interrupts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_core import AutoModel, InvalidInput
from inference_core.cli import main
from inference_core.cli.video import AnnotatedVideo

vision = pytest.importorskip("inference_vision")
pytest.importorskip("inference_onnx")
pytest.importorskip("onnxruntime")
FIRST = ("predict", "shapes", "--backend", "onnx", "--option", "threads=1")


@pytest.fixture(scope="module")
def clip(tmp_path_factory, pictures):
    """12 frames, 5 a second, of three sample pictures in turn, all as large as the first."""
    import cv2

    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    first = vision.read_image(pictures[0])
    with vision.VideoWriter(path, 5) as writer:
        for index in range(12):
            pixels = cv2.imread(str(pictures[index % 3]))
            writer.write(cv2.resize(pixels, first.size))
    return path


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_stream_of_a_video_finds_what_the_frames_one_by_one_do(clip):
    with AutoModel.from_pretrained("shapes", backend="onnx", options={"threads": 1}) as model:
        with vision.Video(clip) as video:
            alone = [model(frame).to_dict() for frame in video]
        with vision.Video(clip) as video:
            streamed = [(frame.index, result.to_dict()) for frame, result in model.stream(video)]
    assert streamed == list(enumerate(alone))
    assert any(each["detections"] for each in alone)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory, pictures):
    """300 frames in which the sample pictures move, each frame different from those around it."""
    import cv2

    scenes = [cv2.resize(vision.read_image(each).pixels, (320, 240)) for each in pictures[:3]]
    path = tmp_path_factory.mktemp("video") / "long.mp4"
    with vision.VideoWriter(path, 30) as writer:
        for index in range(300):
            writer.write(np.roll(scenes[index // 100], 3 * index, axis=1))
    return path


class Counted:
    """The frames of a video, and how many of them were read."""

    def __init__(self, video):
        self.video, self.read = video, 0

    def __iter__(self):
        for frame in self.video:
            self.read += 1
            yield frame


def stream_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("inference-stream")]


@pytest.mark.parametrize("batch_size", [None, 4])
def test_three_hundred_frames_come_in_order_with_the_answer_of_each(long_clip, batch_size):
    options = {"backend": "onnx", "options": {"threads": 1}, "batch_size": batch_size}
    with AutoModel.from_pretrained("shapes", **options) as model, vision.Video(long_clip) as video:
        frames, most, sample = Counted(video), 0, []
        for taken, (frame, result) in enumerate(model.stream(frames), 1):
            assert frame.index == taken - 1
            most = max(most, frames.read - taken)
            if frame.index % 7 == 0:
                sample.append((frame, result))
        assert taken == frames.read == 300
        # Three stages, one batch between each two of them, and the one that is handed out.
        assert most <= 5 * (batch_size or 1) - 1
        assert len({str(result.to_dict()) for _, result in sample}) > 40
        for frame, result in sample:
            alone = model(frame)
            assert alone.labels == result.labels
            np.testing.assert_allclose(alone.xyxy, result.xyxy, atol=0.01)
    assert stream_threads() == []


def test_leaving_the_stream_of_a_video_leaves_the_video_where_it_is(long_clip):
    with (
        AutoModel.from_pretrained("shapes", backend="onnx", options={"threads": 1}) as model,
        vision.Video(long_clip) as video,
    ):
        frames = Counted(video)
        for frame, _ in model.stream(frames):
            if frame.index == 100:
                break
        assert stream_threads() == []
        assert 101 <= frames.read <= 105
        assert len(model(frame).labels) > 0


def test_a_bad_frame_is_an_error_after_all_that_came_before_it(long_clip):
    def frames(video):
        for frame in video:
            yield b"no picture" if frame.index == 150 else frame

    with (
        AutoModel.from_pretrained("shapes", backend="onnx", options={"threads": 1}) as model,
        vision.Video(long_clip) as video,
    ):
        seen = []
        with pytest.raises(InvalidInput, match="not an image"):  # noqa: PT012
            for frame, _ in model.stream(frames(video)):
                seen.append(frame.index)
        assert seen == list(range(150))
        assert stream_threads() == []


def test_predict_on_a_video_gives_frames_an_annotated_video_and_coco(infer, clip, tmp_path):
    run = infer(*FIRST, clip, "--json", "--save", "out", "--coco", "found.json")
    assert (run.code, run.err) == (0, "")
    *frames, last = rows(run.out)
    assert [row["frame"] for row in frames] == list(range(12))
    assert [row["timestamp"] for row in frames] == pytest.approx([i / 5 for i in range(12)])
    assert (last["frames"], last["saved"]) == (12, os.path.join("out", "clip.mp4"))  # noqa: PTH118
    with vision.Video(tmp_path / last["saved"]) as drawn, vision.Video(clip) as source:
        assert drawn.fps == source.fps == 5
        changed = [
            abs(a.pixels.astype(int) - b.pixels).max() for a, b in zip(drawn, source, strict=True)
        ]
    assert len(changed) == 12
    assert min(changed) > 100  # something is drawn on each

    coco = json.loads((tmp_path / "found.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["circle", "square", "triangle"]
    assert [(image["id"], image["frame"]) for image in coco["images"]] == [
        (index + 1, index) for index in range(12)
    ]
    assert [each["id"] for each in coco["annotations"]] == list(
        range(1, len(coco["annotations"]) + 1)
    )
    found = [(1 + row["frame"], each) for row in frames for each in row["result"]["detections"]]
    for (image, detection), annotation in zip(found, coco["annotations"], strict=True):
        x, y, width, height = annotation["bbox"]
        assert annotation["image_id"] == image
        assert annotation["category_id"] == detection["class_id"] + 1
        assert [x, y, x + width, y + height] == pytest.approx(detection["xyxy"], abs=0.01)


class SlowCamera:
    """What OpenCV opens in the place of a camera: it states some frames a second and gives 10."""

    left = 8

    def __init__(self, picture, stated):
        self.picture, self.stated = picture, stated

    def isOpened(self):
        return True

    def get(self, key):
        import cv2

        return self.stated if key == cv2.CAP_PROP_FPS else 0.0

    def read(self):
        time.sleep(0.1)
        self.left -= 1
        return self.left >= 0, self.picture.copy()

    def release(self):
        pass


@pytest.mark.parametrize(("stated", "fps"), [(25.0, 25), (0.0, 25), (90_000.0, 120)])
def test_an_annotated_video_of_a_camera_takes_as_long_as_what_it_saw(
    monkeypatch, tmp_path, capsys, pictures, stated, fps
):
    import cv2

    real, camera = cv2.VideoCapture, SlowCamera(cv2.imread(str(pictures[0])), stated)
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patched:
        # The writer looks at what it wrote with the same class.
        patched.setattr(cv2, "VideoCapture", lambda at: camera if at == 0 else real(at))
        words = [*FIRST, "0", "--save", "out", "--json"]
        assert main(words) == 1  # for the camera that ends
    *frames, summary, _ = rows(capsys.readouterr().out)
    seconds = frames[-1]["timestamp"] - frames[0]["timestamp"]
    with vision.Video(summary["saved"]) as saved:
        assert saved.fps == fps
        assert len(list(saved)) == pytest.approx(fps * seconds + 1, abs=0.6)  # and the last itself
    assert seconds >= 0.1 * (len(frames) - 1)
    assert summary["frames"] == len(frames) > 1


class Written:
    """A writer of videos that keeps what it is given."""

    path, fps = "x.mp4", 10

    def __init__(self):
        self.shown = []

    @property
    def frames(self):
        return len(self.shown)

    def write(self, pixels):
        self.shown.append(pixels)

    def close(self):
        self.shown.append("end")


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=20, unique=True).map(sorted))
def test_at_any_time_an_annotated_video_of_a_camera_shows_the_last_frame_until_then(milliseconds):
    writer = Written()
    annotated = AnnotatedVideo(writer, live=True)
    for at in milliseconds:
        annotated.write(at, at / 1000)
    annotated.close()
    first, last = milliseconds[0], milliseconds[-1]
    assert writer.shown.pop() == "end"
    assert len(writer.shown) == round((last - first) / 1000 * writer.fps) + 1
    for number, at in enumerate(writer.shown):
        # Each is due at the nearest frame of the video, half a frame (50 ms) away at most.
        shown = first + number * 1000 / writer.fps
        assert at <= shown + 50
        assert all(other <= at or other >= shown + 50 for other in milliseconds)


@pytest.fixture
def embedder(tmp_path):
    """An embedding of the mean colour."""
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["images"], ["vector"], axes=[2, 3], keepdims=0)],
        "mean colour",
        [helper.make_tensor_value_info("images", tensor, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("vector", tensor, [1, 3])],
    )
    folder = tmp_path / "colours"
    folder.mkdir()
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")
    manifest = {
        "schema_version": 1,
        "name": "colours",
        "processor": {"name": "embedding"},
        "artifacts": [{"format": "onnx", "parts": {"model": "model.onnx"}}],
    }
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder


def test_what_cannot_be_drawn_is_told_frame_by_frame_and_is_no_error(
    infer, clip, embedder, pictures, tmp_path
):
    run = infer("predict", embedder, pictures[0], clip, "--save", "out", OMP_NUM_THREADS="1")
    assert run.code == 0
    assert run.err == "warning: --save: there is nothing to draw of a result Embedding\n"
    picture, *frames, last = run.out.splitlines()
    assert picture.startswith(f"{pictures[0]}: Embedding(")
    assert [line.split()[1] for line in frames] == [f"{index / 5:.2f}" for index in range(12)]
    assert last.startswith(f"{clip}: 12 frames, ")
    assert last.endswith(" per second")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_video_that_cannot_be_written_names_its_option(infer, clip, tmp_path):
    (tmp_path / "out" / f".{clip.stem}.partial.mp4").mkdir(parents=True)
    run = infer(*FIRST, clip, "--save", "out")
    assert run.code == 1
    assert run.err.startswith(f"error: --save out/{clip.name}: ")


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(infer, clip, tmp_path, pictures):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(clip.read_bytes()[:-100])
    (folder / "b.png").write_bytes(pictures[0].read_bytes())
    (folder / "c.mp4").write_bytes(clip.read_bytes())
    run = infer(*FIRST, "in", "--json")
    told = rows(run.out)
    assert run.code == 1
    assert run.err == "1 of 3 inputs failed\n"
    assert "is cut off" in told[0]["error"]
    assert [row["input"] for row in told] == ["in/a.mp4", "in/b.png"] + ["in/c.mp4"] * 13


def test_text_says_the_time_of_each_frame_and_the_rate(infer, clip):
    *lines, last = infer(*FIRST, clip).out.splitlines()
    assert len(lines) == 12
    assert lines[1].startswith(f"{clip} 0.20 s: Detections(")
    assert last.startswith(f"{clip}: 12 frames, ")
    assert last.endswith(" per second")


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_shows_the_frames_per_second(clip, tmp_path):
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "inference_core", *FIRST, str(clip), "--output", "l.jsonl"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"},
    ) as process:  # fmt: skip
        out, _ = process.communicate(timeout=60)
    os.close(theirs)
    shown = b""
    with open(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # EIO is its end
        while piece := terminal.read(4096):
            shown += piece
    assert process.returncode == 0
    assert b"12/12" in shown
    assert b" frames/s" in shown
    assert b"12 frames, " in out


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as a signal")
def test_an_interrupt_leaves_whole_files(tmp_path, clip, pictures):
    long = tmp_path / "long.avi"
    with vision.Video(clip) as video, vision.VideoWriter(long, 5) as writer:
        frames = [frame.pixels for frame in video]
        for index in range(2000):
            writer.write(frames[index % 12])
    command = [*FIRST, str(long), "--save", "out", "--coco", "c.json", "--output", "l.jsonl"]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "inference_core", *command, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        # A shell has what runs in its background ignore it, these tests and their children too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    done = rows(rest)[-1]["frames"]
    assert 19 <= done < 2000  # a frame may be told of but not counted
    with vision.Video(tmp_path / "out" / "long.mp4") as drawn:
        assert done <= len(list(drawn)) <= done + 1  # or in one file only
    assert len(json.loads((tmp_path / "c.json").read_text())["images"]) - done in (0, 1)
    assert len(rows((tmp_path / "l.jsonl").read_text())) - done in (1, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"long.avi", "out", "c.json", "l.jsonl"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("4321",), 1, "camera 4321 can't be opened"),
        (("0", "1"), 2, "the cameras 0 and 1 can't be watched by one command"),
        (("b.png", "--coco", "b.png"), 2, "--coco b.png is one of the inputs"),
        (("b.png", "--coco", "x", "--output", "x"), 2, "give two files"),
        (("b.png", "--coco", "."), 2, "--coco . is a folder"),
    ],
)
def test_wrong_sources_and_targets_are_refused(infer, tmp_path, pictures, arguments, code, message):
    (tmp_path / "b.png").write_bytes(pictures[0].read_bytes())
    run = infer(*FIRST, *arguments)
    assert run.code == code
    assert message in run.err
    assert "WARN" not in run.err
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]
