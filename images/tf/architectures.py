"""The detectors in numbers: what --model names. Imports no framework, so that wrong flags are told at once.

All are the Model Garden's RetinaNets: backbone, pyramid, and one head for all levels.
https://github.com/tensorflow/models/blob/v2.20.0/official/vision/configs/retinanet.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from isomer.errors import UserError

MIN_LEVEL = 3
# A backbone's last feature map is at level 5: a pyramid that ended below it would throw its deepest features away.
LEAST_MAX_LEVEL = 5
MOST_MAX_LEVEL = 7


@dataclass(frozen=True)
class Architecture:
    """One detector."""

    name: str
    backbone: str  # the Model Garden's word: mobilenet, resnet, spinenet_mobile
    stages: int  # of the backbone, as --freeze counts them
    filters: int  # of pyramid and head
    head_convs: int = 4
    separable: bool = True  # convolutions of pyramid and head
    activation: str = "relu6"
    anchor_size: float = 3.0  # of an octave's smallest anchor, in strides
    anchor_scales: int = 3
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    match_threshold: float = 0.5  # overlap from which an anchor is a box's
    levels_fit: bool = False  # the pyramid ends where its anchors reach the image's size, or always at level 7
    multiple: int = 1  # sizes that it takes

    def max_level(self, size: int) -> int:
        """The pyramid's last level for an input of `size` pixels: 7, or where `levels_fit` the first with an anchor
        that matches a box as large as the image."""
        if not self.levels_fit:
            return MOST_MAX_LEVEL
        largest = self.anchor_size * 2 ** (1 - 1 / self.anchor_scales)
        wanted = size * math.sqrt(self.match_threshold)
        return min(max(math.ceil(math.log2(wanted / largest)), LEAST_MAX_LEVEL), MOST_MAX_LEVEL)

    def check_size(self, size: int) -> None:
        """Raise UserError unless the architecture takes an input of `size` pixels."""
        if size % self.multiple:
            below = max(size // self.multiple, 1) * self.multiple
            raise UserError(
                f"--size {size}: {self.name} takes multiples of {self.multiple} only, such as {below} or "
                f"{below + self.multiple}: it adds feature maps of all its levels to each other"
            )

    def frozen_stages(self, freeze: str | None) -> int:
        """How many stages of the backbone `--freeze` keeps as they were loaded.

        Raises:
            UserError: it is neither `backbone` nor a number of stages that there are.
        """
        if freeze is None:
            return 0
        if freeze == "backbone":
            return self.stages
        if not freeze.isdecimal() or not 1 <= int(freeze) <= self.stages:
            raise UserError(
                f"--freeze {freeze}: the backbone of {self.name} has {self.stages} stages; "
                f"give backbone, or a number from 1 to {self.stages}"
            )
        return int(freeze)


ARCHITECTURES = {
    item.name: item
    for item in (
        # Half the filters and half the convolutions of the Model Garden's: made for small inputs and a laptop's CPU.
        Architecture(
            "retinanet_mobilenet_v2_fpnlite", "mobilenet", stages=5, filters=64, head_convs=2, levels_fit=True
        ),
        # official/vision/configs/experiments/retinanet/coco_mobilenetv2_tpu.yaml
        Architecture("retinanet_mobilenet_v2_fpn128", "mobilenet", stages=5, filters=128),
        # retinanet_resnetfpn_coco
        Architecture(
            "retinanet_resnet50_fpn",
            "resnet",
            stages=5,
            filters=256,
            separable=False,
            activation="relu",
            anchor_size=4.0,
        ),
        # retinanet_mobile_coco; nearest-neighbour upsampling adds maps of level 7 to finer ones: 2**7
        Architecture(
            "retinanet_spinenet49_mobile",
            "spinenet_mobile",
            stages=17,
            filters=48,
            activation="swish",
            multiple=128,
        ),
    )
}
