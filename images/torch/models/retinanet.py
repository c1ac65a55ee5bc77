"""RetinaNet as a family: which anchor answers for which box, and the focal loss. https://arxiv.org/abs/1708.02002

The outputs are class logits [N, A, classes] and deltas [N, A, 4].
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou, sigmoid_focal_loss

from models.base import Loss, Outputs, Targets
from models.boxes import Weights, decode
from models.fpn import FpnDetector, one_hot

DELTA_WEIGHTS: Weights = (1.0, 1.0, 1.0, 1.0)
POSITIVE_IOU, NEGATIVE_IOU = 0.5, 0.4  # an anchor between the two is asked nothing
IGNORED = -1


class RetinaNetDetector(FpnDetector):
    """Subclasses say how boxes are compared."""

    def forward(self, images: Tensor) -> Outputs:
        outputs = self.head(self.features(images))
        return outputs["cls_logits"], outputs["bbox_regression"]

    def assigner(self) -> RetinaNetAssigner:
        return RetinaNetAssigner(self.anchors.cpu())

    def loss(self, outputs: Outputs, targets: Targets) -> Loss:
        logits, deltas = outputs
        classes, boxes = targets
        positive = classes > 0
        focal = sigmoid_focal_loss(logits, one_hot(logits, classes), reduction="none")
        asked = (classes != IGNORED)[..., None]
        anchors = self.anchors.expand(len(classes), -1, -1)[positive]
        parts = {"classes": (focal * asked).sum(), "boxes": self.box_loss(deltas[positive], boxes[positive], anchors)}
        return Loss(parts, positive.sum())

    def box_loss(self, deltas: Tensor, boxes: Tensor, anchors: Tensor) -> Tensor:
        """Summed over positive anchors: deltas, boxes and anchors [P, 4], the latter two cx, cy, w, h."""
        raise NotImplementedError

    def decode(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        logits, deltas = outputs
        return decode(deltas, self.anchors, DELTA_WEIGHTS), logits.sigmoid()

    def renamed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Before torchvision 0.12 the head's convolutions and their ReLUs were counted together."""
        old = re.compile(r"(head\.\w+\.conv)\.(\d+)\.(weight|bias)")
        return {old.sub(lambda one: f"{one[1]}.{int(one[2]) // 2}.0.{one[3]}", name): state[name] for name in state}


@dataclass(frozen=True)
class RetinaNetAssigner:
    """What every anchor of one picture shall answer."""

    anchors: Tensor

    def __call__(self, boxes: Tensor, classes: Tensor) -> Targets:
        """Boxes [M, 4] (cx, cy, w, h, fractions) and classes int64 [M] to classes int64 [A] (0 background, -1 asked
        nothing) and boxes [A, 4], of no meaning where the class is not positive."""
        if not len(boxes):
            return torch.zeros(len(self.anchors), dtype=torch.int64), torch.zeros_like(self.anchors)
        overlap = box_iou(box_convert(boxes, "cxcywh", "xyxy"), box_convert(self.anchors, "cxcywh", "xyxy"))
        best, owner = overlap.max(dim=0)
        # a box that no anchor fits well keeps those that fit it best
        favourite = ((overlap == overlap.max(dim=1, keepdim=True).values) & (overlap > 0)).any(dim=0)
        answers = classes[owner]
        answers = torch.where(favourite | (best >= POSITIVE_IOU), answers, torch.full_like(answers, IGNORED))
        answers[(best < NEGATIVE_IOU) & ~favourite] = 0
        return answers, boxes[owner]
