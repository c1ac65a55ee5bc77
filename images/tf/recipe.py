"""The detector and how it is trained, in numbers; imports no framework, so that wrong flags are told at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

ARCHITECTURE = "retinanet_mobilenet_v2_fpnlite"
MEAN = (123.675, 116.28, 103.53)  # grey levels, ImageNet's
STD = (58.395, 57.12, 57.375)
MIN_LEVEL = 3
# The backbone's last feature map is at level 5: a pyramid that ended below it would throw its deepest features away.
LEAST_MAX_LEVEL = 5
MOST_MAX_LEVEL = 7


@dataclass(frozen=True)
class Recipe:
    """What is saved in a run's config.json beside the flags; `lr` is the peak learning rate."""

    lr: float = 4e-3
    warmup: float = 0.05  # share of the steps
    backbone_width: float = 1.0
    filters: int = 64
    head_convs: int = 2
    anchor_size: float = 3.0  # of an octave's smallest anchor, in strides
    anchor_scales: int = 3
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    # The Model Garden's 0.99 needs thousands of steps until the running statistics follow the weights; runs of 30 steps
    # found nothing with 0.9 and everything with 0.8, and long runs end the same with both.
    norm_momentum: float = 0.8
    focal_alpha: float = 0.25
    focal_gamma: float = 1.5
    box_loss_weight: int = 50
    match_threshold: float = 0.5

    def max_level(self, size: int) -> int:
        """The pyramid's last level for an input of `size` pixels: the first with an anchor that matches a box as large
        as the image."""
        largest = self.anchor_size * 2 ** (1 - 1 / self.anchor_scales)
        wanted = size * math.sqrt(self.match_threshold)
        return min(max(math.ceil(math.log2(wanted / largest)), LEAST_MAX_LEVEL), MOST_MAX_LEVEL)
