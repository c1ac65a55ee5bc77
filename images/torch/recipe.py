"""How the weights are found; saved in the run's config.json. Imports no torch: train.py answers at once what it can."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from isomer.flags import Train

STEP_DROPS = (2 / 3, 8 / 9)  # of a run: where Detectron2's schedules divide the learning rate by ten
STEP_FACTOR = 0.1


# Peak learning rates of AdamW for batches of about 16 pictures: from scratch, and from pretrained weights, which large
# steps would spoil. Networks without batch normalisation (VGG) diverge with those of the mobile ones.
PEAKS = {
    "ssdlite320_mobilenet_v3_large": (5e-3, 1e-3),
    "ssd300_vgg16": (3e-4, 1e-4),
    "retinanet_resnet50_fpn": (5e-4, 1e-4),
    "retinanet_resnet50_fpn_v2": (5e-4, 1e-4),
    "fcos_resnet50_fpn": (5e-4, 1e-4),
    "mb1_ssd": (3e-3, 1e-3),
    "mb2_ssd_lite": (3e-3, 1e-3),
    "vgg16_ssd": (3e-4, 1e-4),
}


@dataclass(frozen=True)
class Recipe:
    """AdamW, a linear warm-up, then what --schedule says."""

    lr: float  # its peak
    weight_decay: float = 0.05
    warmup: float = 0.1  # share of all steps
    gradient_norm: float = 5.0  # longer gradients are cut to it

    def factor(self, schedule: str, steps: int, step: int) -> float:
        """What the peak learning rate is multiplied with in a run's step (from 0) of so many."""
        rising = round(self.warmup * steps)
        if step < rising:
            return (step + 1) / (rising + 1)
        gone = (step - rising) / max(steps - rising, 1)
        if schedule == "cosine":
            return (1 + math.cos(math.pi * min(gone, 1))) / 2
        if schedule == "step":
            return STEP_FACTOR ** sum(step / steps >= drop for drop in STEP_DROPS)
        return 1.0


def of(options: Train) -> Recipe:
    """The recipe of the settled flags: the model's own where they leave it open."""
    recipe = Recipe(PEAKS[options.model][options.weights != "none"])
    given = {key: getattr(options, key) for key in ("lr", "warmup", "weight_decay")}
    return replace(recipe, **{key: value for key, value in given.items() if value is not None})
