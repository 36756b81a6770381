"""`infer demo`: the whole way once, on a bundled model and picture, with something to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from inference_core.auto_model import AutoModel
from inference_core.cli.explain import print_resolution
from inference_core.cli.loading import loading_arguments
from inference_core.cli.output import print_json, status
from inference_core.cli.saving import naming, picture_target
from inference_core.optional import import_optional
from inference_core.tables import printable


def run(options: argparse.Namespace) -> int:
    """Detect the shapes on the first sample picture, print and draw them."""
    vision = import_optional("inference_vision", "inference-vision", "the demo")
    picture: Path = vision.sample_paths()[0]
    target = picture_target(options.save)
    with status("loading the bundled model"):
        model = AutoModel.from_pretrained("shapes", **loading_arguments(options))
    with model:
        detections = model(picture)
        with naming("--save", target):
            vision.write_image(target, detections.annotate(picture))
        if options.json:
            found = {
                "picture": str(picture),
                "annotated": str(target),
                "result": detections.to_dict(),
            }
            print_json({"resolution": model.resolution.to_json(), **found})
            return 0
        print_resolution(model.resolution)
        print(f"\n{picture.name}: {len(detections)} objects, by {model.backend} on {model.device}")
        for detection in detections:
            print(f"  {printable(str(detection))}")
        print(f"\ndrawn in {target.absolute()}")
    return 0
