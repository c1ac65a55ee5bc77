"""RetinaNet with ResNet50 and FPN, torchvision's first version. https://arxiv.org/abs/1708.02002"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection import retinanet_resnet50_fpn

from models.boxes import encode
from models.retinanet import DELTA_WEIGHTS, RetinaNetDetector

EPS = 1e-5  # of torch's batch norms
SMALLEST_VARIANCE = 1e-30


class Model(RetinaNetDetector):
    """Its boxes are compared by the L1 distance of the deltas."""

    name = "retinanet_resnet50_fpn"

    def __init__(self, size: int, classes: int) -> None:
        made = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=classes)
        super().__init__(made, size, classes)

    def box_loss(self, deltas: Tensor, boxes: Tensor, anchors: Tensor) -> Tensor:
        return functional.l1_loss(deltas, encode(boxes, anchors, DELTA_WEIGHTS), reduction="sum")

    def as_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The file was trained with batch norms that add nothing to the variance; here the scale makes up for it."""
        scales = {}
        for name, variance in state.items():
            if name.startswith("backbone.body.") and name.endswith("running_var"):
                weight = name.replace("running_var", "weight")
                variance = variance.double().clamp(min=SMALLEST_VARIANCE)
                scales[weight] = (state[weight] * torch.sqrt((variance + EPS) / variance)).float()
        return state | scales
