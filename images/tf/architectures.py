"""The detectors in numbers: what --model names. Imports no framework, so that wrong flags are told at once.

All are the Model Garden's RetinaNets: backbone, pyramid, and one head for all levels.
https://github.com/tensorflow/models/blob/v2.20.0/official/vision/configs/retinanet.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_LEVEL = 3
# A backbone's last feature map is at level 5: a pyramid that ended below it would throw its deepest features away.
LEAST_MAX_LEVEL = 5
MOST_MAX_LEVEL = 7


@dataclass(frozen=True)
class Architecture:
    """One detector."""

    name: str
    backbone: str  # the Model Garden's word: mobilenet, resnet, spinenet_mobile
    filters: int  # of pyramid and head
    head_convs: int = 4
    separable: bool = True  # convolutions of pyramid and head
    activation: str = "relu6"
    anchor_size: float = 3.0  # of an octave's smallest anchor, in strides
    anchor_scales: int = 3
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    match_threshold: float = 0.5  # overlap from which an anchor is a box's
    levels_fit: bool = False  # the pyramid ends where its anchors reach the image's size, or always at level 7
    last_level: int | None = None  # where the pyramid ends whatever the size: its weights are there already

    @property
    def anchors_per_cell(self) -> int:
        return self.anchor_scales * len(self.anchor_ratios)

    def max_level(self, size: int) -> int:
        """The pyramid's last level for an input of `size` pixels: 7, or where `levels_fit` the first with an anchor
        that matches a box as large as the image."""
        if self.last_level is not None:
            return self.last_level
        if not self.levels_fit:
            return MOST_MAX_LEVEL
        largest = self.anchor_size * 2 ** (1 - 1 / self.anchor_scales)
        wanted = size * math.sqrt(self.match_threshold)
        return min(max(math.ceil(math.log2(wanted / largest)), LEAST_MAX_LEVEL), MOST_MAX_LEVEL)


ARCHITECTURES = {
    item.name: item
    for item in (
        # Half the filters and half the convolutions of the Model Garden's: made for small inputs and a laptop's CPU.
        Architecture("retinanet_mobilenet_v2_fpnlite", "mobilenet", filters=64, head_convs=2, levels_fit=True),
        # experiments/retinanet/coco_mobilenetv2_tpu.yaml
        Architecture("retinanet_mobilenet_v2_fpn128", "mobilenet", filters=128),
        # retinanet_resnetfpn_coco
        Architecture(
            "retinanet_resnet50_fpn",
            "resnet",
            filters=256,
            separable=False,
            activation="relu",
            anchor_size=4.0,
        ),
        # retinanet_mobile_coco. Its published .yaml changed to hard_swish later, and to a lower mAP (27.6) than that of
        # the checkpoint (28.1).
        Architecture(
            "retinanet_spinenet49_mobile",
            "spinenet_mobile",
            filters=48,
            activation="swish",
        ),
    )
}
