"""A tensor of a graph, of real numbers or quantised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph. In `signature`, -1 is any length. Of quantised ones, (value - zero) * scale is real."""

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    scale: float
    zero: int

    @property
    def quantised(self) -> bool:
        return self.scale != 0 and self.dtype in ("uint8", "int8", "int16")

    def real(self, values: np.ndarray) -> np.ndarray:
        """Values as real numbers."""
        if not self.quantised:
            return values
        return ((values.astype(np.float32) - self.zero) * np.float32(self.scale)).astype(np.float32)

    def __str__(self) -> str:
        steps = f", steps of {self.scale:.4g} from {self.zero}" if self.quantised else ""
        return (
            f"{self.name} {self.dtype} [{'x'.join('?' if side < 0 else str(side) for side in self.signature)}]{steps}"
        )
