"""A Roboflow package's inference_config.json as settings of the processors here.

The order in which it prepares a picture is that of `picture_input`: a fixed crop in percent, grey,
contrast, resizing, order of the channels, scaling, mean and deviation. Keys that aren't known are
refused, unless they are switched off: what they do would be missing. Light.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from inference_vision.roboflow_files import ConfigFile
from inference_vision.settings import MAX_SIDE

_IMAGE = "image_pre_processing"
_NETWORK = "network_input"
_AFTER = "post_processing"
_SUPPRESSION = f"{_AFTER}.nms_parameters"

_CONTRASTS = {
    "Contrast Stretching": "stretching",
    "Histogram Equalization": "histogram-equalisation",
    "Adaptive Equalization": "adaptive-equalisation",
}
_STEPS = ("auto-orient", "static-crop", "contrast", "grayscale")
# What there may be within each object, "" being the file. model_initialization is for building a
# network in Python, which a graph doesn't need.
_KEYS = {
    "": {
        _IMAGE, _NETWORK, "forward_pass", _AFTER, "model_initialization", "class_names_operations",
        "class_names",
    },
    _NETWORK: {
        "training_input_size", "dataset_version_resize_dimensions",
        "dynamic_spatial_size_supported", "dynamic_spatial_size_mode", "color_mode", "resize_mode",
        "padding_value", "input_channels", "scaling_factor", "normalization",
    },
    _AFTER: {"type", "fused", "nms_parameters"},
    _SUPPRESSION: {"max_detections", "confidence_threshold", "iou_threshold", "class_agnostic"},
}  # fmt: skip

# Processors that map results back through the whole picture only.
_WHOLE_PICTURE = ("semantic-segmentation",)
# Where a graph's size is fixed, a longer edge can't be fitted without padding or distortion; which of
# the two is what Roboflow's own runtime does for each kind of architecture.
_STRETCHED_INSTEAD = ("rfdetr", "vit", "resnet")
_BLACK_INSTEAD = ("deep-lab-v3-plus",)
_GREY = 127
# These need no suppression of overlaps, and say nothing of it.
_END_TO_END = ("yolov10", "yolo26")


def settings_of(inference: ConfigFile, architecture: str, processor: str) -> dict[str, Any]:
    """The settings of a processor.

    Args:
        inference: inference_config.json.
        architecture: "yolov8", "rfdetr", "vit", …
        processor: name of the processor.

    Raises:
        InvalidModel: it asks for what can't be done, by name.
    """
    for place, known in _KEYS.items():
        for name in sorted(inference.keys(place) - known):
            key = f"{place}.{name}" if place else name
            if value := inference.get(key):
                raise inference.refused(key, value, "the key isn't known")
    settings: dict[str, Any] = {"imgsz": list(_size(inference, "training_input_size"))}
    settings |= _steps(inference, processor)
    settings |= _resize(inference, architecture, processor)
    settings |= _values(inference, processor, grey="color_mode" in settings)
    settings |= _after(inference, architecture, processor)
    if processor.startswith("yolo"):
        settings["stride"] = 1  # the size is the one it was trained with
    return settings


def batch_of(model: ConfigFile, inference: ConfigFile) -> tuple[int, int | None] | None:
    """Smallest and largest batch; None if the files don't say."""
    key = "forward_pass.static_batch_size"
    static = inference.whole_number(key) or model.whole_number("static_batch_size")
    if static:
        return static, static
    largest = inference.whole_number("forward_pass.max_dynamic_batch_size")
    return (1, largest) if largest else None


def parameters_of(
    model: ConfigFile,
    inference: ConfigFile,
    processor: str,
    labels: tuple[str, ...],
    names: Collection[str],
) -> dict[str, Any]:
    """Defaults of the per-call options: what the package recommends, where the processor has it.

    Args:
        model: model_config.json.
        inference: inference_config.json.
        processor: name of the processor.
        labels: of the model.
        names: of all its classes; those that the package removes may still have a confidence.

    Raises:
        InvalidModel: a value of the wrong type or range, or for a label that there isn't.
    """
    parameters: dict[str, Any] = {}
    suppresses = processor.startswith("yolo") and not inference.flag(f"{_AFTER}.fused")
    if suppresses:
        for key, option in (("confidence_threshold", "confidence"), ("iou_threshold", "iou")):
            if (value := inference.share(f"{_SUPPRESSION}.{key}")) is not None:
                parameters[option] = value
        key = f"{_SUPPRESSION}.max_detections"
        if (most := inference.whole_number(key)) is not None:
            if most < 1:
                raise inference.refused(key, most, "it must be at least 1")
            parameters["max_detections"] = most
        key = f"{_SUPPRESSION}.class_agnostic"
        if (agnostic := inference.get(key)) is not None:
            if agnostic not in (0, 1):  # the platform writes numbers, which true and false equal
                raise inference.refused(key, agnostic, "it must be true or false, or 1 or 0")
            parameters["class_agnostic"] = bool(agnostic)
    if suppresses or processor.startswith("yolo") or processor == "detr":
        parameters |= _confidence(model, labels, names, parameters.get("confidence"))
    return parameters


def _confidence(
    model: ConfigFile, labels: tuple[str, ...], names: Collection[str], general: float | None
) -> dict[str, float | dict[str, float]]:
    """The recommended confidence: one, or one per label where there is a table of them."""
    prefix = "recommended_parameters."
    stated = model.share(prefix + "confidence")
    general = general if stated is None else stated
    for key in (prefix + "per_class_confidence", prefix + "perClassConfidence"):
        if per_class := model.shares(key):
            if unknown := sorted(per_class.keys() - set(names)):
                raise model.refused(key, model.get(key), f"the model has no label {unknown[0]!r}")
            table = {label: per_class.get(label, general) for label in labels}
            return {"confidence": {k: v for k, v in table.items() if v is not None}}
    return {} if general is None else {"confidence": general}


def _size(inference: ConfigFile, key: str) -> tuple[int, int]:
    """(height, width), which must be there."""
    sides = []
    for side in ("height", "width"):
        name = f"{_NETWORK}.{key}.{side}"
        value = inference.whole_number(name)
        if not value or value > MAX_SIDE:
            raise inference.refused(name, value, f"it must be 1 to {MAX_SIDE} pixels")
        sides.append(value)
    return sides[0], sides[1]


def _steps(inference: ConfigFile, processor: str) -> dict[str, Any]:
    """What is done to the whole picture, before it is resized."""
    settings: dict[str, Any] = {}
    for step in inference.get(_IMAGE) or {}:
        key = f"{_IMAGE}.{step}"
        enabled = inference.get(key) is not None and inference.flag(f"{key}.enabled")
        if not enabled or step == "auto-orient":  # pictures are always turned upright here
            continue
        if step not in _STEPS:
            raise inference.refused(key, inference.get(key), f"known are {', '.join(_STEPS)}")
        if step == "static-crop":
            settings["region"] = _region(inference, key, processor)
        elif step == "contrast":
            settings["contrast"] = inference.choice(f"{key}.type", _CONTRASTS)
        else:
            settings["color_mode"] = "gray"
    return settings


def _region(inference: ConfigFile, key: str, processor: str) -> list[float]:
    sides = [inference.number(f"{key}.{side}") for side in ("x_min", "y_min", "x_max", "y_max")]
    left, top, right, bottom = (-1.0 if side is None else side for side in sides)
    if not (0 <= left < right <= 100 and 0 <= top < bottom <= 100):
        why = "x_min < x_max and y_min < y_max must be percent, 0 to 100"
        raise inference.refused(key, inference.get(key), why)
    if processor in _WHOLE_PICTURE:
        raise inference.refused(key, inference.get(key), f"{processor} takes whole pictures only")
    return [left, top, right, bottom]


def _resize(inference: ConfigFile, architecture: str, processor: str) -> dict[str, Any]:
    """Resize mode, padding and interpolation. They cut fractions of the inner size and padding."""
    key = f"{_NETWORK}.resize_mode"
    modes = ("stretch", "letterbox", "letterbox-reflect-edges", "center-crop", "fit-longer-edge")
    mode = inference.choice(key, {each: each for each in modes})
    padding = inference.whole_number(f"{_NETWORK}.padding_value") or 0
    if padding > 255:
        raise inference.refused(f"{_NETWORK}.padding_value", padding, "it must be 0 to 255")
    if mode == "fit-longer-edge":
        mode = "stretch" if architecture in _STRETCHED_INSTEAD else "letterbox"
        padding = 0 if architecture in _BLACK_INSTEAD else _GREY
    if architecture == "rfdetr":
        # Trained on squares that the dataset's pictures were stretched to, after the dataset's own
        # resizing; without that, stretching is all that is done.
        if (
            mode == "stretch"
            or inference.get(f"{_NETWORK}.dataset_version_resize_dimensions") is None
        ):
            return {"resize": "stretch", "interpolation": "auto"}
        _check_one_step(inference)
    if mode == "stretch":
        return {"resize": "stretch", "interpolation": "linear"}
    if mode == "center-crop":
        if processor in _WHOLE_PICTURE:
            raise inference.refused(key, mode, f"{processor} takes whole pictures only")
        return {"resize": "unscaled", "padding": 0}
    # Roboflow's own runtime pads "reflect edges" with the padding value as well.
    return {
        "resize": "letterbox",
        "rounding": "down",
        "padding": padding,
        "interpolation": "linear",
    }


def _check_one_step(inference: ConfigFile) -> None:
    key = "dataset_version_resize_dimensions"
    if _size(inference, key) != _size(inference, "training_input_size"):
        raise inference.refused(
            f"{_NETWORK}.{key}",
            inference.get(f"{_NETWORK}.{key}"),
            "pictures would have to be resized twice, to these dimensions and then to "
            "training_input_size; make a version of the dataset that is stretched",
        )


def _values(inference: ConfigFile, processor: str, grey: bool) -> dict[str, Any]:
    """Order of the channels, and what pixels are divided by and normalised with."""
    channels = inference.whole_number(f"{_NETWORK}.input_channels")
    if channels not in (1, 3):
        raise inference.refused(f"{_NETWORK}.input_channels", channels, "it must be 3 or 1")
    mode = inference.choice(f"{_NETWORK}.color_mode", {"rgb": "rgb", "bgr": "bgr"})
    scale = inference.number(f"{_NETWORK}.scaling_factor")
    if scale is not None and scale <= 0:
        raise inference.refused(f"{_NETWORK}.scaling_factor", scale, "it must be above 0")
    mean, std = _normalisation(inference, channels)
    if processor == "detr" and (scale is None or inference.get(f"{_NETWORK}.normalization")):
        scale = 255.0  # their pixels are 0..1 before mean and deviation, whatever the factor
    if mode == "bgr" and not grey:  # the files have them in the order of the tensor
        mean, std = mean[::-1], std[::-1]
    return {
        "color_mode": "gray" if grey or channels == 1 else mode,
        "scale": 1.0 if scale is None else scale,
        "mean": mean,
        "std": std,
    }


def _normalisation(inference: ConfigFile, channels: int) -> tuple[list[float], list[float]]:
    key = f"{_NETWORK}.normalization"
    value = inference.get(key)
    if value is None:
        return [0.0] * 3, [1.0] * 3
    fits = isinstance(value, list) and len(value) == 2 and all(isinstance(v, list) for v in value)
    numbers = [number for each in value for number in each] if fits else []
    if len(numbers) != 2 * channels or not all(isinstance(n, (int, float)) for n in numbers):
        raise inference.refused(
            key, value, f"it must be {channels} means and {channels} deviations"
        )
    mean, std = (list(map(float, each)) * (3 // channels) for each in value)
    if 0 in std:
        raise inference.refused(key, value, "a deviation of 0 can't be divided by")
    return mean, std


def _after(inference: ConfigFile, architecture: str, processor: str) -> dict[str, Any]:
    """What follows the graph."""
    if inference.get(_AFTER) is None or processor in ("detr", "yolo-nas"):
        fused, kind = False, None
    else:
        kinds = ("nms",) if processor.startswith("yolo") else ("softmax", "sigmoid")
        kind = inference.choice(f"{_AFTER}.type", {each: each for each in kinds})
        fused = inference.flag(f"{_AFTER}.fused")
    if processor.startswith("yolo") and processor != "yolo-nas":
        return {"layout": "end-to-end"} if fused or architecture in _END_TO_END else {}
    if kind is None:
        return {}
    return {"activation": "none" if fused else kind}
