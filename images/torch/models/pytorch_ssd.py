"""SSD in pytorch-ssd's architectures, with its names of parameters, so that existing checkpoints load.

https://github.com/qfgaohao/pytorch-ssd: a backbone (`base_net`) whose feature maps are tapped at two places, `extras`
that halve the last of them again and again, and for every map a header of class logits and one of box deltas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from isomer import priors
from isomer.errors import UserError
from isomer.priors import Shapes
from models import pytorch_ssd_layers as layers
from models.base import Outputs
from models.ssd import SsdDetector

BOX = 4


@dataclass(frozen=True)
class Tap:
    """A feature map is taken after so many layers of the backbone, or `inside` the next one after so many parts."""

    layers: int
    inside: int = 0


@dataclass(frozen=True)
class Parts:
    """What a network is made of; `channels` are those of the feature maps."""

    base_net: nn.Sequential
    taps: tuple[Tap, ...]
    extras: Sequence[nn.Module]
    channels: tuple[int, ...]
    header: Callable[[int, int], nn.Module]  # of inputs and outputs
    last_header: Callable[[int, int], nn.Module]
    first_norm: nn.Module | None = None  # of the first feature map, before its headers


class PytorchSsd(SsdDetector):
    """A detector whose anchors stand in the order of the feature maps, then rows, columns and shapes.

    Args:
        size: of the input in pixels, a square's side or (height, width).
        multiplier: of the backbone's channels, where the network was published with several.

    Raises:
        UserError: the input is so small that nothing is left of it at the last feature map.
    """

    mean: ClassVar = (127.0, 127.0, 127.0)
    std: ClassVar = (128.0, 128.0, 128.0)
    shapes: ClassVar[Shapes] = priors.MOBILENET
    starts: ClassVar[tuple[int, ...]]  # the layers of base_net that open a stage

    def __init__(self, size: int | tuple[int, int], classes: int, multiplier: float = 1.0) -> None:
        self.height, self.width = (size, size) if isinstance(size, int) else size
        super().__init__(max(self.height, self.width), classes)
        parts = self.parts(multiplier)
        self.base_net, self.taps = parts.base_net, parts.taps
        self.extras = nn.ModuleList(parts.extras)
        self.source_layer_add_ons = nn.ModuleList([parts.first_norm] if parts.first_norm else [])
        self.classification_headers = self._headers(parts, self.columns)
        self.regression_headers = self._headers(parts, BOX)
        for module in (*self.extras, *self.classification_headers, *self.regression_headers):
            module.apply(_xavier)
        self.register_buffer("anchors", self._anchors(), persistent=False)

    @classmethod
    def parts(cls, multiplier: float) -> Parts:
        """The network's parts, anew."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Outputs:
        maps = self.feature_maps(images)
        logits = _answers(self.classification_headers, maps, self.columns)
        return logits, _answers(self.regression_headers, maps, BOX)

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """The maps that the headers look at, the finest first."""
        maps, behind = [], 0
        for tap in self.taps:
            images = self.base_net[behind : tap.layers](images)
            behind = tap.layers
            maps.append(images)
            if tap.inside:
                block = self.base_net[behind].conv
                maps[-1] = block[: tap.inside](images)
                images = block[tap.inside :](maps[-1])
                behind += 1
        for extra in self.extras:
            images = extra(images)
            maps.append(images)
        for norm in self.source_layer_add_ons:
            maps[0] = norm(maps[0])
        return maps

    def stages(self) -> list[list[nn.Module]]:
        """What follows each halving of the resolution."""
        ends = (*self.starts[1:], len(self.base_net))
        return [list(self.base_net[first:end]) for first, end in zip(self.starts, ends, strict=True)]

    def class_layers(self) -> list[str]:
        """The last convolution of each header."""
        names = []
        for number, header in enumerate(self.classification_headers):
            last = f".{len(header) - 1}" if isinstance(header, nn.Sequential) else ""
            names.append(f"classification_headers.{number}{last}")
        return names

    def from_backbone(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of pytorch-ssd's own backbones, which are a base_net alone."""
        return {f"base_net.{name}": tensor for name, tensor in state.items() if re.match(r"\d+\.", name)}

    def _headers(self, parts: Parts, answers: int) -> nn.ModuleList:
        kinds = [parts.header] * (len(self.shapes.counts) - 1) + [parts.last_header]
        return nn.ModuleList(
            kind(channels, count * answers)
            for kind, channels, count in zip(kinds, parts.channels, self.shapes.counts, strict=True)
        )

    @torch.no_grad()
    def _anchors(self) -> Tensor:
        was_training = self.training
        self.eval()  # so that this look at the feature maps leaves no trace in the batch norms
        try:
            maps = self.feature_maps(torch.zeros(1, 3, self.height, self.width))
        except RuntimeError:  # a convolution that finds less than its kernel
            raise UserError(
                f"--size {self.size}: too small for {self.name}, whose last feature maps have nothing left to look at;"
                " give 300, what it was made for"
            ) from None
        self.train(was_training)
        sizes = [(each.shape[2], each.shape[3]) for each in maps]
        return torch.from_numpy(priors.anchors(self.shapes, sizes, self.height, self.width))


def _answers(headers: nn.ModuleList, maps: list[Tensor], each: int) -> Tensor:
    found = [header(one).permute(0, 2, 3, 1).flatten(1) for header, one in zip(headers, maps, strict=True)]
    return torch.cat(found, dim=1).unflatten(1, (-1, each))


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)


def conv3(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def conv1(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 1)


def extra(inputs: int, few: int, outputs: int, halve: bool = True) -> nn.Module:
    """SSD's extra layer: squeeze, then a 3×3 convolution that halves the map, or takes two rows and columns off it."""
    last = nn.Conv2d(few, outputs, 3, 2, 1) if halve else nn.Conv2d(few, outputs, 3)
    return nn.Sequential(nn.Conv2d(inputs, few, 1), nn.ReLU(), last, nn.ReLU())


def lite_extra(inputs: int, few: int, outputs: int, padding: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, few, 1), nn.ReLU(), layers.separable(few, outputs, 2, padding))
