"""Calls timed in turns, and what can be said about two of them: their ratio, and whether it is more than noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

PERCENTILES = (50, 95, 99)
WARM_UP = 3  # runs that are not timed: the first ones allocate
FEWEST = 10  # rounds, however slow they are
SAME = 0.02  # two sessions of one file differ by up to so much: memory lies elsewhere
RESAMPLED = 1000  # times
BLOCKS = 20  # rounds that follow each other are alike: whole blocks of them are drawn anew


@dataclass(frozen=True)
class Times:
    """Seconds of each round, by the clock and of the processors (of all threads)."""

    wall: np.ndarray
    processor: np.ndarray

    def to_json(self, pictures: int) -> dict[str, Any]:
        """Milliseconds of a call, and pictures a second where a call takes so many."""
        return {
            "runs": len(self.wall),
            **{f"p{percent}_ms": _milliseconds(np.percentile(self.wall, percent)) for percent in PERCENTILES},
            "mean_ms": _milliseconds(self.wall.mean()),
            "processor_ms": _milliseconds(np.median(self.processor)),
            "images_per_s": round(pictures / float(self.wall.mean()), 2),
        }


@dataclass(frozen=True)
class Ratio:
    """How many times as long the second takes: the median over the rounds, and where 95 % of resampled medians lie."""

    value: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether nothing speaks against both being as fast."""
        return self.low <= 1 <= self.high or abs(self.value - 1) < SAME

    def to_json(self) -> dict[str, Any]:
        return {key: round(value, 4) for key, value in asdict(self).items()} | {"within_noise": self.is_noise}

    def __str__(self) -> str:
        text = f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"
        return f"{text}, within noise" if self.is_noise else text


def alternate(calls: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, Times]:
    """Call each in turn, round after round, the order reversed every time, until each has had so many seconds.

    What slows the machine for a while slows all of them, so rounds can be compared pair by pair.
    """
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    wall: dict[str, list[float]] = {name: [] for name in calls}
    processor: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    order = list(calls)
    rounds = 0
    while rounds < FEWEST or time.perf_counter() < end:
        for name in order:
            used, start = time.process_time(), time.perf_counter()
            calls[name]()
            wall[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - used)
        order.reverse()
        rounds += 1
    return {name: Times(np.array(wall[name]), np.array(processor[name])) for name in calls}


def ratio(first: np.ndarray, second: np.ndarray) -> Ratio:
    """The second's times in the first's, both [rounds] of the same rounds."""
    ratios = second / first
    blocks = np.array_split(ratios, min(BLOCKS, len(ratios)))
    random = np.random.default_rng(0)
    chosen = random.integers(0, len(blocks), (RESAMPLED, len(blocks)))
    medians = [np.median(np.concatenate([blocks[place] for place in row])) for row in chosen]
    low, high = np.percentile(medians, (2.5, 97.5))
    return Ratio(float(np.median(ratios)), float(low), float(high))


def _milliseconds(seconds: float) -> float:
    return round(float(seconds) * 1000, 3)
