"""The same detection through this library: `python our_detection.py MODEL PICTURE`."""

from __future__ import annotations

import sys

from inference_core import AutoModel

model, picture = sys.argv[1:3]
for found in AutoModel.from_pretrained(model, backend="onnx")(picture):
    print(found.label, *(f"{edge:.1f}" for edge in found.xyxy))
