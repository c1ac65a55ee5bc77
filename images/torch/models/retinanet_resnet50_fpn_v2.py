"""RetinaNet with ResNet50 and FPN, torchvision's second version. https://arxiv.org/abs/1912.02424"""

from __future__ import annotations

from torch import Tensor
from torchvision.models.detection import retinanet_resnet50_fpn_v2
from torchvision.ops import box_convert, generalized_box_iou_loss

from models.boxes import decode
from models.retinanet import DELTA_WEIGHTS, RetinaNetDetector


class Model(RetinaNetDetector):
    """Group norms in its head; its boxes are compared by their generalised overlap."""

    name = "retinanet_resnet50_fpn_v2"

    def __init__(self, size: int, classes: int) -> None:
        made = retinanet_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=classes)
        super().__init__(made, size, classes)

    def box_loss(self, deltas: Tensor, boxes: Tensor, anchors: Tensor) -> Tensor:
        # in pixels: torchvision's guard against empty boxes is meant for areas of those
        found = decode(deltas, anchors, DELTA_WEIGHTS) * self.size
        return generalized_box_iou_loss(found, box_convert(boxes, "cxcywh", "xyxy") * self.size, reduction="sum")
