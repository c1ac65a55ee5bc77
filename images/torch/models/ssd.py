"""SSD as a family: two outputs, which anchor answers for which box, and the loss. https://arxiv.org/abs/1512.02325

The outputs are class logits [N, A, classes + 1], background first, and deltas [N, A, 4].
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_convert

from models.base import Detector, Loss, Outputs, Targets
from models.boxes import Weights, decode, encode

# Box deltas are scaled so that all four have about unit variance.
DELTA_WEIGHTS: Weights = (10.0, 10.0, 5.0, 5.0)
# An anchor answers for a box from this overlap on; a box without such an anchor gets its best one. SSD's own 0.5 leaves
# a box between two anchors with a single one, and learning takes twice the steps.
POSITIVE_IOU = 0.4
NEGATIVES_PER_POSITIVE = 3  # background anchors that count, the worst ones, or they would drown the objects


class SsdDetector(Detector):
    """A detector with SSD's outputs, targets, loss and decoding; subclasses bring backbone, head and anchors."""

    background: ClassVar[bool] = True

    def assigner(self) -> SsdAssigner:
        return SsdAssigner(self.anchors.cpu())

    def loss(self, outputs: Outputs, targets: Targets) -> Loss:
        return ssd_loss(*outputs, *targets)

    def decode(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        logits, deltas = outputs
        return decode(deltas, self.anchors, DELTA_WEIGHTS), functional.softmax(logits, dim=-1)[..., 1:]


class TorchvisionSsd(SsdDetector):
    """Backbone, head and anchors of a torchvision SSD, under torchvision's names.

    Not its transform, which resizes by another rule than the contract's, and not its postprocessing, which cannot be
    exported.
    """

    def __init__(self, ssd: SSD, size: int, classes: int) -> None:
        super().__init__(size, classes)
        self.backbone, self.head = ssd.backbone, ssd.head
        self.register_buffer("anchors", _anchors(ssd, size), persistent=False)

    def forward(self, images: Tensor) -> Outputs:
        outputs = self.head(list(self.backbone(images).values()))
        return outputs["cls_logits"], outputs["bbox_regression"]

    def class_layers(self) -> list[str]:
        head = "head.classification_head.module_list"
        found = (name for name, module in self.named_modules() if isinstance(module, nn.Conv2d) and head in name)
        last = {name.removeprefix(f"{head}.").partition(".")[0]: name for name in found}
        return list(last.values())


@dataclass(frozen=True)
class SsdAssigner:
    """What every anchor of one picture shall answer."""

    anchors: Tensor
    positive_iou: float = POSITIVE_IOU

    def __call__(self, boxes: Tensor, classes: Tensor) -> Targets:
        """Boxes [M, 4] (cx, cy, w, h, fractions) and classes int64 [M] to classes int64 [A], 0 for background, and
        deltas [A, 4], 0 where the class is 0."""
        deltas = torch.zeros_like(self.anchors)
        if not len(boxes):
            return torch.zeros(len(self.anchors), dtype=torch.int64), deltas
        overlap = _overlaps(boxes, self._edges)
        best, owner = overlap.max(dim=0)
        favourite = overlap.argmax(dim=1)
        owner[favourite] = torch.arange(len(boxes))
        positive = best >= self.positive_iou
        positive[favourite] = True
        chosen = torch.nonzero(positive).flatten()
        deltas[chosen] = encode(boxes[owner[chosen]], self.anchors[chosen], DELTA_WEIGHTS)
        return classes[owner] * positive, deltas

    @functools.cached_property
    def _edges(self) -> Tensor:
        """The anchors' [4, A]: each edge in one piece, for torch is slow where the last of the dimensions is 4."""
        return box_convert(self.anchors, "cxcywh", "xyxy").T.contiguous()


def _overlaps(boxes: Tensor, edges: Tensor) -> Tensor:
    """IoU [M, A] of boxes [M, 4] (cx, cy, w, h) and anchors' edges [4, A] (xmin, ymin, xmax, ymax)."""
    xmin, ymin, xmax, ymax = box_convert(boxes, "cxcywh", "xyxy").T[:, :, None]
    left, top, right, low = edges
    width = (torch.minimum(xmax, right) - torch.maximum(xmin, left)).clamp_(min=0)
    common = (torch.minimum(ymax, low) - torch.maximum(ymin, top)).clamp_(min=0).mul_(width)
    areas = (xmax - xmin) * (ymax - ymin) + (right - left) * (low - top)
    return common / (areas - common)


def ssd_loss(logits: Tensor, deltas: Tensor, target_classes: Tensor, target_deltas: Tensor) -> Loss:
    """Cross entropy with hard negative mining, and smooth L1 of the deltas of positive anchors.

    Args:
        logits: [N, A, classes + 1]. deltas: [N, A, 4]. target_classes: [N, A]. target_deltas: [N, A, 4].
    """
    positive = target_classes > 0
    boxes = functional.smooth_l1_loss(deltas[positive], target_deltas[positive], reduction="sum")
    entropy = functional.cross_entropy(logits.transpose(1, 2), target_classes, reduction="none")
    wanted = NEGATIVES_PER_POSITIVE * positive.sum(dim=1, keepdim=True)
    rank = entropy.detach().masked_fill(positive, -1).argsort(dim=1, descending=True).argsort(dim=1)
    return Loss({"classes": entropy[positive | (rank < wanted)].sum(), "boxes": boxes}, positive.sum())


@torch.no_grad()
def _anchors(ssd: SSD, size: int) -> Tensor:
    """torchvision's anchors for an input of this size, as cx, cy, w, h fractions."""
    was_training = ssd.training
    ssd.eval()  # so that this look at the feature maps leaves no trace in the batch norms
    images = torch.zeros(1, 3, size, size)
    features = list(ssd.backbone(images).values())
    ssd.train(was_training)
    corners = ssd.anchor_generator(ImageList(images, [(size, size)]), features)[0] / size
    return torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1)
