"""What in a .tflite file, or in the request, keeps LiteRT from running it.

Judged by the facts the reader found, without the runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inference_core.arguments import did_you_mean
from inference_core.environment import Environment
from inference_core.errors import InvalidModel
from inference_core.package import Artifact, Facts, Precision
from inference_core.readers import tflite_file
from inference_core.verdict import Reason

from inference_tflite.options import TfliteOptions

# What LiteRT's Python interface passes to and from arrays.
TENSOR_DTYPES = {
    *("float16", "float32", "float64", "complex64", "complex128", "bool", "str"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
}

# Custom operators that LiteRT's Python package runs: those that it registers, and those that only its
# XNNPACK delegate knows. Found by asking versions 2.0.2 and 2.3.0 for every name that is in their
# binaries; 2.0.2 lacks aeq.hadamard_rotation, and says so when it loads.
_REGISTERED = {
    *("AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess"),
    "aeq.hadamard_rotation",
}
_XNNPACK = {"Convolution2DTransposeBias", "MaxPoolingWithArgmax2D", "MaxUnpooling2D"}
# Operators that MediaPipe's own runtime brings, in mediapipe/util/tflite/operations, as far as
# LiteRT hasn't taken them over.
_MEDIAPIPE = {"Landmarks2TransformMatrix", "TransformLandmarks", "TransformTensorBilinear"}
_EDGE_TPU = "edgetpu-custom-op"
_FLEX = "Flex"


def facts_of(artifact: Artifact) -> Facts:
    """What the reader saw in the artifact's part, read now if the artifact doesn't carry it.

    Raises:
        InvalidModel: the file can't be read, or is damaged.
    """
    role, path = next(iter(artifact.parts.items()))
    facts = artifact.facts.get(role, {})
    return facts if "tflite.signatures" in facts else tflite_file.read(path).facts["model"]


def artifact_reasons(artifact: Artifact, options: TfliteOptions) -> Iterator[Reason]:
    """Why this artifact can't be run by LiteRT with these options."""
    if artifact.format != "tflite":
        yield Reason("format", f"the tflite backend runs .tflite files, not {artifact.format}")
        return
    for role, path in artifact.parts.items():
        try:
            with path.open("rb"):
                facts = facts_of(artifact.part(role))
        except OSError as error:
            yield Reason("error", f"{path} can't be read: {error.strerror or error}")
        except InvalidModel as error:
            yield Reason("format", str(error))
        else:
            yield from _operator_reasons(path, facts, options)
            yield from _graph_reasons(path, facts, options.signature)


def device_reasons(device: str | None, environment: Environment) -> Iterator[Reason]:
    """LiteRT's interpreter runs on the CPU; other devices are reached through a delegate."""
    if device in (None, "cpu"):
        return
    if problem := environment.device_problem(device):
        yield problem
        return
    yield Reason(
        "device",
        f"the tflite backend runs on the CPU, not on {device}; an accelerator with a delegate of its "
        'own is reached by the option "delegate"',
        'device="cpu"',
    )


def precision_reasons(artifact: Artifact, asked: Precision | None) -> Iterator[Reason]:
    """LiteRT runs a graph as it was converted. Weights that are stored in fp16 are widened, so that it
    computes those graphs in fp32."""
    if asked is None or asked == artifact.precision:
        return
    if (asked, artifact.precision) == ("fp32", "fp16"):
        return
    holds = f"holds {artifact.precision}" if artifact.precision else "doesn't show its precision"
    yield Reason(
        "precision",
        f"{asked} was asked for, but {artifact} {holds}, and LiteRT can't convert a graph",
        f'precision="{artifact.precision}"' if artifact.precision else "precision=None",
    )


def _graph_reasons(path: Path, facts: Facts, signature: str | None) -> Iterator[Reason]:
    """Of the graph that is going to run."""
    if signature is None:
        yield from _tensor_reasons(path, facts)
        return
    signatures = facts["tflite.signatures"]
    if signature not in signatures:
        hint = did_you_mean(signature, signatures) or (
            f"; it has {', '.join(map(repr, signatures))}" if signatures else "; it has none"
        )
        message = f"{path.name} has no signature {signature!r}{hint}"
        yield Reason("option", message, 'leave "signature" out')
        return
    graph = signatures[signature]
    yield from _tensor_reasons(path, graph)
    # The runner of other graphs than the first takes inputs as Python's keywords, beside its own self.
    if graph["subgraph"] and any(spec.name == "self" for spec in graph["inputs"]):
        yield Reason(
            "format",
            f"{path.name} calls an input of the signature {signature!r} 'self', which LiteRT's Python "
            "interface can't be given",
        )


def _tensor_reasons(path: Path, graph: Mapping[str, Any]) -> Iterator[Reason]:
    for what in ("inputs", "outputs"):
        for spec in graph[what]:
            if spec.dtype not in TENSOR_DTYPES:
                yield Reason(
                    "format",
                    f"{path.name} has {spec.name!r} of type {spec.dtype} among its {what}, which "
                    "LiteRT can't exchange as an array",
                )


def _operator_reasons(path: Path, facts: Facts, options: TfliteOptions) -> Iterator[Reason]:
    custom = facts["tflite.custom_operators"]
    if flex := [name for name in custom if name.startswith(_FLEX)]:
        yield Reason(
            "format",
            f"{path.name} has operators of TensorFlow itself ({', '.join(flex)}), which LiteRT hasn't "
            "got: convert it again without SELECT_TF_OPS",
        )
    if own := [name for name in custom if name in _MEDIAPIPE]:
        yield Reason(
            "format",
            f"{path.name} has operators that only MediaPipe brings: {', '.join(own)}",
            'backend="mediapipe"',
        )
    if options.delegate is not None:
        return  # it may bring the rest
    if _EDGE_TPU in custom:
        yield Reason(
            "format",
            f"{path.name} is compiled for an Edge TPU: name its library, or take the file from before "
            "it was compiled",
            'options={"delegate": "libedgetpu.so.1"}',
        )
    if only_xnnpack := [name for name in custom if name in _XNNPACK and not options.xnnpack]:
        yield Reason(
            "option",
            f"{path.name} has operators that only XNNPACK runs: {', '.join(only_xnnpack)}",
            'options={"xnnpack": True}',
        )
    known = {*_REGISTERED, *_XNNPACK, *_MEDIAPIPE, _EDGE_TPU, *flex}
    unknown = ", ".join(repr(name) for name in custom if name not in known)
    if unknown:
        yield Reason(
            "format",
            f"{path.name} has custom operators that LiteRT hasn't got ({unknown}): name the library of "
            "a delegate that brings them",
            'options={"delegate": "PATH"}',
        )
