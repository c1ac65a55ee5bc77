"""What a training is asked to do, settled before torch is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from cluster import Place
from recipe import Recipe

from isomer.dataset.canonical import Dataset, Split
from isomer.flags import Train
from isomer.interruption import Interruption
from isomer.pretrained import Weights
from isomer.run import RunFolder
from isomer.stream import Stream
from isomer.training import Plan


@dataclass(frozen=True)
class Job:
    """One process's part in a run; `stream` orders the training split's pictures."""

    run: RunFolder
    dataset: Dataset
    train: Split
    val: Split
    stream: Stream
    options: Train
    plan: Plan
    recipe: Recipe
    weights: Weights | None
    place: Place
    interruption: Interruption
    nodes: tuple[str, ...] = ()  # names, where Slurm has started the processes
