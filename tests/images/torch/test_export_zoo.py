"""Every model's core as ONNX, by ONNX's reference evaluator, against torch: other batches than it was traced with."""

from __future__ import annotations

import models
import numpy as np
import onnx_export
import pytest
import torch
from models.base import Core
from onnx.reference import ReferenceEvaluator
from torch import nn

from isomer import contract

SIZE = 96


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ssd300_vgg16", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2", "fcos_resnet50_fpn"]
)
def test_core_is_the_same_in_onnx(name):
    torch.manual_seed(0)
    core = Core(models.build(name, SIZE, 2)).eval()
    for module in core.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training: not the identity
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    evaluator = ReferenceEvaluator(onnx_export.export(core, SIZE, SIZE))
    for batch in (1, 3):
        images = core.detector.normalise(torch.rand(batch, 3, SIZE, SIZE) * 255)
        with torch.no_grad():
            expected = core(images)
        for found, wanted in zip(evaluator.run(None, {contract.CORE_INPUT: images.numpy()}), expected, strict=True):
            assert np.abs(found - wanted.numpy()).max() <= 1e-4
