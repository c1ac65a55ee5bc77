"""What every detector is, and the core that is made of it. models/__init__.py describes the interface."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from isomer.errors import UserError

Outputs = tuple[Tensor, ...]
Targets = tuple[Tensor, ...]
Assigner = Callable[[Tensor, Tensor], Targets]


class Loss(NamedTuple):
    """The parts of a batch's loss, each summed over the batch, and the positive anchors (a tensor) they are divided by.

    The loss of a step is `sum(parts.values()) / positives.clamp(min=1)`, both added up over all that makes the step.
    """

    parts: dict[str, Tensor]
    positives: Tensor

    def value(self) -> Tensor:
        """The loss where this batch is the whole step."""
        return sum(self.parts.values()) / self.positives.clamp(min=1)


class Detector(nn.Module, abc.ABC):
    """A one-stage detector for square inputs."""

    name: ClassVar[str]  # in models.toml, and of its module
    mean: ClassVar[tuple[float, float, float]]
    std: ClassVar[tuple[float, float, float]]
    background: ClassVar[bool]  # whether column 0 of the class layers stands for "nothing here"

    anchors: Tensor

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.size, self.classes = size, classes
        self._still: list[nn.Module] = []

    @property
    def columns(self) -> int:
        """Class columns of an anchor in the outputs."""
        return self.classes + self.background

    @abc.abstractmethod
    def forward(self, images: Tensor) -> Outputs: ...

    @abc.abstractmethod
    def assigner(self) -> Assigner: ...

    @abc.abstractmethod
    def loss(self, outputs: Outputs, targets: Targets) -> Loss: ...

    @abc.abstractmethod
    def decode(self, outputs: Outputs) -> tuple[Tensor, Tensor]: ...

    @abc.abstractmethod
    def stages(self) -> list[list[nn.Module]]: ...

    @abc.abstractmethod
    def class_layers(self) -> list[str]:
        """Names of the layers with anchors × columns output channels, the column counting fastest."""

    @abc.abstractmethod
    def from_backbone(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A classifier's state dict under the names that its tensors have here; those without a place are left out."""

    def renamed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A state dict of the same architecture under today's names: older files have others."""
        return state

    def as_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the published file as they must be here to compute the same."""
        return state

    def hold_norms(self) -> None:
        """Keep the statistics of pretrained batch norms where the model's recipe does: to be called on every start of a
        run whose weights are pretrained. By default they learn on."""

    def hold(self, modules: Iterable[nn.Module]) -> None:
        """No gradients from now on, and evaluation mode whatever mode the detector is in."""
        for module in modules:
            module.requires_grad_(False)
            self._still.append(module)
        self.train(self.training)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Grey levels [N, 3, height, width] as the model wants them."""
        return normalise(pixels, self.mean, self.std)

    def freeze(self, what: str) -> None:
        """Hold the backbone, its first stages, or all batch norms still: no gradients, statistics that stay.

        Args:
            what: `backbone`, how many stages, or `norms` (`--freeze`).

        Raises:
            UserError: there are not so many stages, or no batch norms.
        """
        if what == "norms":
            norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
            if not norms:
                raise UserError(f"--freeze norms: {self.name} has no batch norms that learn")
            self.hold(norms)
            return
        stages = self.stages()
        count = len(stages) if what == "backbone" else int(what)
        if not 1 <= count <= len(stages):
            raise UserError(f"--freeze {what}: the backbone of {self.name} has {len(stages)} stages")
        self.hold(module for stage in stages[:count] for module in stage)

    def train(self, mode: bool = True) -> Detector:
        """As of every module; what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self._still:
            module.eval()
        return self


class Core(nn.Module):
    """What is exported: normalised images to boxes [N, A, 4] (ymin, xmin, ymax, xmax, fractions, clipped to 0…1) and
    scores [N, A, classes] (probabilities, without the background's)."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores = self.detector.decode(self.detector(images))
        xmin, ymin, xmax, ymax = boxes.clamp(0, 1).split(1, dim=-1)
        return torch.cat([ymin, xmin, ymax, xmax], dim=-1), scores


def normalise(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Grey levels [N, 3, height, width], less the mean, by the deviation."""
    return (pixels - pixels.new_tensor(mean).view(1, 3, 1, 1)) / pixels.new_tensor(std).view(1, 3, 1, 1)
