"""Boxes as the anchors' deltas. Anchors and boxes are cx, cy, w, h, fractions of the image, unless said otherwise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LARGEST_GROWTH = math.log(1000 / 16)  # exp() of more would overflow on a head that is not trained yet

Weights = tuple[float, float, float, float]


def encode(boxes: Tensor, anchors: Tensor, weights: Weights) -> Tensor:
    """Deltas [..., 4] that make `decode` turn these anchors [..., 4] into these boxes [..., 4]."""
    centres = (boxes[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    sizes = torch.log(boxes[..., 2:] / anchors[..., 2:])
    return torch.cat([centres, sizes], dim=-1) * anchors.new_tensor(weights)


def decode(deltas: Tensor, anchors: Tensor, weights: Weights) -> Tensor:
    """Deltas [..., 4] and anchors [..., 4] to boxes [..., 4] as xmin, ymin, xmax, ymax."""
    scaled = deltas / deltas.new_tensor(weights)
    centres = scaled[..., :2] * anchors[..., 2:] + anchors[..., :2]
    halves = torch.exp(scaled[..., 2:].clamp(max=LARGEST_GROWTH)) * (anchors[..., 2:] / 2)
    return torch.cat([centres - halves, centres + halves], dim=-1)
