"""SSDLite with MobileNetV3-Large, torchvision's, for any input size and any number of classes.

Papers: https://arxiv.org/abs/1801.04381 (SSDLite), https://arxiv.org/abs/1905.02244 (MobileNetV3).
"""

from __future__ import annotations

import re

from torch import Tensor, nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from models.ssd import TorchvisionSsd

# torchvision's 0.03 needs thousands of steps until the running statistics follow the weights.
BATCH_NORM_MOMENTUM = 0.1
SPLIT = 13  # the block of MobileNetV3 whose expansion is the first feature map


class Model(TorchvisionSsd):
    """Where the weights are not torchvision's own, drawn so that it learns fast from scratch."""

    name = "ssdlite320_mobilenet_v3_large"
    mean = std = (127.5, 127.5, 127.5)

    def __init__(self, size: int, classes: int) -> None:
        ssd = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes + 1)
        super().__init__(ssd, size, classes)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = BATCH_NORM_MOMENTUM
        for module in self.backbone.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()  # torchvision's normal(0, 0.03) learns more slowly in the first epochs

    def stages(self) -> list[list[nn.Module]]:
        """The stem and what follows each halving of the resolution, as torchvision counts them."""
        early, late = (list(part) for part in self.backbone.features)
        return [early[0:2], early[2:4], early[4:7], early[7:SPLIT], early[SPLIT:] + late[:3], late[3:]]

    def from_backbone(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of torchvision's mobilenet_v3_large, whose last blocks are twice as wide as a detector's and do not fit."""
        return {_place(name): tensor for name, tensor in state.items() if re.match(r"features\.\d+\.", name)}


def _place(name: str) -> str:
    """`features.13.block.1.0.weight` -> `backbone.features.1.0.1.0.weight`: the detector is cut inside block 13."""
    block, inside, rest = re.fullmatch(r"features\.(\d+)\.(?:block\.(\d+)\.)?(.*)", name).groups()
    number = int(block)
    if number < SPLIT:
        return name.replace("features.", "backbone.features.0.", 1)
    if number > SPLIT or inside is None:
        return name.replace(f"features.{number}.", f"backbone.features.1.{number - SPLIT}.", 1)
    return f"backbone.features.0.{SPLIT}.{rest}" if inside == "0" else f"backbone.features.1.0.{inside}.{rest}"
