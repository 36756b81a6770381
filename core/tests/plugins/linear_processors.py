"""Processors for the models of `linear_backend`: one graph, and two (encode, then decode)."""

from __future__ import annotations

from dataclasses import dataclass

from inference_core.errors import InvalidInput, InvalidModel
from inference_core.processor import Recognition


@dataclass(frozen=True, slots=True)
class Options:
    scale: float = 1.0
    broken: str = ""
    decoded: bool = False  # whether an encoding is already the result

    def __post_init__(self) -> None:
        if self.scale < 0:
            raise ValueError("scale must not be negative")


class RowProcessor:
    """An input is a list of numbers, a result the list of numbers that comes back."""

    OPTIONS = Options
    TASK = "rows of numbers"

    def __init__(self, package, parts) -> None:
        if package.processor.settings.get("refuse"):
            raise InvalidModel("the settings refuse it")
        if package.processor.settings.get("crash"):
            raise ZeroDivisionError("the processor's own mistake")
        (self.spec,) = parts["model"].inputs
        self.offset = package.processor.settings.get("offset", 0)

    @classmethod
    def recognise(cls, facts):
        metadata = facts.get("metadata", {})
        if metadata.get("family") == "damaged":
            raise InvalidModel("its metadata are damaged")
        if metadata.get("family") != "rows":
            return None
        settings = {"from": "metadata"}
        if "offset" in metadata:
            settings["offset"] = int(metadata["offset"])
        return Recognition("rows", tuple(metadata.get("labels", "low high").split()), settings)

    def preprocess(self, inputs, options):
        import numpy as np

        if options.broken == "preprocess":
            raise ZeroDivisionError("in preprocess")
        try:
            rows = np.array(inputs, np.float32).reshape(len(inputs), self.spec.shape[1])
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"a row is {self.spec.shape[1]} numbers: {error}") from error
        return {self.spec.name: rows}, len(inputs)

    def postprocess(self, outputs, context, options):
        if options.broken == "postprocess":
            raise ZeroDivisionError("in postprocess")
        assert len(outputs["y"]) == context, "core gave the padding to the processor"
        return [[float(v) * options.scale + self.offset for v in row] for row in outputs["y"]]


class Encoded:
    def __init__(self, row) -> None:
        self.row = row


class TwoStepProcessor:
    """Encoder and decoder; `encode` gives a handle that saves the encoder's run."""

    OPTIONS = Options

    def __init__(self, package, parts) -> None:
        assert set(parts) == {"encoder", "decoder"}

    @classmethod
    def recognise(cls, facts):
        return None

    def encode(self, value, options, parts):
        import numpy as np

        return Encoded(parts["encoder"]({"x": np.array([value], np.float32)})["y"])

    def run(self, inputs, options, parts):
        if options.broken == "run":
            raise ZeroDivisionError("in run")
        results = []
        for value in inputs:
            encoded = value if isinstance(value, Encoded) else self.encode(value, options, parts)
            rows = encoded.row if options.decoded else parts["decoder"]({"x": encoded.row})["y"]
            decoded = rows[0]
            results.append([float(v) * options.scale for v in decoded])
        return results
