"""Outputs of detection transformers as their exporters name and shape them."""

from __future__ import annotations

from inference_core.session import TensorSpec


def spec(name, shape, dtype="float32"):
    return TensorSpec(name, dtype, shape)


def outputs_of(form: str, queries=9, columns=3, masks=False):
    extra = [spec("masks", (1, queries, 8, 8))] if masks else []
    return {
        "joint": [spec("output0", (1, queries, 4 + columns))],
        "rf-detr": [spec("dets", (1, queries, 4)), spec("labels", (1, queries, columns))],
        "transformers": [
            spec("logits", (1, queries, columns)),
            spec("pred_boxes", (1, queries, 4)),
            spec("last_hidden_state", (1, queries, 16)),
        ],
        "deployed": [
            spec("labels", (1, queries), "int64"),
            spec("boxes", (1, queries, 4)),
            spec("scores", (1, queries)),
        ],
    }[form] + extra
