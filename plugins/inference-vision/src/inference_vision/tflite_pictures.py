"""How a TensorFlow Lite file says that pixels go into its graph. Light: standard library and
inference_core only."""

from __future__ import annotations

from typing import Any

from inference_core.package import Facts
from inference_core.session import TensorSpec

from inference_vision.settings import pictures_last


def takes_pictures(facts: Facts) -> bool:
    """Whether the one input is a picture of a known size, as TensorFlow has it, of real numbers or of
    uint8 as they are. Plain int8 could be pixels in several ways."""
    inputs = facts.get("inputs", ())
    if len(inputs) != 1 or not pictures_last(inputs[0].shape) or None in inputs[0].shape[1:]:
        return False
    return inputs[0].dtype == "uint8" or is_real(inputs[0], facts)


def is_real(spec: TensorSpec, facts: Facts) -> bool:
    """Whether a tensor holds real numbers to who runs the graph: floats, or integers with a scale."""
    return spec.dtype.startswith("float") or spec.name in facts.get("tflite.quantized", ())


def pixel_settings(facts: Facts) -> dict[str, Any] | None:
    """The settings of `picture_input.PictureInput` for pixels, from what the reader of `.tflite` files
    saw of a graph that takes pictures: the normalisation of the metadata, or none where the graph
    takes pixels as they are; None if nothing is said."""
    if not is_real(facts["inputs"][0], facts):
        return {}
    normalisation = facts.get("tflite.normalization") or {}
    mean, std = normalisation.get("mean", ()), normalisation.get("std", ())
    if not {len(mean), len(std)} <= {1, 3} or not all(number > 0 for number in std):
        return None
    return {"mean": list(mean * (3 // len(mean))), "std": list(std * (3 // len(std))), "scale": 1}
