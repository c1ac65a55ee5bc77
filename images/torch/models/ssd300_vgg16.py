"""SSD300 with VGG16, torchvision's, for any input size and any number of classes. https://arxiv.org/abs/1512.02325"""

from __future__ import annotations

import re

from torch import Tensor, nn
from torchvision.models.detection import ssd300_vgg16
from torchvision.models.detection.ssd import SSD

from models.ssd import TorchvisionSsd

PUBLISHED_SIZE = 300
CONV4_3 = 23  # VGG16's layers before this one are `features`, the others `extra.0`


class Model(TorchvisionSsd):
    """At 300 pixels torchvision's own; at other sizes the anchors follow the feature maps, as in its SSDLite."""

    name = "ssd300_vgg16"
    mean = (0.48235 * 255, 0.45882 * 255, 0.40784 * 255)
    std = (1.0, 1.0, 1.0)

    def __init__(self, size: int, classes: int) -> None:
        ssd = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=classes + 1)
        if size != PUBLISHED_SIZE:
            ssd.anchor_generator.steps = None  # the published ones are those of 300 pixels
            _pad_small_maps(ssd, size)
        super().__init__(ssd, size, classes)

    def stages(self) -> list[list[nn.Module]]:
        """VGG's five groups of convolutions, the pooling layer before a group with it."""
        layers = [*self.backbone.features, *list(self.backbone.extra[0])[:-1]]
        starts = [0, *(place for place, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d))]
        return [layers[start:end] for start, end in zip(starts, [*starts[1:], len(layers)], strict=True)]

    def from_backbone(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of torchvision's vgg16, whose file of features for SSD holds a classifier too."""
        found = ((re.fullmatch(r"features\.(\d+)\.(\w+)", name), tensor) for name, tensor in state.items())
        return {_place(int(match[1]), match[2]): tensor for match, tensor in found if match}


def _place(number: int, rest: str) -> str:
    if number < CONV4_3:
        return f"backbone.features.{number}.{rest}"
    return f"backbone.extra.0.{number - CONV4_3}.{rest}"


def _pad_small_maps(ssd: SSD, size: int) -> None:
    """Let the last, unpadded convolutions keep maps that are smaller than they are: below 268 pixels there are some."""
    side = -(-(size // 4) // 2) // 2
    for block in list(ssd.backbone.extra)[1:]:
        conv = block[2]
        if side < conv.kernel_size[0]:
            conv.padding = (1, 1)
        side = (side + 2 * conv.padding[0] - conv.kernel_size[0]) // conv.stride[0] + 1
