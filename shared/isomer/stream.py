"""The order in which training sees its pictures: one endless stream of shuffled epochs.

What stands at a position of the stream follows from the seed and the position alone, so a run that goes on after a
kill, or that is shared by several processes, sees what it would have seen.

With --balance pictures of rare classes come several times an epoch: repeat factor sampling, of the LVIS paper
(https://arxiv.org/abs/1908.03195, appendix B). A class that is in the share f of the pictures has the repeat factor
max(1, sqrt(t / f)), a picture the largest of its classes' factors. LVIS's t of 0.001 is below any class of a dataset of
few classes and would do nothing; t is the share of the median class here: what is rarer than usual comes more often.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from isomer.dataset.canonical import Picture


class Stream:
    """Positions of the stream to indices of the pictures; an epoch has `len(stream)` positions."""

    def __init__(self, pictures: Sequence[Picture], seed: int, balance: bool) -> None:
        self.seed, self.count = seed, len(pictures)
        self._factors = repeat_factors(pictures) if balance else None
        self._length = self.count if self._factors is None else math.ceil(round(self._factors.sum(), 6))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: int) -> int:
        epoch, place = divmod(position, self._length)
        return int(self.epoch(epoch)[place])

    @functools.lru_cache(maxsize=2)  # noqa: B019 (one stream a process)
    def epoch(self, number: int) -> np.ndarray:
        """The indices of an epoch, counted from 0, in their order."""
        rng = np.random.default_rng([self.seed, 1, number])
        order = rng.permutation(self.count)
        if self._factors is None:
            return order
        # Systematic sampling: a picture of factor 2.3 comes twice or three times, all epochs are equally long.
        ends = np.cumsum(self._factors[order]) * (self._length / self._factors.sum())
        ends[-1] = self._length
        times = np.diff(np.floor(ends + rng.random()), prepend=0).astype(int)
        return rng.permutation(np.repeat(order, times))


def repeat_factors(pictures: Sequence[Picture]) -> np.ndarray:
    """How many times an epoch each picture is to be seen on average, at least once."""
    classes = [{box.category for box in picture.boxes if not box.crowd} for picture in pictures]
    seen = Counter(category for found in classes for category in found)
    usual = np.median(list(seen.values())) if seen else 0
    factor = {category: max(1.0, math.sqrt(usual / count)) for category, count in seen.items()}
    return np.array([max((factor[category] for category in found), default=1.0) for found in classes])
