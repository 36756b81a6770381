"""How core calls `predict`, for checks that call the hook themselves. Without pytest and numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference_core.arguments import build_options
from inference_core.optional import import_optional
from inference_core.session import Session


def as_core_gives(
    session: Session, inputs: Any, parameters: Mapping[str, Any]
) -> tuple[Any, Mapping[str, Any]]:
    """Inputs and options of a call: pictures read, declared options complete."""
    if getattr(session, "input_kind", None) == "image":
        vision = import_optional("inference_vision.image", "inference-vision", "reading pictures")
        inputs = vision.read_image(inputs, parameters.get("color_format", "bgr"))
        parameters = {name: value for name, value in parameters.items() if name != "color_format"}
    declared = getattr(session, "call_options", None)
    if declared is None:
        return inputs, parameters
    options = build_options(declared, parameters, "the sample's parameters")
    return inputs, {name: getattr(options, name) for name in options.__dataclass_fields__}
