"""How a detector is trained, in numbers; imports no framework, so that wrong flags are told at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from isomer.flags import Train

MEAN = (123.675, 116.28, 103.53)  # grey levels, ImageNet's
STD = (58.395, 57.12, 57.375)
STEP_DROPS = (2 / 3, 8 / 9)  # of a run: where Detectron2's schedules divide the learning rate by ten
STEP_FACTOR = 0.1


@dataclass(frozen=True)
class Recipe:
    """What is saved in a run's config.json beside the flags; `lr` is the peak learning rate of Adam."""

    lr: float = 4e-3
    warmup: float = 0.05  # share of the steps
    weight_decay: float = 0.0  # decoupled (AdamW); runs of a few thousand steps end no better with it
    # The Model Garden's 0.99 needs thousands of steps until the running statistics follow the weights; runs of 30 steps
    # found nothing with 0.9 and everything with 0.8, and long runs end the same with both.
    norm_momentum: float = 0.8
    focal_alpha: float = 0.25
    focal_gamma: float = 1.5
    box_loss_weight: int = 50


def of(options: Train) -> Recipe:
    """The recipe with what the flags say of it."""
    given = {key: getattr(options, key) for key in ("lr", "warmup", "weight_decay")}
    return replace(Recipe(), **{key: value for key, value in given.items() if value is not None})
