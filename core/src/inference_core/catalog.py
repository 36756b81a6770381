"""Data tables of what exists but isn't installed: known backends, processors and bundled models.

Only hints are made from them ("install X to run Y"); nothing here takes part in choosing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inference_core.package import Artifact, Facts

# The order of the systems this library replaces; backends it doesn't name follow by name. doctr takes
# only what has the parts of an OCR model, and does more with them than onnx, which gives arrays.
DEFAULT_PREFERENCE = (
    "trt",
    "vllm",
    "torch",
    "doctr",
    "onnx",
    "hf",
    "mediapipe",
    "llama-cpp",
    "ctransformers",
)

FORMAT_TITLES = {
    "onnx": "ONNX",
    "torch-export": "torch.export",
    "torchscript": "TorchScript",
    "torch-checkpoint": "PyTorch checkpoint (pickle)",
    "tensorrt": "TensorRT engine",
    "gguf": "GGUF",
    "tflite": "TensorFlow Lite",
    "mediapipe-task": "MediaPipe task bundle",
    "safetensors": "safetensors",
    "transformers": "Hugging Face folder",
}


@dataclass(frozen=True, eq=False)
class KnownBackend:
    """A backend of this project: its name, its distribution with the extra that completes it (for a
    machine without and with an NVIDIA GPU), and the formats it runs, if an artifact has these `parts`.
    `available` is False for one that is planned and can't be installed yet."""

    name: str
    requirement: str
    gpu_requirement: str
    formats: tuple[str, ...]
    available: bool = True
    parts: tuple[str, ...] = ()

    def runs(self, artifact: Artifact) -> bool:
        """Whether the artifact is of its formats and has its parts."""
        return artifact.format in self.formats and artifact.parts.keys() >= set(self.parts)


BACKENDS = (
    KnownBackend(
        "torch",
        "inference-torch",
        "inference-torch",
        ("torch-export", "torchscript", "torch-checkpoint"),
    ),
    KnownBackend("onnx", "inference-onnx[cpu]", "inference-onnx[gpu]", ("onnx",)),
    KnownBackend(
        "doctr",
        "inference-doctr[cpu]",
        "inference-doctr[gpu]",
        ("onnx",),
        parts=("detection", "recognition"),
    ),
    KnownBackend("tflite", "inference-tflite", "inference-tflite", ("tflite",)),
    KnownBackend("trt", "inference-trt", "inference-trt", ("tensorrt",), available=False),
    KnownBackend("hf", "inference-hf", "inference-hf", ("transformers",), available=False),
    KnownBackend(
        "mediapipe",
        "inference-mediapipe",
        "inference-mediapipe",
        ("mediapipe-task", "tflite"),
    ),
    KnownBackend(
        "llama-cpp", "inference-llama-cpp", "inference-llama-cpp", ("gguf",), available=False
    ),
    KnownBackend(
        "ctransformers",
        "inference-ctransformers",
        "inference-ctransformers",
        ("gguf",),
        available=False,
    ),
    KnownBackend("vllm", "inference-vllm", "inference-vllm", ("transformers",), available=False),
)

# Distributions that bring a processor, a bundled model or a URL scheme.
PROCESSORS = dict.fromkeys(
    (
        "blazeface",
        "classification",
        "clip",
        "depth",
        "detr",
        "embedding",
        "sam",
        "semantic-segmentation",
        "ssd",
        "yolo",
        "yolo-keypoints",
        "yolo-nas",
        "yolo-oriented",
        "yolo-segmentation",
        "yolo-world",
    ),
    "inference-vision",
)
# Tasks that are a kind of another: a manifest may state them where a processor recognises the other.
WIDER_TASKS = {
    "face-detection": "keypoint-detection",
    "image-segmentation": "semantic-segmentation",
}
BUNDLED_MODELS = {"shapes": "inference-vision"}


def processor_wanted(artifact: Artifact) -> str | None:
    """The processor a known layout needs, told from metadata alone, or None for a plain graph.

    It keeps a model whose processor isn't installed from answering with raw arrays by surprise.
    """
    for facts in artifact.facts.values():
        if name := _ultralytics_processor(facts):
            return name
    return None


def _ultralytics_processor(facts: Facts) -> str | None:
    # Ultralytics exports state these keys together; "task" alone could be anybody's.
    metadata: dict[str, Any] = dict(facts.get("metadata", {}))
    if not {"task", "names", "stride"} <= metadata.keys():
        return None
    if metadata["task"] == "detect" and "rtdetr" in _described(metadata):
        return "detr"
    known = {
        "classify": "classification",
        "detect": "yolo",
        "obb": "yolo-oriented",
        "pose": "yolo-keypoints",
        "segment": "yolo-segmentation",
    }
    return known.get(metadata["task"], f"ultralytics-{str(metadata['task'])[:40]}")


def _described(metadata: dict[str, Any]) -> str:
    """What Ultralytics says of the architecture: the detector's head, and the model's name."""
    said = f"{metadata.get('head', '')} {metadata.get('description', '')}"
    return said.lower().replace("-", "")
