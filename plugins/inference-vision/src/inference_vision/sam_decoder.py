"""What SAM-like decoders take and give: prompts in, masks and their quality out.

Two dialects are known. That of Segment Anything's own exporter (SAM 2's and EdgeSAM's follow it):
`point_coords` (1, N, 2), `point_labels` (1, N), `mask_input`, `has_mask_input`, perhaps
`orig_im_size`; a box is two points with the labels 2 and 3, and without one a point with the label -1
is appended. And that of transformers' exports: `input_points` (1, 1, N, 2), `input_labels` (1, 1, N),
which know no boxes. Where outputs have no names of their own, as those of a tuple in torch's
archives, their ranks and order tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import ModelPackage
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from numpy.typing import NDArray

from inference_vision.finite import check_finite

POINTS = ("point_coords", "input_points")
POINT_LABELS = ("point_labels", "input_labels")
MASKS = ("masks", "pred_masks", "low_res_masks")
QUALITIES = ("iou_predictions", "iou_scores")
MASK_SIDE = 256  # of `mask_input`, where the graph leaves it open
CORNERS = (2, 3)  # labels of a box's top left and bottom right
PADDING = -1  # label of a point that is none


class Masks(NamedTuple):
    """What one prompt gave.

    Attributes:
        logits: float (candidates, rows, columns), above 0 inside; over the whole input.
        quality: float32 (candidates,): the overlap with the truth that the model expects, 0 to 1.
    """

    logits: NDArray[Any]
    quality: NDArray[np.float32]


class SamDecoder:
    """Makes a decoder's inputs of prompts, and masks of its outputs.

    Args:
        package: for messages.
        encoder: whose outputs the decoder takes, by their names.
        decoder: the graph.
        canvas: (width, height) of the encoder's input, in whose pixels prompts are given.

    Attributes:
        from_encoder: the encoder's output for each input of the decoder that is no prompt, by name.

    Raises:
        InvalidModel: an input is neither a prompt nor an output of the encoder, or there are no
            masks among the outputs.
    """

    def __init__(
        self, package: ModelPackage, encoder: Graph, decoder: Graph, canvas: tuple[int, int]
    ) -> None:
        inputs = {spec.name: spec for spec in decoder.inputs}
        self._points = _input(package, inputs, POINTS)
        self._labels = _input(package, inputs, POINT_LABELS)
        self._masks = _output(package, decoder.outputs, MASKS, (4, 5))
        self._quality = _output(package, decoder.outputs, QUALITIES, (2, 3))
        self._inputs = inputs
        self._canvas = canvas
        self._grouped = len(inputs[self._points].shape or ()) == 4
        known = {self._points, self._labels, "mask_input", "has_mask_input", "orig_im_size"}
        taken = [spec for name, spec in inputs.items() if name not in known]
        self.from_encoder = _matched(package, taken, encoder.outputs)

    def feeds(
        self,
        points: NDArray[np.float64],
        labels: Sequence[int],
        box: NDArray[np.float64] | None,
    ) -> dict[str, NDArray[Any]]:
        """The inputs besides those from the encoder.

        Args:
            points: (N, 2) in pixels of the encoder's input.
            labels: 1 for a point on the object, 0 for one beside it.
            box: (2, 2), top left and bottom right corner around the object, or None.

        Raises:
            InvalidArgument: the decoder knows no boxes, or not so many points.
        """
        named = list(labels)
        if box is not None:
            if self._grouped:
                raise InvalidArgument("this decoder knows no boxes; prompt it with points")
            points, named = np.concatenate([points, box]), [*named, *CORNERS]
        elif not self._grouped:
            points, named = np.concatenate([points, [[0, 0]]]), [*named, PADDING]
        spec = self._inputs[self._points]
        most = spec.shape[-2] if spec.shape else None
        if most is not None:
            if len(named) > most:
                raise InvalidArgument(
                    f"this decoder takes {most} points, of which a box needs two and its absence "
                    f"one; there are {len(named)}"
                )
            missing = most - len(named)
            points = np.concatenate([points, np.zeros((missing, 2))])
            named += [PADDING] * missing
        group = (1, 1) if self._grouped else (1,)
        feeds: dict[str, NDArray[Any]] = {
            self._points: points.reshape(*group, -1, 2),
            self._labels: np.array(named).reshape(*group, -1),
        }
        if "mask_input" in self._inputs:
            shape = self._inputs["mask_input"].shape or (1, 1, None, None)
            sides = [axis or MASK_SIDE for axis in shape[2:]]
            feeds["mask_input"] = np.zeros((1, 1, *sides))
        if "has_mask_input" in self._inputs:
            feeds["has_mask_input"] = np.zeros(1)
        if "orig_im_size" in self._inputs:
            # The input's own size: the graph then leaves its padding on, and masks cover all of it.
            feeds["orig_im_size"] = np.array(self._canvas[::-1])
        return {name: each.astype(_dtype(self._inputs[name])) for name, each in feeds.items()}

    def masks(self, outputs: Mapping[str, NDArray[Any]]) -> Masks:
        """What the decoder gave, best first.

        Raises:
            InvalidModel: the outputs aren't masks of one prompt with their qualities, or hold NaN.
        """
        raw, quality = outputs[self._masks], outputs[self._quality].reshape(-1)
        if raw.ndim not in (4, 5) or raw.size == 0:
            raise InvalidModel(f"the output {self._masks!r} has the shape {raw.shape}: no masks")
        logits = raw.reshape(-1, *raw.shape[-2:])
        if len(logits) != len(quality):
            raise InvalidModel(
                f"the decoder gave {len(logits)} masks and {len(quality)} qualities for one prompt"
            )
        check_finite(quality, self._quality, "qualities")
        if logits.dtype.kind in "bui":  # exports that draw the line themselves
            logits = logits.astype(np.float32) - 0.5
        check_finite(logits, self._masks, "masks")
        order = np.argsort(-quality, kind="stable")
        return Masks(logits[order], np.clip(quality[order], 0, 1).astype(np.float32))


def _input(package: ModelPackage, inputs: Mapping[str, TensorSpec], names: Sequence[str]) -> str:
    for name in names:
        if name in inputs:
            return name
    raise InvalidModel(
        f"{package.name}: the decoder must take {' or '.join(names)}; it takes {', '.join(inputs)}"
    )


def _output(
    package: ModelPackage,
    outputs: Sequence[TensorSpec],
    names: Sequence[str],
    ranks: tuple[int, int],
) -> str:
    """The output with one of the names, else the first of one of the ranks."""
    there = {spec.name for spec in outputs}
    for name in names:
        if name in there:
            return name
    for spec in outputs:
        if spec.shape is not None and len(spec.shape) in ranks:
            return spec.name
    raise InvalidModel(
        f"{package.name}: the decoder must give {' or '.join(names)}; it gives "
        f"{', '.join(map(str, outputs)) or 'nothing'}"
    )


def _matched(
    package: ModelPackage, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> dict[str, str]:
    """The encoder's output for each of the decoder's inputs: the one of its name, or, where no names
    agree at all, the one at its place."""
    names = [spec.name for spec in outputs]
    agreeing = {spec.name: spec.name for spec in inputs if spec.name in names}
    if len(agreeing) == len(inputs):
        return agreeing
    if not agreeing and len(inputs) == len(outputs):
        return {one.name: other.name for one, other in zip(inputs, outputs, strict=True)}
    unknown = "; ".join(str(spec) for spec in inputs if spec.name not in agreeing)
    raise InvalidModel(
        f"{package.name}: the decoder takes {unknown}, which is no prompt that is known and none of "
        f"the encoder's outputs: {', '.join(names) or 'none'}"
    )


def _dtype(spec: TensorSpec) -> str:
    return "float32" if spec.dtype == "any" else spec.dtype
