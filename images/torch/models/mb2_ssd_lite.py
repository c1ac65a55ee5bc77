"""SSDLite with MobileNetV2, pytorch-ssd's mb2-ssd-lite. https://arxiv.org/abs/1801.04381"""

from __future__ import annotations

import re

from torch import Tensor, nn

from models import pytorch_ssd_layers as layers
from models.pytorch_ssd import Parts, PytorchSsd, Tap, conv1

EXTRAS = ((512, 0.2), (256, 0.25), (256, 0.5), (64, 0.25))  # channels at the end, and inside as a share of the input's


class Model(PytorchSsd):
    """Its first feature map is taken inside a block, where that is widest."""

    name = "mb2_ssd_lite"
    starts = (0, 2, 4, 7, 14)

    @classmethod
    def parts(cls, multiplier: float) -> Parts:
        channels = [round(576 * multiplier), layers.v2_last(multiplier)]
        extras: list[nn.Module] = []
        for outputs, expansion in EXTRAS:
            extras.append(layers.InvertedResidual(channels[-1], outputs, 2, expansion))
            channels.append(outputs)
        taps = (Tap(14, inside=3), Tap(19))
        return Parts(layers.mobilenet_v2(multiplier), taps, extras, tuple(channels), _header, conv1)

    def from_backbone(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of torchvision's mobilenet_v2, or of pytorch-ssd's own."""
        found = super().from_backbone(state)
        return found | {_place(name): tensor for name, tensor in state.items() if name.startswith("features.")}


def _header(inputs: int, outputs: int) -> nn.Module:
    return layers.separable(inputs, outputs, norm=True)


def _place(name: str) -> str:
    """`features.2.conv.1.0.weight` -> `base_net.2.conv.3.weight`: torchvision nests convolution, norm and ReLU, which
    stand in one row here; the last convolution and its norm it does not nest."""
    block, rest = re.fullmatch(r"features\.(\d+)\.(.*)", name).groups()
    nested = re.fullmatch(r"conv\.(\d)\.(\d)\.(.*)", rest)
    if nested:
        part, number, rest = nested.groups()
        return f"base_net.{block}.conv.{3 * int(part) + int(number)}.{rest}"
    last = re.fullmatch(r"conv\.(\d)\.(.*)", rest)
    if last:
        nests = 1 if block == "1" else 2  # the first block does not expand
        return f"base_net.{block}.conv.{int(last[1]) + 2 * nests}.{last[2]}"
    return f"base_net.{block}.{rest}"
