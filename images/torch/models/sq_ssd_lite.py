"""SSDLite with SqueezeNet 1.1, pytorch-ssd's sq-ssd-lite, for conversion. https://arxiv.org/abs/1602.07360"""

from __future__ import annotations

from torch import nn
from torchvision.models import squeezenet1_1

from models import pytorch_ssd_layers as layers
from models.pytorch_ssd import Parts, PytorchSsd, Tap, conv1, lite_extra

# Channels inside and at the end, and the padding.
EXTRAS = ((256, 512, 2), (256, 512, 1), (128, 256, 1), (128, 256, 1), (128, 256, 1))


class Model(PytorchSsd):
    """Five extras after a single map of the backbone."""

    name = "sq_ssd_lite"
    starts = (0, 2, 5, 8)

    @classmethod
    def parts(cls, _: float) -> Parts:
        base_net = squeezenet1_1(weights=None).features
        for layer in base_net:
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = False  # pytorch-ssd's own SqueezeNet rounds down: 17 rows, not torchvision's 18
        channels, extras = [512], []
        for few, outputs, padding in EXTRAS:
            extras.append(lite_extra(channels[-1], few, outputs, padding))
            channels.append(outputs)
        return Parts(base_net, (Tap(len(base_net)),), extras, tuple(channels), layers.separable, conv1)
