"""From an artifact to a session: MediaPipe is imported here, and its options are filled in."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from inference_core.environment import Environment
from inference_core.errors import InferenceError, InvalidArgument, InvalidModel
from inference_core.package import Artifact, Request
from inference_core.system_libraries import opencv_problem
from inference_core.verdict import Reason

from inference_mediapipe.artifact_check import checked_facts
from inference_mediapipe.install_state import library_named_in
from inference_mediapipe.native_task import NATIVE_ERRORS, in_one_line
from inference_mediapipe.options import MediapipeOptions, lacking
from inference_mediapipe.session import TaskSession
from inference_mediapipe.tasks import Task, task_of

# Options of ours that a task has by other names, of which it has one.
_NAMES = {
    "max_objects": ("num_faces", "num_hands", "num_poses"),
    "min_detection_confidence": (
        "min_detection_confidence",
        "min_face_detection_confidence",
        "min_hand_detection_confidence",
        "min_pose_detection_confidence",
    ),
    "min_presence_confidence": (
        "min_face_presence_confidence",
        "min_hand_presence_confidence",
        "min_pose_presence_confidence",
    ),
    "min_tracking_confidence": ("min_tracking_confidence",),
    "min_suppression_threshold": ("min_suppression_threshold",),
    "masks": ("output_segmentation_masks",),
    "blendshapes": ("output_face_blendshapes",),
    "transforms": ("output_facial_transformation_matrixes",),
    "normalize": ("l2_normalize",),
    "locale": ("display_names_locale",),
}
_OURS = ("task", "mode", "usage_metrics", "native_log")


def load_session(artifact: Artifact, environment: Environment, request: Request) -> TaskSession:
    """A loaded task.

    Raises:
        InvalidModel: MediaPipe refuses the file; its reason is in the message.
        InvalidArgument: an option that the task hasn't got.
        InferenceError: MediaPipe can't be imported.
    """
    options: MediapipeOptions = request.options or MediapipeOptions()
    facts = checked_facts(artifact)
    if isinstance(facts, Reason):
        raise InvalidModel(facts.message)
    task = task_of(artifact, facts, options.task)
    if isinstance(task, Reason):
        raise InvalidModel(task.message)
    for problem in lacking(task, options).values():
        raise InvalidArgument(problem)
    device = request.device or "cpu"
    api = imported()
    make = maker(api, task, artifact, device, options)
    about = {**facts.get("metadata", {}), "task": task.name}
    labels = tuple(facts.get("tflite.labels") or ())
    return TaskSession(task, make, api, device, options, about, artifact.path.name, labels)


def imported() -> Any:
    """The module `mediapipe`.

    Raises:
        InferenceError: it can't be imported, with the library or package that it lacks.
    """
    try:
        import mediapipe
        from mediapipe.tasks.python.core import mediapipe_c_bindings

        mediapipe_c_bindings.load_raw_library()
    except (ImportError, OSError) as error:
        reason = library_named_in(str(error))
        reason = reason or opencv_problem()
        if reason is not None:
            raise InferenceError(f"{reason.message}. To install it: {reason.fix}") from error
        raise InferenceError(f"mediapipe can't be imported: {error}") from error
    return mediapipe


def maker(
    api: Any, task: Task, artifact: Artifact, device: str, options: MediapipeOptions
) -> Callable[[bool], Any]:
    """What makes MediaPipe's object: called with whether it is to follow a video."""
    domain = api.tasks.text if task.takes == "text" else api.tasks.vision
    options_class = getattr(domain, f"{task.api}Options")
    settings = _settings(task, options_class, options)
    delegate = api.tasks.BaseOptions.Delegate
    base_class = api.tasks.BaseOptions if options.usage_metrics else without_metrics(api)
    base = base_class(
        model_asset_path=os.fspath(artifact.path),
        delegate=delegate.GPU if device == "gpu" else delegate.CPU,
    )

    def make(video: bool) -> Any:
        modes = {}
        if task.takes == "image":
            running = api.tasks.vision.RunningMode
            modes["running_mode"] = running.VIDEO if video else running.IMAGE
        given = options_class(base_options=base, **settings, **modes)
        try:
            return getattr(domain, task.api).create_from_options(given)
        except NATIVE_ERRORS as error:
            if "kGpuService" in str(error):
                raise InferenceError(
                    f"{artifact.path}: there is no GPU that MediaPipe's delegate can use (it needs "
                    'OpenGL ES 3.1 on Linux, Metal on macOS); load with device="cpu"'
                ) from error
            # OSError: MediaPipe says that metadata aren't found by a FileNotFoundError.
            raise InvalidModel(
                f"{artifact.path}: MediaPipe's {task.api} on {device} refuses it: {in_one_line(error)}"
            ) from error

    return make


def _settings(task: Task, options_class: Any, options: MediapipeOptions) -> dict[str, Any]:
    fields = options_class.__dataclass_fields__
    settings: dict[str, Any] = {}
    for name, value in options.given().items():
        if name in _OURS:
            continue
        theirs = next(each for each in _NAMES[name] if each in fields)
        settings[theirs] = value
    if task.name == "image-segmentation":
        settings |= {"output_category_mask": True, "output_confidence_masks": True}
    return settings


def without_metrics(api: Any) -> type[Any]:
    """MediaPipe's base options, but with no authorities to trust for its connection to Google.

    MediaPipe 1.2 has no switch for the metrics it sends. Without authorities the server it connects to
    can't be verified, and nothing is sent to it.
    """
    inherited: type[Any] = api.tasks.BaseOptions

    class WithoutMetrics(inherited):  # type: ignore[misc]
        def to_ctypes(self) -> Any:
            options = super().to_ctypes()
            if "ca_bundle_path" not in dict(options._fields_):
                raise InferenceError(
                    f"this backend doesn't know how to keep mediapipe {api.__version__} from sending "
                    'metrics; allow them with options={"usage_metrics": True}'
                )
            options.ca_bundle_path = os.devnull.encode()
            return options

    return WithoutMetrics
