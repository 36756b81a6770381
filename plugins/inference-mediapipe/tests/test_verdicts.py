"""Which file is for which task, and every reason why one can't be run."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from inference_core import InferenceError
from inference_core.environment import Cpu, Environment
from inference_core.package import Artifact, Request
from inference_core.readers import tflite_file
from inference_core.session import TensorSpec
from inference_core.verdict import Reason
from inference_mediapipe import install_state, plugin
from inference_mediapipe.artifact_check import refusal_of
from inference_mediapipe.options import MediapipeOptions, lacking
from inference_mediapipe.tasks import TASKS, task_of

from .models import fixed_boxes, mean_colour

PICTURE = (TensorSpec("x", "float32", (1, 128, 128, 3)),)
WORDS = (TensorSpec("ids", "int32", (1, 128)),)
TEXT = (TensorSpec("text", "str", (1,)),)


def outputs(*shapes):
    return tuple(TensorSpec(f"y{index}", "float32", shape) for index, shape in enumerate(shapes))


def graph(tmp_path, inputs, *shapes, task=None, **facts):
    facts = {"inputs": inputs, "outputs": outputs(*shapes), **facts}
    path = tmp_path / "model.tflite"
    return Artifact("tflite", {"model": path}, facts={"model": facts}, task=task), facts


LABELS = {"tflite.labels": ("cat", "dog")}


@pytest.mark.parametrize(
    ("inputs", "shapes", "facts", "task"),
    [
        (PICTURE, [(1, 896, 16), (1, 896, 1)], {}, "face-detection"),
        (PICTURE, [(1, 2304, 1), (1, 2304, 16)], {}, "face-detection"),
        (PICTURE, [(1, 10, 4), (1, 10), (1, 10), (1,)], {}, "object-detection"),
        (PICTURE, [(1, 19206, 90), (1, 19206, 4)], LABELS, "object-detection"),
        (PICTURE, [(1, 256, 256, 21)], {}, "image-segmentation"),
        (PICTURE, [(1, 256, 256, 1)], LABELS, "image-segmentation"),
        (PICTURE, [(1, 2)], LABELS, "image-classification"),
        (PICTURE, [(1, 1, 1, 2)], LABELS, "image-classification"),
        (WORDS, [(1, 2)], LABELS, "text-classification"),
        (TEXT, [(1, 100)], {}, "text-embedding"),
        # What isn't told: palms and poses, a vector without names, words to a vector.
        (PICTURE, [(1, 2016, 18), (1, 2016, 1)], {}, None),
        (PICTURE, [(1, 2254, 12), (1, 2254, 1)], {}, None),
        (PICTURE, [(1, 2)], {}, None),
        (WORDS, [(1, 2)], {}, None),
        ((), [], {}, None),
    ],
)
def test_a_graph_tells_its_task_by_its_ends(tmp_path, inputs, shapes, facts, task):
    found = task_of(*graph(tmp_path, inputs, *shapes, **facts), None)
    if task is None:
        assert isinstance(found, Reason)
        assert found.code == "task"
        assert found.fix.startswith('"task": "')
    else:
        assert found is TASKS[task]


@pytest.mark.parametrize(
    ("stated", "task"),
    [
        ("image-embedding", "image-embedding"),
        ("image-classification", "image-classification"),
        ("semantic-segmentation", "image-segmentation"),
        ("keypoint-detection", None),
        ("hand-landmarks", None),  # is for bundles
        ("depth-estimation", None),
    ],
)
def test_a_manifest_says_the_task_of_a_graph(tmp_path, stated, task):
    shape = (1, 64, 64, 2) if task == "image-segmentation" else (1, 2)
    found = task_of(*graph(tmp_path, PICTURE, shape, task=stated), None)
    assert isinstance(found, Reason) if task is None else found is TASKS[task]


@pytest.mark.parametrize(
    ("stated", "shapes", "fits"),
    [
        ("face-detection", [(1, 896, 16), (1, 896, 1)], True),
        ("face-detection", [(1, 2016, 18), (1, 2016, 1)], False),
        ("object-detection", [(1, 10, 4), (1, 10), (1, 10), (1,)], True),
        ("object-detection", [(1, 19206, 90), (1, 19206, 4)], True),
        ("object-detection", [(1, 84, 8400)], False),
        ("image-classification", [(1, 1, 1, 9)], True),
        ("image-classification", [(None, 9)], True),
        ("image-classification", [(1, 9), (1, 9)], False),
        ("image-classification", [(1, 9, 9)], False),
        ("image-embedding", [(1, 7, 7, 9)], False),
        ("image-embedding", [None], True),
        ("image-segmentation", [(1, 64, 64, 1)], True),
        ("image-segmentation", [(1, 64, 64, 2), (1, 2)], True),
        ("image-segmentation", [(1, 9)], False),
        ("image-segmentation", [(1, 2016, 18), (1, 2016, 1)], False),
    ],
)
def test_a_stated_task_has_to_fit_the_outputs(tmp_path, stated, shapes, fits):
    found = task_of(*graph(tmp_path, PICTURE, *shapes, task=stated), None)
    assert found is TASKS[stated] if fits else isinstance(found, Reason)


def test_what_a_graph_is_seen_to_be_is_the_advice(tmp_path):
    shapes = (1, 896, 16), (1, 896, 1)
    reason = task_of(*graph(tmp_path, PICTURE, *shapes, task="image-embedding"), None)
    assert "as for face-detection, and the task is stated as image-embedding" in reason.message
    assert reason.fix == '"task": "face-detection"'


def test_a_wider_task_of_the_manifest_leaves_the_choice_to_the_file(tmp_path):
    shapes = (1, 896, 16), (1, 896, 1)
    found = task_of(*graph(tmp_path, PICTURE, *shapes, task="keypoint-detection"), None)
    assert found is TASKS["face-detection"]


def test_the_option_comes_before_the_manifest(tmp_path):
    given = graph(tmp_path, PICTURE, (1, 2), task="image-classification")
    assert task_of(*given, "image-embedding") is TASKS["image-embedding"]


@pytest.mark.parametrize(
    ("made", "stated", "task"),
    [
        ("face_landmarker", None, "face-landmarks"),
        ("hand_landmarker", None, "hand-landmarks"),
        ("pose_landmarker", "keypoint-detection", "pose-landmarks"),
        ("gesture_recognizer", None, "gesture-recognition"),
        ("hand_landmarker", "pose-landmarks", None),
        ("hand_landmarker", "image-embedding", None),
        ("holistic_landmarker", None, None),
        (None, None, None),
        (None, "hand-landmarks", "hand-landmarks"),
    ],
)
def test_a_bundle_tells_its_task_by_its_members(tmp_path, made, stated, task):
    facts = {"task": made, "members": ("one.tflite", "two.tflite")}
    path = tmp_path / "model.task"
    artifact = Artifact("mediapipe-task", {"model": path}, facts={"model": facts}, task=stated)
    found = task_of(artifact, facts, None)
    assert isinstance(found, Reason) if task is None else found is TASKS[task]


@pytest.fixture
def artifact(saved):
    return tflite_file.read(saved(mean_colour()))


def reasons(artifact, machine, **request):
    verdict = plugin.can_load(artifact, machine, Request(**request))
    return verdict, {reason.code: reason for reason in verdict.reasons}


def test_a_good_file_is_accepted_for_the_cpu(artifact, machine, gpu_machine):
    for each in (machine, gpu_machine):
        assert plugin.can_load(artifact, each, Request()).device == "cpu"


def test_a_classifier_at_which_mediapipe_crashes_is_refused(saved, machine):
    unnamed = tflite_file.read(saved(mean_colour(named=False)))
    verdict, found = reasons(unnamed, machine)
    assert verdict.status == "reject"
    assert "an output without a name, and MediaPipe crashes" in found["error"].message
    embedder = tflite_file.read(saved(mean_colour(labels=(), named=False)))
    options = MediapipeOptions(task="image-embedding")
    assert plugin.can_load(embedder, machine, Request(options=options)).status == "accept"


def test_a_detector_without_metadata_is_refused(tmp_path, saved, machine):
    described = tflite_file.read(saved(fixed_boxes(np.eye(4), np.zeros(4), np.ones(4))))
    assert plugin.can_load(described, machine, Request()).status == "accept"
    shapes = (1, 10, 4), (1, 10), (1, 10), (1,)
    _, facts = graph(tmp_path, PICTURE, *shapes)
    reason = refusal_of(TASKS["object-detection"], facts, tmp_path / "ssd.tflite")
    assert "ssd.tflite has no metadata" in reason.message
    assert reason.fix == 'backend="tflite"'


def test_options_of_other_tasks_are_reasons(artifact, machine):
    verdict, _ = reasons(artifact, machine, options=MediapipeOptions(masks=True, max_objects=2))
    assert [(each.code, each.fix) for each in verdict.reasons] == [
        ("option", "leave max_objects out"),
        ("option", "leave masks out"),
    ]


def test_the_options_of_a_task_are_those_that_mediapipe_has():
    import mediapipe
    from inference_mediapipe.loading import _NAMES

    others = {"max_objects": 2, "normalize": True, "locale": "de"}
    for option, names in _NAMES.items():
        value = others.get(option, 0.25 if option.startswith("min_") else True)
        for task in TASKS.values():
            domain = getattr(mediapipe.tasks, "text" if task.takes == "text" else "vision")
            fields = getattr(domain, f"{task.api}Options").__dataclass_fields__
            lacks = bool(lacking(task, MediapipeOptions(**{option: value})))
            assert lacks == (not set(names) & set(fields)), (task.name, option)
    assert lacking(TASKS["text-embedding"], MediapipeOptions(mode="video"))


def test_the_gpu_is_for_those_who_ask_where_there_is_one(artifact, gpu_machine):
    assert plugin.can_load(artifact, gpu_machine, Request(device="gpu")).device == "gpu"
    assert "gpu" in plugin.probe_environment(gpu_machine, deep=False).devices


def test_other_devices_are_refused(artifact, gpu_machine):
    _, found = reasons(artifact, gpu_machine, device="cuda:0")
    assert found["device"].fix == 'device="gpu"'


def test_no_gpu_is_a_reason(artifact):
    windows = Environment("windows", "11", "x86_64", "3.11", Cpu("cpu", 1, 1, ()), 2**33)
    _, found = reasons(artifact, windows, device="gpu")
    assert "none was found" in found["device"].message


def test_all_reasons_come_at_once(artifact, machine, monkeypatch):
    monkeypatch.setattr(install_state, "has_library", lambda name: False)
    verdict, found = reasons(
        artifact,
        machine,
        device="npu",
        precision="fp16",
        options=MediapipeOptions(task="face-landmarks"),
    )
    assert verdict.status == "broken"
    assert found.keys() == {"task", "precision", "broken-install", "device"}


@pytest.mark.parametrize(
    ("library", "debian", "fedora"),
    [("libEGL.so.1", "libegl1", "mesa-libEGL"), ("libGLESv2.so.2", "libgles2", "mesa-libGLES")],
)
def test_a_missing_system_library_names_its_package(
    artifact, machine, monkeypatch, library, debian, fedora
):
    monkeypatch.setattr(install_state, "has_library", lambda name: name != library)
    verdict, found = reasons(artifact, machine)
    assert verdict.status == "broken"
    assert library in found["broken-install"].message
    assert found["broken-install"].fix == f"apt-get install {debian}  # or: dnf install {fedora}"
    assert [each.fix for each in plugin.probe_environment(machine, deep=False).problems] == [
        found["broken-install"].fix
    ]


def test_an_opencv_that_cannot_be_imported_is_a_reason_too(artifact, machine, monkeypatch):
    problem = Reason("broken-install", "the installed OpenCV needs libGL.so.1", "pip install other")
    monkeypatch.setattr(install_state, "opencv_problem", lambda: problem)
    verdict, found = reasons(artifact, machine)
    assert verdict.status == "broken"
    assert found["broken-install"] == problem


@pytest.mark.parametrize(
    ("message", "library"),
    [
        ("libEGL.so.1: cannot open shared object file: No such file or directory", "libegl1"),
        ("libGLESv2.so.2: cannot open shared object file", "libgles2"),
        ("libsomething.so.1: cannot open shared object file", None),
    ],
)
def test_what_the_linker_misses_names_its_package(message, library):
    reason = install_state.library_named_in(message)
    assert (reason and reason.fix.split()[2]) == library


def test_a_hidden_library_fails_the_load_with_its_package(artifact, machine, monkeypatch):
    """As where the linker's cache knows a library that is gone."""
    from inference_mediapipe import loading
    from mediapipe.tasks.python.core import mediapipe_c_bindings

    def missing(*_):
        raise OSError("libEGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(mediapipe_c_bindings, "load_raw_library", missing)
    with pytest.raises(Exception, match=r"libEGL\.so\.1, .*apt-get install libegl1") as caught:
        loading.load_session(artifact, machine, Request())
    assert isinstance(caught.value.__cause__, OSError)


def test_a_gpu_that_does_not_answer_is_no_silent_cpu(artifact):
    """The GPU delegate is asked for where there is no GPU, past `can_load`."""
    from inference_core.machine import current
    from inference_mediapipe.loading import load_session

    if "gpu" in plugin.probe_environment(current(), deep=False).devices:
        pytest.skip("this machine has a GPU")
    with pytest.raises(InferenceError, match=r'no GPU that MediaPipe.* device="cpu"'):
        load_session(artifact, current(), Request(device="gpu"))


def test_the_deep_probe_runs_the_tiny_model(machine):
    report = plugin.probe_environment(machine, deep=True)
    assert report.problems == ()
    assert report.devices[0] == "cpu"


def test_the_entry_point_is_light():
    program = "import inference_mediapipe.plugin, sys; print('\\n'.join(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in ended.stdout.split()}
    assert not loaded & {"numpy", "cv2", "mediapipe", "matplotlib", "inference_vision", "pydantic"}


def test_metrics_of_use_are_sent_by_those_who_ask_for_it_only():
    """That nothing is sent without authorities was seen with a server that has one; here, that
    there are none."""
    import os

    import certifi
    import mediapipe
    from inference_mediapipe.loading import without_metrics

    base = without_metrics(mediapipe)(model_asset_path="model.tflite")
    assert base.to_ctypes().ca_bundle_path == os.devnull.encode()
    allowed = mediapipe.tasks.BaseOptions(model_asset_path="model.tflite")
    assert allowed.to_ctypes().ca_bundle_path == certifi.where().encode()
