"""The same detection through this library: `python our_detection.py MODEL PICTURE [BACKEND]`.

Without BACKEND it is the plain call, which takes what this library thinks best here.
"""

from __future__ import annotations

import sys

from inference_core import AutoModel

model, picture, *backend = sys.argv[1:]
for found in AutoModel.from_pretrained(model, backend=backend[0] if backend else None)(picture):
    print(found.label, *(f"{edge:.1f}" for edge in found.xyxy))
