"""What a dataset is made of, in numbers: classes, splits, sizes and shapes of boxes, and where they lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from isomer.dataset.canonical import Split
from isomer.report.blocks import Bar, Bars

# Edges of bars: a bar holds what is at least its lower edge and below its upper one.
SIDES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100)  # percent of the picture's
ASPECTS = (0, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 4 / 5, 5 / 4, 3 / 2, 2, 3, 4, 6, np.inf)
PER_PICTURE = (0, 1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 31, 51, 101, np.inf)
GRID = 24  # cells of the heat map, across and down
FEWEST_BARS = 6


@dataclass(frozen=True)
class ClassRow:
    """A class. boxes: by split; pictures: that have it; side: its boxes' median, in percent of the picture's.

    heat: see `heat`.
    """

    number: int
    name: str
    boxes: dict[str, int]
    pictures: int
    side: float | None
    heat: np.ndarray

    @property
    def total(self) -> int:
        return sum(self.boxes.values())


@dataclass(frozen=True)
class SplitRow:
    """A split; negatives are its pictures without a box."""

    name: str
    pictures: int
    boxes: int
    negatives: int


@dataclass(frozen=True)
class Statistics:
    """All numbers of the page. sizes: the pictures' sizes in words, the most frequent first, and how many have each."""

    classes: list[ClassRow]
    splits: list[SplitRow]
    histograms: list[Bars]
    heat: np.ndarray
    sizes: list[tuple[str, int]]


def statistics(splits: Sequence[Split]) -> Statistics:
    """Count what the splits hold; they have one picture at least."""
    pictures = [picture for split in splits for picture in split.pictures]
    flat = [(index, box) for index, picture in enumerate(pictures) for box in picture.boxes]
    of_split = np.repeat(np.arange(len(splits)), [len(split.pictures) for split in splits])
    of_picture = np.array([index for index, _ in flat], int)
    category = np.array([box.category for _, box in flat], int)
    rows = np.array([(box.x, box.y, box.width, box.height) for _, box in flat], float).reshape(-1, 4)
    frame = np.array([(picture.width, picture.height) for picture in pictures], float)[of_picture]
    side = 100 * np.sqrt(rows[:, 2:].prod(axis=1) / frame.prod(axis=1))
    centre = (rows[:, :2] + rows[:, 2:] / 2) / frame
    per_picture = np.bincount(of_picture, minlength=len(pictures))
    classes = []
    for number, name in enumerate(splits[0].classes, start=1):
        own = category == number
        by_split = np.bincount(of_split[of_picture[own]], minlength=len(splits)).tolist()
        classes.append(
            ClassRow(
                number,
                name,
                {split.name: count for split, count in zip(splits, by_split, strict=True)},
                len(np.unique(of_picture[own])),
                float(np.median(side[own])) if own.any() else None,
                heat(centre[own]),
            )
        )
    sizes = Counter(f"{picture.width}×{picture.height}" for picture in pictures)
    return Statistics(
        classes,
        [_split_row(split, per_picture[of_split == index]) for index, split in enumerate(splits)],
        [_sides(side), _aspects(rows[:, 2] / rows[:, 3]), _per_picture(per_picture)],
        heat(centre),
        sizes.most_common(),
    )


def heat(centres: np.ndarray) -> np.ndarray:
    """Where centres (x, y in fractions, [n, 2]) lie, as share of the fullest cell, float [GRID, GRID] from the top."""
    cells = np.clip((centres * GRID).astype(int), 0, GRID - 1)
    counts = np.bincount(cells[:, 1] * GRID + cells[:, 0], minlength=GRID * GRID).reshape(GRID, GRID)
    return counts / max(counts.max(), 1)


def _split_row(split: Split, per_picture: np.ndarray) -> SplitRow:
    return SplitRow(split.name, len(per_picture), int(per_picture.sum()), int((per_picture == 0).sum()))


def _sides(sides: np.ndarray) -> Bars:
    labels = [f"{low:g} to {high:g} % of the picture's side" for low, high in pairwise(SIDES)]
    return Bars("Size of boxes", _bars(sides, SIDES, labels, [f"{edge:g}" for edge in SIDES]), _median(sides, " %"))


def _aspects(aspects: np.ndarray) -> Bars:
    words = ["0", *(f"{edge:g}:1" if edge >= 1 else f"1:{1 / edge:g}" for edge in ASPECTS[1:-1]), "∞"]
    labels = [f"width : height from {low} to {high}" for low, high in pairwise(words)]
    middle = len(labels) // 2
    ticks = {0: "tall", middle: "square", len(labels) - 1: "wide"}
    bars = _bars(aspects, ASPECTS, labels, [ticks.get(index, "") for index in range(len(labels))])
    return Bars("Aspect of boxes", bars, _median(aspects, ":1"))


def _per_picture(counts: np.ndarray) -> Bars:
    ranges = [f"{low:g}" if high == low + 1 else f"{low:g} to {high - 1:g}" for low, high in pairwise(PER_PICTURE)]
    ranges[-1] = f"{PER_PICTURE[-2]:g} or more"
    bars = _bars(counts, PER_PICTURE, [f"{words} boxes" for words in ranges], [f"{low:g}" for low in PER_PICTURE])
    while len(bars) > FEWEST_BARS and not bars[-1].count:
        bars.pop()
    return Bars("Boxes per picture", bars, _median(counts, ""))


def _bars(values: np.ndarray, edges: Sequence[float], labels: Sequence[str], ticks: Sequence[str]) -> list[Bar]:
    # the very last edge belongs to the last bar
    places = np.minimum(np.searchsorted(edges, values, side="right") - 1, len(labels) - 1)
    counts = np.bincount(places, minlength=len(labels)).tolist()
    return [Bar(*bar) for bar in zip(labels, ticks, counts, strict=False)]


def _median(values: np.ndarray, unit: str) -> str:
    return f"median {np.median(values):.3g}{unit}" if len(values) else "–"
