"""pytorch-ssd's anchors (it calls them priors): where they stand and how large they are. Numpy only.

The sizes for 300 pixels are those that every published checkpoint was trained with. For another input the SSD paper's
rule gives them (https://arxiv.org/abs/1512.02325, 2.2, as its Caffe code rounds it), as the forks that train at other
sizes do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

TABLE_SIZE = 300  # pixels: what Shapes.levels is for
LEAST_PERCENT, MOST_PERCENT = 20, 90  # of the input's side, from the second feature map to the last


@dataclass(frozen=True)
class Level:
    """The anchors of one feature map at TABLE_SIZE.

    `step` is the distance of two neighbours' centres in pixels; `least` and `most` bound the sizes; each ratio gives a
    broad and a high anchor besides two squares.
    """

    step: float
    least: float
    most: float
    ratios: tuple[float, ...]


@dataclass(frozen=True)
class Shapes:
    """A network's anchors: by levels, or as squares of fixed sizes in pixels on each feature map."""

    levels: tuple[Level, ...] = ()
    squares: tuple[tuple[int, ...], ...] = ()

    @property
    def counts(self) -> tuple[int, ...]:
        """Anchors at each place of each feature map."""
        return tuple(map(len, self.squares)) or tuple(2 + 2 * len(level.ratios) for level in self.levels)


def _levels(steps: tuple[float, ...], bounds: tuple[float, ...], threes: tuple[bool, ...]) -> tuple[Level, ...]:
    """Levels of which each ends where the next begins; anchors of a ratio of 3 where `threes` says so."""
    pairs = zip(steps, bounds[:-1], bounds[1:], threes, strict=True)
    return tuple(Level(step, least, most, (2, 3) if three else (2,)) for step, least, most, three in pairs)


_STEPS, _BOUNDS, _ALL = (16, 32, 64, 100, 150, 300), (60, 105, 150, 195, 240, 285, 330), (True,) * 6
MOBILENET = Shapes(_levels(_STEPS, _BOUNDS, _ALL))
VGG = Shapes(
    _levels((8, 16, 32, 64, 100, 300), (30, 60, 111, 162, 213, 264, 315), (False, True, True, True, False, False))
)
ULTRA_LIGHT = Shapes(squares=((10, 16, 24), (32, 48), (64, 96), (128, 192, 256)))


def anchors(shapes: Shapes, maps: list[tuple[int, int]], height: int, width: int) -> np.ndarray:
    """Anchors of an input of height × width pixels whose feature maps have these (rows, columns).

    Returns:
        float32 [A, 4]: cx, cy, w, h as fractions of the input, clipped to 0…1; by map, row, column and shape.
    """
    parts = []
    if shapes.squares:
        for (rows, columns), sides in zip(maps, shapes.squares, strict=True):
            sizes = [(side / width, side / height) for side in sides]
            parts.append(_grid(rows, columns, rows, columns, sizes))
    else:
        for (rows, columns), level in zip(maps, levels(shapes, maps, height), strict=True):
            parts.append(_grid(rows, columns, height / level.step, width / level.step, _sizes(level, height, width)))
    return np.concatenate(parts).clip(0, 1).astype(np.float32)


def levels(shapes: Shapes, maps: list[tuple[int, int]], size: int) -> tuple[Level, ...]:
    """The levels for an input of this size: the table's, or the rule's."""
    if size == TABLE_SIZE:
        return shapes.levels
    step = (MOST_PERCENT - LEAST_PERCENT) // (len(maps) - 2)
    percents = [LEAST_PERCENT / 2, *range(LEAST_PERCENT, MOST_PERCENT + 1, step)]
    percents.append(percents[-1] + step)
    bounds = [size * percent / 100 for percent in percents]
    return tuple(
        Level(math.ceil(size / rows), least, most, level.ratios)
        for (rows, _), level, least, most in zip(maps, shapes.levels, bounds, bounds[1:], strict=False)
    )


def _sizes(level: Level, height: int, width: int) -> list[tuple[float, float]]:
    """Widths and heights of one place's anchors, as fractions."""
    between = math.sqrt(level.least * level.most)
    sizes = [(level.least, level.least), (between, between)]
    for root in map(math.sqrt, level.ratios):
        sizes += [(level.least * root, level.least / root), (level.least / root, level.least * root)]
    return [(w / width, h / height) for w, h in sizes]


def _grid(
    rows: int, columns: int, rows_in_all: float, columns_in_all: float, sizes: list[tuple[float, float]]
) -> np.ndarray:
    """Anchors of these sizes at every place: the image is `rows_in_all` × `columns_in_all` steps, not always whole."""
    cy, cx = np.meshgrid(
        (np.arange(rows) + 0.5) / rows_in_all, (np.arange(columns) + 0.5) / columns_in_all, indexing="ij"
    )
    places = np.stack([cx, cy], axis=-1)[:, :, None, :].repeat(len(sizes), axis=2)
    shapes = np.broadcast_to(np.array(sizes), (*places.shape[:3], 2))
    return np.concatenate([places, shapes], axis=-1).reshape(-1, 4)
