"""What a model's outputs were on some pictures: the evidence by which they are understood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from original import Original

from isomer.errors import UserError

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


def look(original: Original, pictures: list[np.ndarray]) -> dict[str, Seen]:
    """All outputs on the first pictures, by name."""
    runs = [original(original.place(pixels)[0]) for pixels in pictures[:PICTURES]]
    return {name: Seen(name, tuple(np.asarray(one[name]) for one in runs)) for name in original.outputs}


def not_understood(why: str, original: Original, seen: dict[str, Seen]) -> UserError:
    """The error for outputs that nothing fits: what was seen, and how to declare it."""
    taken = original.input
    sides = f"{original.how.height}x{original.how.width}" if original.how.height else "any size"
    words = "; ".join(one.in_words() for one in seen.values())
    return UserError(
        f"{why}. Seen: input {taken.name} {taken.dtype} ({taken.layout}, {sides}); outputs (on {PICTURES} pictures): "
        f"{words}. Declare them: --outputs boxes=NAME,scores=NAME (with classes=NAME,count=NAME where the model "
        "has its own NMS), --box-order, or --decoder yolov5|yolov8|yolox|nanodet|ssd for one raw output"
    )
