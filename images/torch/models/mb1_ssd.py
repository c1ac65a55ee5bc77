"""SSD with MobileNetV1, pytorch-ssd's mb1-ssd, and its mb1-ssd-lite. https://arxiv.org/abs/1704.04861"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from models import pytorch_ssd_layers as layers
from models.pytorch_ssd import Parts, PytorchSsd, Tap, conv1, conv3, extra, lite_extra

EXTRAS = ((256, 512), (128, 256), (128, 256), (128, 256))  # channels inside and at the end


class Model(PytorchSsd):
    """3×3 convolutions as headers and extras."""

    name = "mb1_ssd"
    starts = (0, 2, 4, 6, 12)

    @classmethod
    def parts(cls, multiplier: float) -> Parts:
        return _parts(multiplier, extra, conv3, conv3)


class Lite(Model):
    """Separable convolutions instead."""

    name = "mb1_ssd_lite"

    @classmethod
    def parts(cls, multiplier: float) -> Parts:
        return _parts(multiplier, lite_extra, layers.separable, conv1)


def _parts(multiplier: float, an_extra: Callable, header: Callable, last_header: Callable) -> Parts:
    channels = [int(512 * multiplier), int(1024 * multiplier)]
    extras: list[nn.Module] = []
    for few, outputs in EXTRAS:
        extras.append(an_extra(channels[-1], few, outputs))
        channels.append(outputs)
    return Parts(layers.mobilenet_v1(multiplier), (Tap(12), Tap(14)), extras, tuple(channels), header, last_header)
