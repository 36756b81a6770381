"""Reads the model packages that Roboflow's platform makes: a folder with its weights, its labels and
two JSON files that say what the model is and how its pictures are to be prepared.

    model_config.json      architecture, task and backend; recommended confidences
    inference_config.json  preprocessing, size of batches, what follows the graph
    class_names.txt        a label per line, in the order of class ids
    keypoints_metadata.json  names of keypoints, of models that find them
    weights.onnx, weights.torchscript, weights.pt2, engine.plan  one or several of them

What the second file asks for is translated by `inference_vision.roboflow_settings`. Whatever can't
be done as the files say is refused with the file, the key and the value. Light: standard library
and inference_core only.

Source of the format: the models of https://github.com/roboflow/inference (inference_models), and the
page on model packages in its documentation, as of August 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference_core.errors import InvalidModel
from inference_core.package import Artifact, ModelPackage, ProcessorSpec
from inference_core.readers.formats import read_format

from inference_vision.roboflow_files import ConfigFile, label_lines
from inference_vision.roboflow_settings import batch_of, parameters_of, settings_of

MODEL_CONFIG, INFERENCE_CONFIG = "model_config.json", "inference_config.json"
CLASS_NAMES, KEYPOINTS = "class_names.txt", "keypoints_metadata.json"

_FORMATS = {
    ".onnx": "onnx",
    ".torchscript": "torchscript",
    ".pt2": "torch-export",
    ".engine": "tensorrt",
    ".plan": "tensorrt",
}

# Task in the file: its name here, and the processor for each kind of architecture.
_TASKS: dict[str, tuple[str, dict[str, str]]] = {
    "object-detection": (
        "object-detection",
        {"yolo": "yolo", "yolonas": "yolo-nas", "rfdetr": "detr"},
    ),
    "instance-segmentation": (
        "instance-segmentation",
        {"yolo": "yolo-segmentation", "rfdetr": "detr"},
    ),
    "keypoint-detection": ("keypoint-detection", {"yolo": "yolo-keypoints"}),
    "classification": (
        "image-classification",
        dict.fromkeys(("yolo", "vit", "resnet"), "classification"),
    ),
    "multi-label-classification": (
        "image-classification",
        dict.fromkeys(("vit", "resnet"), "classification"),
    ),
    "semantic-segmentation": (
        "semantic-segmentation",
        dict.fromkeys(("yolo", "deep-lab-v3-plus"), "semantic-segmentation"),
    ),
}


def read(path: Path) -> ModelPackage | None:
    """The package in a folder of Roboflow's; None for anything else. An `inference_core.readers`
    entry point.

    Raises:
        InvalidModel: a file is damaged or missing, or asks for what can't be done.
    """
    if not path.is_dir():
        return None
    present = [(path / name).is_file() for name in (MODEL_CONFIG, INFERENCE_CONFIG)]
    if not any(present) or (present == [True, False] and not _is_ours(path / MODEL_CONFIG)):
        return None
    if not all(present):
        missing = MODEL_CONFIG if present[1] else INFERENCE_CONFIG
        raise InvalidModel(
            f"{path} looks like a model package of Roboflow's, but has no {missing}: download the "
            "package again, or write a model.json that states task, labels and processor"
        )
    model, inference = ConfigFile(path / MODEL_CONFIG), ConfigFile(path / INFERENCE_CONFIG)
    architecture, task, processor = _recognised(model)
    names = _labels(path, inference, model)
    labels, columns = _remaining(inference, names, processor)
    artifacts = tuple(_artifacts(path, model, inference))
    settings: dict[str, Any] = settings_of(inference, architecture, processor)
    if columns is not None:
        settings["columns"] = columns
    if processor == "yolo-keypoints":
        settings |= _keypoints(path / KEYPOINTS)
    return ModelPackage(
        name=path.name,
        root=path,
        artifacts=artifacts,
        task=task,
        labels=labels,
        processor=ProcessorSpec(processor, settings),
        parameters=parameters_of(model, inference, processor, labels, names),
    )


def _is_ours(path: Path) -> bool:
    """Whether a file of that common name is Roboflow's."""
    return {"model_architecture", "task_type"} <= ConfigFile(path).keys()


def _recognised(model: ConfigFile) -> tuple[str, str, str]:
    """Architecture, task and processor."""
    architecture, stated = model.text("model_architecture"), model.text("task_type")
    kind = "yolo" if re.fullmatch(r"yolov?\d+", architecture) else architecture
    if stated not in _TASKS:
        raise model.refused("task_type", stated, f"known are {', '.join(_TASKS)}")
    task, processors = _TASKS[stated]
    if kind not in processors:
        known = ", ".join("yolov5 and later" if each == "yolo" else each for each in processors)
        raise model.refused("model_architecture", architecture, f"for {stated} known are {known}")
    backend = model.get("backend_type")
    if backend not in (None, "onnx", "torch-script", "trt"):
        raise model.refused(
            "backend_type",
            backend,
            "its weights need the code they were made with; take the package for onnx, torch-script "
            "or trt",
        )
    return architecture, task, processors[kind]


def _labels(path: Path, *configs: ConfigFile) -> tuple[str, ...]:
    """From the file of labels, or from a config that lists them as class_names."""
    file = path / CLASS_NAMES
    if file.exists():
        return label_lines(file)
    for config in configs:
        names = config.get("class_names")
        if names is None:
            continue
        if not names or not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise config.refused("class_names", names, "it must be a list of names")
        return tuple(names)
    raise InvalidModel(f"{path} has no {CLASS_NAMES}: write one, a label per line by class id")


def _remaining(
    inference: ConfigFile, names: tuple[str, ...], processor: str
) -> tuple[tuple[str, ...], list[int] | None]:
    """The labels without those that the package removes, and for detection transformers the
    column of class scores that each has: the graph still scores what was removed."""
    removed = set()
    for operation in inference.get("class_names_operations") or ():
        known = isinstance(operation, Mapping) and operation.get("type") == "class_name_removal"
        if not known or operation.get("class_name") not in names or processor != "detr":
            raise inference.refused(
                "class_names_operations",
                operation,
                'known is {"type": "class_name_removal", "class_name": NAME}, with one of the names, '
                "for detection transformers",
            )
        removed.add(operation["class_name"])
    kept = [index for index, name in enumerate(names) if name not in removed]
    return tuple(names[index] for index in kept), kept if processor == "detr" else None


def _artifacts(path: Path, model: ConfigFile, inference: ConfigFile) -> Sequence[Artifact]:
    """One per file of weights."""
    batch = batch_of(model, inference)
    found: dict[str, list[Path]] = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in _FORMATS and file.is_file():
            found.setdefault(_FORMATS[file.suffix.lower()], []).append(file)
    if not found:
        raise InvalidModel(
            f"{path} has no weights that can be run: none of its files ends in "
            f"{', '.join(_FORMATS)}; take the package for onnx, torch-script or trt"
        )
    for format_name, files in found.items():
        if len(files) > 1:
            raise InvalidModel(
                f"{path} has several files of {format_name}, {' and '.join(f.name for f in files)}: "
                "leave one, or write a model.json that names them"
            )
    return [_artifact(format_name, files[0], batch) for format_name, files in found.items()]


def _artifact(format_name: str, file: Path, batch: tuple[int, int | None] | None) -> Artifact:
    if format_name == "tensorrt":  # nothing but TensorRT reads it
        return Artifact(format_name, {"model": file}, batch=batch, facts={"model": {}})
    artifact = read_format(format_name, file)
    if artifact.batch is None or (artifact.batch[1] is None and batch):
        return replace(artifact, batch=batch)
    return artifact


def _keypoints(path: Path) -> dict[str, Any]:
    """How many keypoints there are, each x, y and visibility, and their names."""
    if not path.exists():
        return {}
    described = ConfigFile(path).entries()
    names: list[list[str]] = []
    for entry in described:
        keypoints = entry.get("keypoints") if isinstance(entry, Mapping) else None
        if not isinstance(keypoints, Mapping) or not keypoints:
            raise InvalidModel(f"{path}: each entry must hold keypoints, a name by number")
        if not all(key.isdecimal() for key in keypoints):
            raise InvalidModel(f"{path}: keypoints are numbered 0, 1, 2, …, not {list(keypoints)}")
        names.append([str(keypoints[key]) for key in sorted(keypoints, key=int)])
    if not names:
        return {}
    most = max(names, key=len)
    shared = all(each == most[: len(each)] for each in names)
    stated: dict[str, Any] = {"keypoints": [len(most), 3]}
    # Classes with keypoints of their own share the places in the output, but not the names.
    return stated | ({"keypoint_names": most} if shared else {})
