"""How the weights are found; saved in the run's config.json. Imports no torch: train.py answers at once what it can."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """AdamW, a linear warm-up, then a cosine down to zero."""

    lr: float = 5e-3  # its peak
    weight_decay: float = 0.05
    warmup: float = 0.1  # share of all steps
    gradient_norm: float = 5.0  # longer gradients are cut to it
