"""The deep probe: import onnxruntime, run a tiny graph on each device, compare the result.

Core calls it in a child process with a time limit, so a crash or a hang costs only the probe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inference_core.errors import InferenceError
from inference_core.verdict import Reason

from inference_onnx.install_state import Install
from inference_onnx.placement import CPU, CUDA, Placement


def run_on_each(devices: Sequence[str], install: Install) -> Iterator[Reason]:
    """What is wrong with onnxruntime on these devices ("cuda:0", "cpu")."""
    try:
        import onnxruntime as ort
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        message = f"onnxruntime {install.version} is there, but importing it fails: {error!r}"
        yield Reason("broken-install", message)
        return
    if install.version != ort.__version__:
        message = f"onnxruntime {ort.__version__} was imported, but {install.version} is installed"
        yield Reason("broken-install", message)
    for device in devices:
        try:
            got = run_tiny_model(device)
        except InferenceError as error:
            yield Reason("device", str(error))
            continue
        if got != [2.0, 4.0, -1.0]:
            yield Reason("device", f"onnxruntime on {device} says [1, 2, -0.5] doubled is {got}")


def run_tiny_model(device: str) -> list[float]:
    """[1, 2, -0.5] doubled by onnxruntime on a device.

    Raises:
        InferenceError: it can't, or it isn't on that device.
    """
    import numpy as np
    import onnxruntime as ort

    from inference_onnx.loading import checked_device
    from inference_onnx.session import ORT_ERRORS

    kind, _, index = device.partition(":")
    providers = ((CUDA, {"device_id": index}),) if kind == "cuda" else ((CPU, {}),)
    try:
        session = ort.InferenceSession(tiny_model(), providers=list(providers), enable_fallback=0)
        checked_device(session, Placement(device, providers), "a tiny graph")
        (result,) = session.run(["y"], {"x": np.array([1, 2, -0.5], np.float32)})
    except ORT_ERRORS as error:
        raise InferenceError(f"onnxruntime fails on {device}: {error}") from error
    return [float(number) for number in result]


def tiny_model() -> bytes:
    """An ONNX model of one node, y = x + x with x float32(3), opset 13.

    Assembled as protobuf by hand, so that a probe needs no onnx package. Field numbers as in
    https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
    """
    shape = _message(1, _integer(1, 3))  # TensorShapeProto: one axis of size 3
    tensor_type = _message(1, _integer(1, 1) + _message(2, shape))  # TypeProto: float32
    x = _message(1, b"x") + _message(2, tensor_type)
    y = _message(1, b"y") + _message(2, tensor_type)
    node = _message(1, b"x") + _message(1, b"x") + _message(2, b"y") + _message(4, b"Add")
    graph = _message(1, node) + _message(2, b"tiny") + _message(11, x) + _message(12, y)
    return _integer(1, 8) + _message(7, graph) + _message(8, _integer(2, 13))


def _integer(number: int, value: int) -> bytes:
    return bytes([number << 3, value])


def _message(number: int, content: bytes) -> bytes:
    assert len(content) < 128  # lengths of one byte do for this model
    return bytes([number << 3 | 2, len(content)]) + content
