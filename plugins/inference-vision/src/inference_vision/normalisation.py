"""Means and deviations that families of models were trained with. Light: numbers only."""

from __future__ import annotations

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB pixels as 0..1, as torchvision's models take them."""

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of RGB pixels as 0..1, as OpenAI published them with CLIP."""
