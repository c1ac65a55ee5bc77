"""Calls timed in turns, and what can be said about two of them: their ratio, and whether it is more than noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

PERCENTILES = (50, 95, 99)
QUANTILES = range(0, 100, 5)  # for a curve; the last runs of all would stretch it
WARM_UP = 2  # runs that are not timed: the first ones allocate
OPENINGS = 8  # of sessions: where the system puts one's threads and memory stays as long as it is open
FEWEST = 3  # rounds of an opening, however slow they are
SAME = 0.04  # copies of one file differ by up to so much
STUDENT = (
    3.499  # half of the 99 % interval of a mean of eight, in its standard errors: Student's t, 7 degrees of freedom
)


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
            "quantiles_ms": [_milliseconds(value) for value in np.percentile(self.wall, QUANTILES)],
        }


@dataclass(frozen=True)
class Ratio:
    """How many times as long the second takes, and the 99 % interval of that."""

    value: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether nothing speaks against both being as fast."""
        return self.low <= 1 <= self.high or abs(self.value - 1) < SAME

    def to_json(self) -> dict[str, Any]:
        return {key: round(value, 4) for key, value in asdict(self).items()} | {"within_noise": self.is_noise}


def alternate(calls: Mapping[str, Callable[[], object]], seconds: float, seed: int = 0) -> dict[str, Times]:
    """Call each in turn, round after round in a new order, until each has had so many seconds.

    What slows the machine for a while slows all of them, so rounds can be compared pair by pair.
    """
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    wall: dict[str, list[float]] = {name: [] for name in calls}
    processor: dict[str, list[float]] = {name: [] for name in calls}
    random = np.random.default_rng(seed)
    end = time.perf_counter() + seconds * len(calls)
    rounds = 0
    while rounds < FEWEST or time.perf_counter() < end:
        # what beats in time with the rounds would else always hit the same one
        for name in random.permutation(list(calls)):
            used, start = time.process_time(), time.perf_counter()
            calls[name]()
            wall[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - used)
        rounds += 1
    return {name: Times(np.array(wall[name]), np.array(processor[name])) for name in calls}


def together(parts: Sequence[Times]) -> Times:
    """The times of several openings as one."""
    return Times(np.concatenate([part.wall for part in parts]), np.concatenate([part.processor for part in parts]))


def ratio(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Ratio:
    """The second's times in the first's; of each of `OPENINGS` openings, the times of the same rounds.

    The median over an opening's rounds is one measurement. The interval comes from how these differ: two sessions of
    one file can differ by half for as long as they are open, however many rounds there are.
    """
    logs = np.log([np.median(two / one) for one, two in zip(first, second, strict=True)])
    half = STUDENT * float(logs.std(ddof=1)) / len(logs) ** 0.5
    mean = float(logs.mean())
    return Ratio(float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half)))


def _milliseconds(seconds: float) -> float:
    return round(float(seconds) * 1000, 3)
