"""What a score threshold does: how many detections of each kind are above it, and where on its curve it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isomer import mistakes
from isomer.dataset.canonical import Split
from isomer.evaluation import RECALLS
from isomer.mistakes import Judged

STEPS = np.arange(100) / 100  # thresholds from 0.00 to 0.99

ByPicture = dict[int, tuple[Judged, ...]]


def above(scores: Iterable[float]) -> list[int]:
    """How many scores are above each of `STEPS`."""
    ordered = np.sort(np.fromiter(scores, float))
    return (len(ordered) - np.searchsorted(ordered, STEPS, side="right")).tolist()


@dataclass(frozen=True)
class Graded:
    """What a detector found on a split, sorted out once.

    found: by class, best first, 0 for all together. boxes: how many there are, by class likewise, without crowds.
    """

    split: Split
    judged: ByPicture
    found: dict[int, list[Judged]]
    boxes: Counter[int]


def grade(split: Split, judged: ByPicture) -> Graded:
    """Sort out what mistakes.judge said."""
    everything = sorted(
        (one for found in judged.values() for one in found), key=lambda one: one.result["score"], reverse=True
    )
    found: dict[int, list[Judged]] = {0: everything}
    for one in everything:
        found.setdefault(one.result["category_id"], []).append(one)
    boxes = Counter(box.category for picture in split.pictures for box in picture.boxes if not box.crowd)
    boxes[0] = boxes.total()
    return Graded(split, judged, found, boxes)


def kinds(graded: Graded) -> dict[str, list[int]]:
    """How many there are of each kind and how many boxes are missed, at each of `STEPS`."""
    scores: dict[str, list[float]] = {kind: [] for kind in mistakes.KINDS}
    for one in graded.found[0]:
        scores[one.kind].append(one.result["score"])
    reached = [
        max(pair) for picture in graded.split.pictures for pair in mistakes.reached(picture, graded.judged[picture.id])
    ]
    known = above(reached)
    counts = {kind: above(values) for kind, values in scores.items()}
    return counts | {mistakes.MISSED: [len(reached) - count for count in known]}


def by_class(graded: Graded, categories: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Of some classes, 0 for all together: {right, shown: at each of `STEPS`, boxes: how many there are}."""
    tables = {}
    for category in categories:
        own = graded.found.get(category, [])
        tables[category] = {
            "right": above(one.result["score"] for one in own if one.kind == mistakes.RIGHT),
            "shown": above(one.result["score"] for one in own),
            "boxes": graded.boxes[category],
        }
    return tables


def precision_recall(graded: Graded, category: int) -> tuple[list[float], list[float]]:
    """Recalls, rising, and the precision at each: where each of evaluation.RECALLS is reached, and at each of `STEPS`.

    Args:
        category: a class, or 0 for all together. Without boxes or detections of it both are empty.

    Unlike COCO's curve this one is as it was measured: its dips are not filled, so that a threshold's point is on it.
    """
    own, boxes = graded.found.get(category, []), graded.boxes[category]
    if not boxes or not own:
        return [], []
    right = np.cumsum([one.kind == mistakes.RIGHT for one in own])
    precision, recall = right / np.arange(1, len(own) + 1), right / boxes
    reaching = np.searchsorted(recall, RECALLS - 1e-9)
    counts = np.array(above(one.result["score"] for one in own))
    places = np.unique(np.concatenate([reaching[reaching < len(own)], counts[counts > 0] - 1]))
    # uPlot joins curves by their x, which must not come twice
    x = recall[places] + 1e-7 * np.arange(len(places))
    return x.round(7).tolist(), precision[places].round(4).tolist()
