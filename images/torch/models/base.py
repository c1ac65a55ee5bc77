"""SSDLite with MobileNetV3-Large, torchvision's, for any input size and any number of classes.

Only backbone, head and anchors are taken from torchvision: its own transform resizes with another rule than the
contract's, and its postprocessing cannot be exported. Papers: https://arxiv.org/abs/1512.02325 (SSD),
https://arxiv.org/abs/1801.04381 (SSDLite), https://arxiv.org/abs/1905.02244 (MobileNetV3).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.image_list import ImageList

ARCHITECTURE = "ssdlite_mobilenet_v3_large"
MEAN = STD = (127.5, 127.5, 127.5)  # grey levels: torchvision's SSDLite wants -1...1
# Box deltas are scaled so that all four have about unit variance, as torchvision's SSD does.
DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
LARGEST_GROWTH = math.log(1000 / 16)  # exp() of more would overflow on a head that is not trained yet
# torchvision's 0.03 needs thousands of steps until the running statistics follow the weights.
BATCH_NORM_MOMENTUM = 0.1


class Detector(nn.Module):
    """Normalised images [N, 3, size, size] to class logits [N, A, classes + 1], background first, and deltas [N, A, 4].

    `anchors` [A, 4] are cx, cy, w, h as fractions of the image; they follow from the feature maps' sizes.
    """

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.size = size
        ssd = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes + 1)
        self.backbone, self.head = ssd.backbone, ssd.head
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = BATCH_NORM_MOMENTUM
        for module in self.backbone.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()  # torchvision's normal(0, 0.03) learns more slowly in the first epochs
        self.register_buffer("anchors", _anchors(ssd, size), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.head(list(self.backbone(images).values()))
        return outputs["cls_logits"], outputs["bbox_regression"]


class Core(nn.Module):
    """What is exported: normalised images to boxes [N, A, 4] (ymin, xmin, ymax, xmax, fractions, clipped to 0…1) and
    scores [N, A, classes] (probabilities, without the background's)."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = self.detector(images)
        boxes = decode(deltas, self.detector.anchors)
        xmin, ymin, xmax, ymax = boxes.clamp(0, 1).split(1, dim=-1)
        return torch.cat([ymin, xmin, ymax, xmax], dim=-1), functional.softmax(logits, dim=-1)[..., 1:]


def normalise(pixels: Tensor) -> Tensor:
    """Grey levels [N, 3, height, width] as the core wants them."""
    mean, std = (pixels.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (pixels - mean) / std


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Deltas [..., 4] that make `decode` turn the anchors (cx, cy, w, h) into these boxes (cx, cy, w, h)."""
    centres = (boxes[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    sizes = torch.log(boxes[..., 2:] / anchors[..., 2:])
    return torch.cat([centres, sizes], dim=-1) * anchors.new_tensor(DELTA_WEIGHTS)


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """Deltas [N, A, 4] and anchors [A, 4] (cx, cy, w, h) to boxes [N, A, 4] as xmin, ymin, xmax, ymax."""
    scaled = deltas / deltas.new_tensor(DELTA_WEIGHTS)
    centres = scaled[..., :2] * anchors[:, 2:] + anchors[:, :2]
    halves = torch.exp(scaled[..., 2:].clamp(max=LARGEST_GROWTH)) * (anchors[:, 2:] / 2)
    return torch.cat([centres - halves, centres + halves], dim=-1)


@torch.no_grad()
def _anchors(ssd: nn.Module, size: int) -> Tensor:
    """torchvision's anchors for an input of this size, as cx, cy, w, h fractions."""
    was_training = ssd.training
    ssd.eval()  # so that this look at the feature maps leaves no trace in the batch norms
    images = torch.zeros(1, 3, size, size)
    features = list(ssd.backbone(images).values())
    ssd.train(was_training)
    corners = ssd.anchor_generator(ImageList(images, [(size, size)]), features)[0] / size
    return torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1)
