"""What a score threshold does: how many detections of each kind are above it, and where on its curve it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def kinds(split: Split, judged: ByPicture) -> dict[str, list[int]]:
    """How many there are of each kind and how many boxes are missed, at each of `STEPS`."""
    everything = [one for found in judged.values() for one in found]
    counts = {kind: above(one.result["score"] for one in everything if one.kind == kind) for kind in mistakes.KINDS}
    reached = [max(pair) for picture in split.pictures for pair in mistakes.reached(picture, judged[picture.id])]
    known = above(reached)
    return counts | {mistakes.MISSED: [len(reached) - count for count in known]}


def by_class(split: Split, judged: ByPicture, categories: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Of some classes, 0 for all together: {right, shown: at each of `STEPS`, boxes: how many there are}."""
    everything = [one for found in judged.values() for one in found]
    boxes = [box for picture in split.pictures for box in picture.boxes if not box.crowd]
    tables = {}
    for category in categories:
        own = [one for one in everything if category in (0, one.result["category_id"])]
        tables[category] = {
            "right": above(one.result["score"] for one in own if one.kind == mistakes.RIGHT),
            "shown": above(one.result["score"] for one in own),
            "boxes": sum(category in (0, box.category) for box in boxes),
        }
    return tables


def precision_recall(split: Split, judged: ByPicture, category: int) -> tuple[list[float], list[float]]:
    """Recalls, rising, and the precision at each: where each of evaluation.RECALLS is reached, and at each of `STEPS`.

    Args:
        category: a class, or 0 for all together. Without boxes or detections of it both are empty.

    Unlike COCO's curve this one is as it was measured: its dips are not filled, so that a threshold's point is on it.
    """
    own = [one for found in judged.values() for one in found if category in (0, one.result["category_id"])]
    own.sort(key=lambda one: -one.result["score"])
    boxes = sum(not box.crowd and category in (0, box.category) for picture in split.pictures for box in picture.boxes)
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
