"""Files with the layout of the published ones, names and shapes, filled at random."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import detection, mobilenet_v3_large, resnet50, vgg16

from isomer.catalogue import Model

FROZEN = ("retinanet_resnet50_fpn", "fcos_resnet50_fpn")  # published with batch norms that count no batches
CLASSIFIERS = {
    "ssdlite320_mobilenet_v3_large": mobilenet_v3_large,
    "ssd300_vgg16": vgg16,
    "retinanet_resnet50_fpn": resnet50,
    "retinanet_resnet50_fpn_v2": resnet50,
    "fcos_resnet50_fpn": resnet50,
}


def write_coco(folder: Path, model: Model) -> Path:
    """A whole detector's file under its published name; the head's biases say which column is which class."""
    made = getattr(detection, model.name)(weights=None, weights_backbone=None, num_classes=91)
    _shake(made)
    state = dict(made.state_dict())
    if model.name in FROZEN:
        state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    if model.name == "retinanet_resnet50_fpn":
        new = re.compile(r"(head\.\w+\.conv)\.(\d)\.0\.(\w+)")
        state = {
            new.sub(lambda one: f"{one[1]}.{2 * int(one[2])}.{one[3]}", name): value for name, value in state.items()
        }
    return _save(folder / model.weights["coco"].file_name, state)


def write_imagenet(folder: Path, model: Model) -> Path:
    """A classifier's file under its published name."""
    made = CLASSIFIERS[model.name](weights=None)
    _shake(made)
    return _save(folder / model.weights["imagenet"].file_name, made.state_dict())


def _save(path: Path, state: dict[str, Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


def _shake(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            module.running_var[0] = 1e-9  # as of a channel that was always alike
            module.weight.data[0] = 1e-6
