"""models.toml against torchvision's own words on its published weights, and against the models themselves."""

from __future__ import annotations

from pathlib import Path

import models
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import MobileNet_V3_Large_Weights, ResNet50_Weights, VGG16_Weights, get_model_weights
from torchvision.models.detection import FCOS, RetinaNet  # noqa: F401 (registers the detectors)

from isomer import catalogue
from isomer.errors import UserError

BACKBONES = {
    "ssdlite320_mobilenet_v3_large": MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    "ssd300_vgg16": VGG16_Weights.IMAGENET1K_FEATURES,
    "retinanet_resnet50_fpn": ResNet50_Weights.IMAGENET1K_V1,
    "retinanet_resnet50_fpn_v2": ResNet50_Weights.IMAGENET1K_V1,
    "fcos_resnet50_fpn": ResNet50_Weights.IMAGENET1K_V1,
}
# their batch norms are frozen ones in torchvision, which count no parameters
FROZEN_NORMS = ("retinanet_resnet50_fpn", "fcos_resnet50_fpn")


@pytest.fixture
def known(scripts: Path) -> dict[str, catalogue.Model]:
    return catalogue.load(scripts)


@pytest.mark.parametrize("name", BACKBONES)
def test_torchvisions_models_are_as_torchvision_says(known, name):
    published = get_model_weights(name).COCO_V1
    model = known[name]
    assert model.parameters == published.meta["num_params"]
    assert model.gflops == published.meta["_ops"]
    assert model.mAP == pytest.approx(published.meta["_metrics"]["COCO-val2017"]["box_map"] / 100)
    assert model.weights["coco"].url == published.url
    assert model.weights["imagenet"].url == BACKBONES[name].url
    for one in model.weights.values():
        assert one.file_name.endswith(f"-{one.sha256}.pth")


@pytest.mark.parametrize("name", BACKBONES)
def test_torchvisions_models_are_what_is_built(known, name):
    model = known[name]
    detector = models.build(name, model.size, 91 - name.startswith("ssd")).eval()
    counted = sum(weight.numel() for weight in detector.parameters())
    if name in FROZEN_NORMS:
        norms = (one for one in detector.backbone.body.modules() if isinstance(one, nn.BatchNorm2d))
        counted -= sum(weight.numel() for norm in norms for weight in norm.parameters())
    assert counted == model.parameters
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        detector(torch.zeros(1, 3, model.size, model.size))
    assert counter.get_total_flops() / 2e9 == pytest.approx(model.gflops, abs=1e-3)


def test_stages_are_counted_as_the_models_have_them(known):
    for name, model in known.items():
        assert model.stages == len(models.build(name, model.size if "ssd" in name else 128, 1).stages()), name


def test_more_stages_than_there_are(known):
    model = known["ssd300_vgg16"]
    for right in ("backbone", "1", "5"):
        model.check_freeze(right)
    for wrong in ("0", "6", "-1", "head"):
        with pytest.raises(UserError, match=rf"--freeze {wrong}: .* has 5 stages"):
            model.check_freeze(wrong)
