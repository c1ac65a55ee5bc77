"""Backbones and blocks whose parameters are named as in pytorch-ssd's checkpoints, written from the papers.

MobileNetV1: https://arxiv.org/abs/1704.04861, MobileNetV2: https://arxiv.org/abs/1801.04381, SSD's VGG16 with the
fully connected layers as dilated convolutions: https://arxiv.org/abs/1512.02325, the receptive field block of the
Ultra-Light face detectors: https://arxiv.org/abs/1711.07767.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Outputs and stride of MobileNetV1's thirteen depthwise blocks, after a first convolution to 32 channels.
V1_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
# Expansion, outputs, repeats and first stride of MobileNetV2's inverted residuals.
V2_BLOCKS = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
V2_LAST = 1280
VGG_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int, relu: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Convolution without bias, batch norm, activation."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), relu(inplace=True))


def depthwise_block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """MobileNetV1's: a 3×3 convolution of each channel, then a 1×1 across them, each with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        *conv_norm(inputs, outputs, 1, 1),
    )


def separable(inputs: int, outputs: int, stride: int = 1, padding: int = 1, norm: bool = False) -> nn.Sequential:
    """SSDLite's stand-in for a 3×3 convolution: with biases, and batch norm in between where the checkpoint has one."""
    between = (nn.BatchNorm2d(inputs), nn.ReLU6()) if norm else (nn.ReLU(),)
    convolution = nn.Conv2d(inputs, inputs, 3, stride, padding, groups=inputs)
    return nn.Sequential(convolution, *between, nn.Conv2d(inputs, outputs, 1))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, convolve each channel, project; added to its input where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: float) -> None:
        super().__init__()
        hidden = round(inputs * expansion)
        self.adds = stride == 1 and inputs == outputs
        expand = conv_norm(inputs, hidden, 1, 1, nn.ReLU6) if expansion != 1 else ()
        self.conv = nn.Sequential(
            *expand,
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.conv(features) if self.adds else self.conv(features)


class ScaledL2Norm(nn.Module):
    """Every place's vector to unit length, times a learned scale per channel: SSD's conv4_3 before batch norm came."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), 20.0))

    def forward(self, features: Tensor) -> Tensor:
        return functional.normalize(features, dim=1) * self.scale[:, None, None]


class ReceptiveFieldBlock(nn.Module):
    """Three branches with growing dilation, joined and added to a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        few = channels // 8
        self.branch0 = nn.Sequential(_named(channels, few, 1, relu=False), _named(few, 2 * few, 3), _wide(few, 2))
        self.branch1 = nn.Sequential(_named(channels, few, 1, relu=False), _named(few, 2 * few, 3), _wide(few, 3))
        middle = few // 2 * 3
        self.branch2 = nn.Sequential(
            _named(channels, few, 1, relu=False), _named(few, middle, 3), _named(middle, 2 * few, 3), _wide(few, 5)
        )
        self.ConvLinear = _named(6 * few, channels, 1, relu=False)
        self.shortcut = _named(channels, channels, 1, relu=False)

    def forward(self, features: Tensor) -> Tensor:
        branches = torch.cat([branch(features) for branch in (self.branch0, self.branch1, self.branch2)], dim=1)
        return functional.relu(self.ConvLinear(branches) + self.shortcut(features))


def mobilenet_v1(width: float = 1.0) -> nn.Sequential:
    """Fourteen layers of which the twelfth is the last at a sixteenth of the input."""
    channels = int(32 * width)
    layers = [conv_norm(3, channels, 3, 2)]
    for outputs, stride in V1_BLOCKS:
        layers.append(depthwise_block(channels, int(outputs * width), stride))
        channels = int(outputs * width)
    return nn.Sequential(*layers)


def mobilenet_v2(width: float = 1.0) -> nn.Sequential:
    """Nineteen layers; the fifteenth widens before it goes from a sixteenth of the input to a thirty-second."""
    channels = int(32 * width)
    layers = [conv_norm(3, channels, 3, 2, nn.ReLU6)]
    for expansion, outputs, repeats, stride in V2_BLOCKS:
        for repeat in range(repeats):
            layers.append(InvertedResidual(channels, int(outputs * width), stride if repeat == 0 else 1, expansion))
            channels = int(outputs * width)
    return nn.Sequential(*layers, conv_norm(channels, v2_last(width), 1, 1, nn.ReLU6))


def v2_last(width: float) -> int:
    """Channels of MobileNetV2's last layer: only a wider network has more."""
    return int(V2_LAST * max(width, 1.0))


def vgg16() -> nn.Sequential:
    """VGG16 up to conv7; the 23 first layers end with conv4_3."""
    layers: list[nn.Module] = []
    channels = 3
    for stage, widths in enumerate(VGG_STAGES):
        for outputs in widths:
            layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            channels = outputs
        # 75 becomes 38: SSD wants the odd row too
        layers.append(nn.MaxPool2d(2, 2, ceil_mode=stage == 2) if stage < 4 else nn.MaxPool2d(3, 1, 1))
    sixth = nn.Conv2d(channels, 1024, 3, padding=6, dilation=6)
    return nn.Sequential(*layers, sixth, nn.ReLU(inplace=True), nn.Conv2d(1024, 1024, 1), nn.ReLU(inplace=True))


def tiny_mobilenet(base: int, receptive_field: bool) -> nn.Sequential:
    """The Ultra-Light detectors' backbone: thirteen layers, with or without a receptive field block as the eighth."""
    plan = ((2, 1), (2, 2), (2, 1), (4, 2), (4, 1), (4, 1), (4, 1), (8, 2), (8, 1), (8, 1), (16, 2), (16, 1))
    layers = [conv_norm(3, base, 3, 2)]
    channels = base
    for number, (times, stride) in enumerate(plan, start=1):
        block = number == 7 and receptive_field
        layers.append(ReceptiveFieldBlock(channels) if block else depthwise_block(channels, base * times, stride))
        channels = base * times
    return nn.Sequential(*layers)


class _Named(nn.Module):
    """Convolution and batch norm by name, as the receptive field block's checkpoints have them."""

    def __init__(self, convolution: nn.Conv2d, relu: bool) -> None:
        super().__init__()
        self.conv, self.relu = convolution, relu
        self.bn = nn.BatchNorm2d(convolution.out_channels, momentum=0.01)

    def forward(self, features: Tensor) -> Tensor:
        features = self.bn(self.conv(features))
        return functional.relu(features) if self.relu else features


def _named(inputs: int, outputs: int, kernel: int, relu: bool = True) -> _Named:
    return _Named(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), relu)


def _wide(few: int, dilation: int) -> _Named:
    """A branch's end: a 3×3 convolution that looks so far."""
    return _Named(nn.Conv2d(2 * few, 2 * few, 3, padding=dilation, dilation=dilation, bias=False), relu=False)
