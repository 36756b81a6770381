"""What a user would write without this library: one detection with onnxruntime and OpenCV alone.

Run as a script: `python bare_detection.py MODEL PICTURE` prints the boxes. It is the yardstick of
`first_detection.py` and does the same work: letterbox, run, decode, suppress, map back.
"""

from __future__ import annotations

import ast
import sys

import cv2
import numpy as np
import onnxruntime

model, picture = sys.argv[1:3]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
names = ast.literal_eval(session.get_modelmeta().custom_metadata_map["names"])
spec = session.get_inputs()[0]
side = spec.shape[2]

image = cv2.imread(picture)
height, width = image.shape[:2]
scale = min(side / height, side / width)
new_width, new_height = round(width * scale), round(height * scale)
left, top = round((side - new_width) / 2 - 0.1), round((side - new_height) / 2 - 0.1)
canvas = np.full((side, side, 3), 114, np.uint8)
canvas[top : top + new_height, left : left + new_width] = cv2.resize(image, (new_width, new_height))
blob = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)

output = session.run(None, {spec.name: blob})[0][0].T
class_id = output[:, 4:].argmax(1)
confidence = output[:, 4:].max(1)
keep = confidence >= 0.25
boxes, confidence, class_id = output[keep, :4], confidence[keep], class_id[keep]
boxes[:, :2] -= boxes[:, 2:] / 2
chosen = cv2.dnn.NMSBoxesBatched(boxes.tolist(), confidence.tolist(), class_id.tolist(), 0.25, 0.45)
for index in chosen:
    x, y, w, h = boxes[index]
    x1, y1, x2, y2 = (np.array([x - left, y - top, x + w - left, y + h - top])) / scale
    print(names[int(class_id[index])], *(f"{v:.1f}" for v in (x1, y1, x2, y2)))
