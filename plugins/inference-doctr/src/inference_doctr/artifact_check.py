"""What in the files of an OCR model keeps onnxtr from running them.

Judged by the facts that the reader of ONNX files found, without onnxtr.
"""

from __future__ import annotations

from collections.abc import Iterator

from inference_core.errors import InvalidModel
from inference_core.package import Artifact
from inference_core.readers import onnx_file
from inference_core.session import TensorSpec
from inference_core.verdict import Reason
from inference_onnx.artifact_check import artifact_reasons

DETECTION, RECOGNITION = "detection", "recognition"
NEEDED = (DETECTION, RECOGNITION)
OPTIONAL = ("crop_orientation", "page_orientation")


def format_reason(artifact: Artifact) -> Reason | None:
    """Why this is no OCR model at all, by its format and the roles of its parts."""
    roles = set(artifact.parts)
    if artifact.format == "onnx" and roles >= set(NEEDED) and roles <= {*NEEDED, *OPTIONAL}:
        return None
    return Reason(
        "format",
        f"doctr runs onnx artifacts with the parts {' and '.join(NEEDED)} (and maybe "
        f"{' and '.join(OPTIONAL)}), not {artifact.format} with {' and '.join(artifact.parts)}",
    )


def graph_reasons(artifact: Artifact, runtime: str | None) -> Iterator[Reason]:
    """Why the graphs can't be run by onnxtr and onnxruntime of version `runtime` (None: any)."""
    if artifact.task not in (None, "ocr"):
        said = f"the manifest states the task {artifact.task!r}, and doctr performs 'ocr'"
        yield Reason("task", said, '"task": "ocr" in model.json')
    damage = list(artifact_reasons(artifact, runtime))
    yield from damage
    if damage:
        return  # its facts may be nonsense
    for role, path in artifact.parts.items():
        facts = artifact.facts.get(role, {})
        try:
            if "inputs" not in facts:
                facts = onnx_file.read(path).facts["model"]
        except (OSError, InvalidModel) as error:
            yield Reason("error", f"{path.name}: {error}")
            continue
        for problem in _problems(role, facts["inputs"], facts["outputs"]):
            message = f"{path.name}, the part {role}, {problem}; export it again as docTR does"
            yield Reason("format", message)


def spatial_size(shape: tuple[int | None, ...]) -> tuple[int, int] | None:
    """(height, width) of the pictures a graph takes, None where its shape doesn't fix them.

    Args:
        shape: of the input: (batch, 3, height, width), or (batch, height, width, 3) as exports of
            TensorFlow have it.
    """
    height, width = shape[1:3] if shape[3] == 3 else shape[2:]
    return (height, width) if height and width else None


def _problems(
    role: str, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> Iterator[str]:
    if len(inputs) != 1:
        yield f"has {len(inputs)} inputs and should have one, the pictures"
        return
    if inputs[0].dtype != "float32":
        yield f"takes {inputs[0].dtype} and should take float32"
    shape = inputs[0].shape
    if shape is None or len(shape) != 4 or 3 not in (shape[1], shape[3]):
        yield f"takes {inputs[0]} and should take pictures of the shape (batch, 3, height, width)"
        return
    if spatial_size(shape) is None:
        yield f"takes pictures of any size ({inputs[0]}) and should fix height and width"
    if shape[0] not in (None, 1):
        yield f"takes exactly {shape[0]} pictures at once and should take any number, or one"
    if not outputs:
        yield "has no output"
        return
    rank = {DETECTION: 4, RECOGNITION: 3}.get(role, 2)
    found = outputs[0].shape
    if found is None:
        return
    if len(found) != rank:
        yield f"gives {outputs[0]} and should give an array of {rank} axes"
    elif role == DETECTION and None not in found[1:] and 1 not in (found[1], found[3]):
        yield f"gives {outputs[0]} and should give one map of a page, the logits of text"
    elif role in OPTIONAL and found[-1] not in (None, 4):
        yield f"gives {outputs[0]} and should tell 4 orientations: 0, -90, 180 and 90 degrees"
