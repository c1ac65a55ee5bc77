"""What the detector learns: which anchor answers for which box, and SSD's loss. https://arxiv.org/abs/1512.02325"""

from __future__ import annotations

import torch
from model import encode
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert, box_iou

# An anchor answers for a box from this overlap on; a box without such an anchor gets its best one. SSD's own 0.5 leaves
# a box between two anchors with a single one, and learning takes twice the steps.
POSITIVE_IOU = 0.4
NEGATIVES_PER_POSITIVE = 3  # background anchors that count, the worst ones, or they would drown the objects


def assign(boxes: Tensor, classes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """What every anchor of one picture shall answer.

    Args:
        boxes: [M, 4], cx, cy, w, h as fractions. classes: int64 [M], from 1. anchors: [A, 4], cx, cy, w, h.

    Returns:
        Classes int64 [A], 0 for background, and deltas [A, 4], of no meaning where the class is 0.
    """
    if not len(boxes):
        return torch.zeros(len(anchors), dtype=torch.int64), torch.zeros_like(anchors)
    overlap = box_iou(box_convert(boxes, "cxcywh", "xyxy"), box_convert(anchors, "cxcywh", "xyxy"))
    best, owner = overlap.max(dim=0)
    favourite = overlap.argmax(dim=1)
    owner[favourite] = torch.arange(len(boxes))
    positive = best >= POSITIVE_IOU
    positive[favourite] = True
    return classes[owner] * positive, encode(boxes[owner], anchors)


def ssd_loss(logits: Tensor, deltas: Tensor, target_classes: Tensor, target_deltas: Tensor) -> Tensor:
    """Cross entropy with hard negative mining plus smooth L1 of the deltas, per positive anchor of the batch.

    Args:
        logits: [N, A, classes + 1]. deltas: [N, A, 4]. target_classes: [N, A]. target_deltas: [N, A, 4].
    """
    positive = target_classes > 0
    count = positive.sum().clamp(min=1)
    boxes = functional.smooth_l1_loss(deltas[positive], target_deltas[positive], reduction="sum")
    entropy = functional.cross_entropy(logits.transpose(1, 2), target_classes, reduction="none")
    wanted = NEGATIVES_PER_POSITIVE * positive.sum(dim=1, keepdim=True)
    rank = entropy.detach().masked_fill(positive, -1).argsort(dim=1, descending=True).argsort(dim=1)
    return (entropy[positive | (rank < wanted)].sum() + boxes) / count
