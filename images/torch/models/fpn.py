"""Detectors with torchvision's ResNet50 and feature pyramid: backbone, head and anchors are torchvision's.

Inputs are padded at the right and at the bottom to a multiple of 32 pixels, as torchvision does: strides stay whole.
"""

from __future__ import annotations

import re
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.image_list import ImageList

from models.base import Detector

STRIDE = 32
IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


class FpnDetector(Detector):
    """Five levels of a pyramid above a ResNet50; one sigmoid a class, so no background column."""

    mean = IMAGENET_MEAN
    std = IMAGENET_STD
    background: ClassVar[bool] = False

    def __init__(self, made: RetinaNet | FCOS, size: int, classes: int) -> None:
        super().__init__(size, classes)
        self.backbone, self.head = made.backbone, made.head
        anchors, self.level_anchors = _anchors(made, size)
        self.register_buffer("anchors", anchors, persistent=False)

    def features(self, images: Tensor) -> list[Tensor]:
        """The pyramid's maps of normalised images."""
        missing = -self.size % STRIDE
        return list(self.backbone(functional.pad(images, (0, missing, 0, missing))).values())

    def stages(self) -> list[list[nn.Module]]:
        """ResNet's stem and its four groups of blocks."""
        body = self.backbone.body
        return [[body.conv1, body.bn1], [body.layer1], [body.layer2], [body.layer3], [body.layer4]]

    def hold_norms(self) -> None:
        """As torchvision's recipe: the batches of large detectors are too small to learn statistics from."""
        self.hold(module for module in self.backbone.body.modules() if isinstance(module, nn.BatchNorm2d))

    def class_layers(self) -> list[str]:
        return ["head.classification_head.cls_logits"]

    def from_backbone(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of torchvision's resnet50."""
        part = re.compile(r"(conv1|bn1|layer[1-4])\.")
        return {f"backbone.body.{name}": tensor for name, tensor in state.items() if part.match(name)}


def one_hot(logits: Tensor, classes: Tensor) -> Tensor:
    """What the sigmoids [N, A, classes] shall say: 1 at the class of each anchor [N, A] that has one (from 1)."""
    wanted = torch.zeros_like(logits)
    positive = classes > 0
    wanted[positive, classes[positive] - 1] = 1
    return wanted


@torch.no_grad()
def _anchors(made: RetinaNet | FCOS, size: int) -> tuple[Tensor, list[int]]:
    """torchvision's anchors for an input of this size, as cx, cy, w, h fractions, and how many are of each level."""
    padded = size + -size % STRIDE
    side, maps = padded // 4, []
    for _ in range(5):  # P3 to P7, each half of the one below, rounded up
        side = -(-side // 2)
        maps.append(torch.zeros(1, 1, side, side))
    images = ImageList(torch.zeros(1, 3, padded, padded), [(size, size)])
    corners = made.anchor_generator(images, maps)[0] / size
    count = made.anchor_generator.num_anchors_per_location()[0]
    anchors = torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1)
    return anchors, [count * one.shape[-1] ** 2 for one in maps]
