"""The Ultra-Light face detectors, a dialect of pytorch-ssd, for conversion.

https://github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB: three maps of a narrow MobileNetV1 and one extra,
square anchors of fixed sizes in pixels, inputs that are wider than high.
"""

from __future__ import annotations

from torch import nn

from isomer import priors
from models import pytorch_ssd_layers as layers
from models.pytorch_ssd import Parts, PytorchSsd, Tap, conv3

CHANNELS = 16  # of the first convolution


class Slim(PytorchSsd):
    """version-slim."""

    name = "ultra_light_slim"
    shapes = priors.ULTRA_LIGHT
    starts = (0, 2, 4, 8, 11)
    receptive_field = False

    @classmethod
    def parts(cls, multiplier: float) -> Parts:
        base = int(CHANNELS * multiplier)
        last = layers.separable(base * 4, base * 16, 2)
        extra = nn.Sequential(nn.Conv2d(base * 16, base * 4, 1), nn.ReLU(), last, nn.ReLU())
        base_net = layers.tiny_mobilenet(base, cls.receptive_field)
        channels = (base * 4, base * 8, base * 16, base * 16)
        return Parts(base_net, (Tap(8), Tap(11), Tap(13)), (extra,), channels, layers.separable, conv3)


class Rfb(Slim):
    """version-RFB: with a receptive field block."""

    name = "ultra_light_rfb"
    receptive_field = True
