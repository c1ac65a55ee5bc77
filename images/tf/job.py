"""A training as everything that can be settled before TensorFlow is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from architectures import Architecture
from cluster import Place
from recipe import Recipe

from isomer.dataset.canonical import Dataset, Split
from isomer.flags import Train
from isomer.interruption import Interruption
from isomer.pretrained import Weights
from isomer.run import RunFolder
from isomer.training import Plan


@dataclass(frozen=True)
class Job:
    """What is trained, on what, how, and by which of the run's processes."""

    run: RunFolder
    dataset: Dataset
    train: Split
    val: Split
    options: Train
    plan: Plan
    recipe: Recipe
    architecture: Architecture
    weights: Weights | None  # to begin with
    place: Place
    interruption: Interruption
    nodes: tuple[str, ...] = ()  # names, where Slurm has started the processes
