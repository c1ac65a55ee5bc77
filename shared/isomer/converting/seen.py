"""What one of a model's outputs was on some pictures: the evidence by which it is understood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PICTURES = 4  # looked at; more tell hardly more


@dataclass(frozen=True)
class Seen:
    """One output on several pictures, each as the graph gives it for a batch of one."""

    name: str
    arrays: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first picture's."""
        return self.arrays[0].shape

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers by its type."""
        return self.arrays[0].dtype.kind in "iub"

    @property
    def values(self) -> np.ndarray:
        """All numbers, in a row, as float64."""
        return np.concatenate([array.ravel() for array in self.arrays]).astype(np.float64)

    def rows(self, columns: int) -> np.ndarray:
        """All numbers as float64 [n, columns]."""
        return self.values.reshape(-1, columns)

    def in_words(self) -> str:
        values = self.values
        between = f", {values.min():.3g} to {values.max():.3g}" if values.size else ", empty"
        return f"{self.name} {self.arrays[0].dtype} {list(self.shape)}{between}"
