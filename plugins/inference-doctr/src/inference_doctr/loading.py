"""From an artifact to a `DoctrSession` on the device that was asked for, or a clear error.

onnxtr downloads what it is given an address of, or nothing at all. Here it always gets files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference_core.environment import Environment
from inference_core.errors import InferenceError
from inference_core.package import Artifact, Request
from inference_onnx.install_state import find_install
from inference_onnx.loading import checked_device, session_options
from inference_onnx.options import OnnxOptions
from inference_onnx.placement import Placement, place
from inference_onnx.session import ORT_ERRORS
from onnxtr.models.classification.models import mobilenet
from onnxtr.models.detection.models import differentiable_binarization
from onnxtr.models.engine import EngineConfig
from onnxtr.models.recognition.models import crnn

from inference_doctr.artifact_check import DETECTION, RECOGNITION, spatial_size
from inference_doctr.engines import Detector, Orientation, Recogniser
from inference_doctr.options import DoctrOptions
from inference_doctr.pipeline import Engines
from inference_doctr.session import DoctrSession

# Of each part its class, and the configuration of onnxtr with its mean and standard deviation.
_CLASSES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    DETECTION: (Detector, differentiable_binarization.default_cfgs["db_resnet50"]),
    RECOGNITION: (Recogniser, crnn.default_cfgs["crnn_vgg16_bn"]),
    "crop_orientation": (
        Orientation,
        mobilenet.default_cfgs["mobilenet_v3_small_crop_orientation"],
    ),
    "page_orientation": (
        Orientation,
        mobilenet.default_cfgs["mobilenet_v3_small_page_orientation"],
    ),
}


class LocalPath(str):
    """A path that onnxtr takes for no address, which to it is any text with "http" in it."""

    __slots__ = ()

    def __contains__(self, text: object) -> bool:
        return text != "http" and super().__contains__(text)  # type: ignore[operator]


def load_session(artifact: Artifact, environment: Environment, request: Request) -> DoctrSession:
    """Load all parts of an artifact that `can_load` accepted.

    Raises:
        InferenceError: the device can't be had, isn't the one that was got, or onnxruntime refuses
            a file (its exception is the cause).
    """
    options = request.options or DoctrOptions()
    runtime = OnnxOptions(threads=options.threads)
    placement, reasons = place(request.device, runtime, environment, find_install())
    if placement is None:
        why = "; ".join(str(each.reason) for each in reasons)
        raise InferenceError(f"{artifact} can't be loaded: {why}")
    engines = Engines(
        **{role: _engine(role, path, placement, runtime) for role, path in artifact.parts.items()}
    )
    return DoctrSession(engines, options, placement.name, str(artifact))


def _engine(role: str, path: Path, placement: Placement, options: OnnxOptions) -> Any:
    cls, defaults = _CLASSES[role]
    engine_cfg = EngineConfig(list(placement.providers), session_options(options))
    arguments: dict[str, Any] = {"engine_cfg": engine_cfg, "cfg": dict(defaults)}
    if role == RECOGNITION:
        arguments["vocab"] = ""  # stated by each call
    try:
        engine = cls(LocalPath(path), **arguments)
    except ORT_ERRORS as error:
        raise InferenceError(f"onnxruntime can't load {path}: {error}") from error
    checked_device(engine.runtime, placement, str(path))
    size = spatial_size(tuple(engine.runtime_inputs.shape))
    if size is None or not all(isinstance(each, int) for each in size):
        raise InferenceError(f"{path} takes pictures of any size; onnxtr needs one that is fixed")
    engine.cfg["input_shape"] = (3, *size)
    return engine
