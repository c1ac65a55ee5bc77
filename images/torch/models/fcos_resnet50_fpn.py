"""FCOS with ResNet50 and FPN, torchvision's. https://arxiv.org/abs/1904.01355

Its anchors are points, squares as large as their level's stride. The outputs are class logits [N, A, classes], the
distances from the points to the boxes' edges [N, A, 4] (left, top, right, bottom, in strides) and a logit [N, A, 1] of
how central the point is in its box.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection import fcos_resnet50_fpn
from torchvision.ops import box_convert, generalized_box_iou_loss, sigmoid_focal_loss

from models.base import Loss, Outputs, Targets
from models.fpn import FpnDetector, one_hot

CENTRE_RADIUS = 1.5  # strides: a point further from a box's centre does not answer for it
SMALLEST, LARGEST = 4, 8  # strides: the reach of the boxes that a level answers for


class Model(FpnDetector):
    """A score is the geometric mean of the class's and the centre's probability."""

    name = "fcos_resnet50_fpn"

    def __init__(self, size: int, classes: int) -> None:
        made = fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=classes)
        super().__init__(made, size, classes)

    def forward(self, images: Tensor) -> Outputs:
        outputs = self.head(self.features(images))
        return outputs["cls_logits"], outputs["bbox_regression"], outputs["bbox_ctrness"]

    def assigner(self) -> FcosAssigner:
        anchors = self.anchors.cpu()
        first, last = self.level_anchors[0], self.level_anchors[-1]
        smallest, largest = SMALLEST * anchors[:, 2], LARGEST * anchors[:, 2]
        smallest[:first], largest[-last:] = 0, float("inf")
        return FcosAssigner(anchors, smallest, largest)

    def loss(self, outputs: Outputs, targets: Targets) -> Loss:
        logits, distances, centres = outputs
        classes, boxes = targets
        positive = classes > 0
        anchors = self.anchors.expand(len(classes), -1, -1)[positive]
        corners = box_convert(boxes[positive], "cxcywh", "xyxy")
        # in pixels: torchvision's guard against empty boxes is meant for areas of those
        found = _decode(distances[positive], anchors) * self.size
        parts = {
            "classes": sigmoid_focal_loss(logits, one_hot(logits, classes), reduction="sum"),
            "boxes": generalized_box_iou_loss(found, corners * self.size, reduction="sum"),
            "centres": functional.binary_cross_entropy_with_logits(
                centres[positive][:, 0], _centrality(corners, anchors), reduction="sum"
            ),
        }
        return Loss(parts, positive.sum())

    def decode(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        logits, distances, centres = outputs
        return _decode(distances, self.anchors), torch.sqrt(logits.sigmoid() * centres.sigmoid())


@dataclass(frozen=True)
class FcosAssigner:
    """What every point of one picture shall answer; `smallest` and `largest` [A] bound the reach of its boxes."""

    anchors: Tensor
    smallest: Tensor
    largest: Tensor

    def __call__(self, boxes: Tensor, classes: Tensor) -> Targets:
        """Boxes [M, 4] (cx, cy, w, h, fractions) and classes int64 [M] to classes int64 [A], 0 for background, and
        boxes [A, 4], of no meaning where the class is 0. Of several boxes a point answers for the smallest."""
        if not len(boxes):
            return torch.zeros(len(self.anchors), dtype=torch.int64), torch.zeros_like(self.anchors)
        offsets = self.anchors[:, None, :2] - boxes[:, :2]  # [A, M, 2]
        near = offsets.abs().amax(dim=2) < CENTRE_RADIUS * self.anchors[:, 2:3]
        inside = (offsets.abs() < boxes[:, 2:] / 2).all(dim=2)
        reach = (offsets.abs() + boxes[:, 2:] / 2).amax(dim=2)
        mine = near & inside & (reach > self.smallest[:, None]) & (reach < self.largest[:, None])
        area, owner = torch.where(mine, boxes[:, 2] * boxes[:, 3], torch.inf).min(dim=1)
        return classes[owner] * area.isfinite(), boxes[owner]


def _decode(distances: Tensor, anchors: Tensor) -> Tensor:
    """Distances [..., 4] in strides to boxes [..., 4] as xmin, ymin, xmax, ymax."""
    centres, reach = anchors[..., :2], distances * anchors[..., 2:].repeat(1, 2)
    return torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], dim=-1)


def _centrality(corners: Tensor, anchors: Tensor) -> Tensor:
    """1 for points in the middle of their boxes, towards 0 at their edges: [P, 4] and [P, 4] to [P]."""
    before, after = anchors[:, :2] - corners[:, :2], corners[:, 2:] - anchors[:, :2]
    return (torch.minimum(before, after) / torch.maximum(before, after)).prod(dim=1).sqrt()
