"""`infer predict` and `Model.stream` on videos, with the bundled model: frames, files, interrupts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest
from inference_core import AutoModel

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
