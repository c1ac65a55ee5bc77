"""Matching the detections of one picture one to one, as the gate's third level asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isomer.contract import Thresholds
from isomer.native import Detections

LEAST_IOU = 0.99
# Float32 rounding: an overlap or a score this near to its threshold may fall on either side of it.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Match:
    """What two sets of detections have in common.

    score_gap: the largest |Δscore| of a pair. left, right: indices that found no partner.
    """

    pairs: int
    score_gap: float
    left: tuple[int, ...]
    right: tuple[int, ...]

    @property
    def complete(self) -> bool:
        return not self.left and not self.right


def match(first: Detections, second: Detections, thresholds: Thresholds) -> Match:
    """Pair detections of one class with IoU of at least 0.99, each with the one nearest in score.

    A detection without a partner does not count when rounding alone decides whether it is there: its score is at the
    threshold, or is that of the last row when all rows are taken.
    """
    free = np.ones(len(second.scores), bool)
    left, gap, pairs = [], 0.0, 0
    for index in range(len(first.scores)):
        fits = free & (second.classes == first.classes[index])
        fits &= iou(first.boxes[index], second.boxes) >= LEAST_IOU
        if not fits.any():
            left.append(index)
            continue
        differences = np.where(fits, np.abs(second.scores.astype(np.float64) - first.scores[index]), np.inf)
        partner = int(differences.argmin())
        free[partner] = False
        gap = max(gap, float(differences[partner]))
        pairs += 1
    return Match(
        pairs,
        gap,
        tuple(index for index in left if not _at_the_edge(first, index, thresholds)),
        tuple(index for index in np.flatnonzero(free).tolist() if not _at_the_edge(second, index, thresholds)),
    )


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of one box [4] with many [n, 4]; two equal boxes without area have 1. In float64."""
    box, boxes = box.astype(np.float64), boxes.astype(np.float64).reshape(-1, 4)
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    overlap = sides.clip(0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - overlap
    same = np.abs(boxes - box).max(axis=1, initial=0) <= ROUNDING
    return np.where(same, 1.0, overlap / np.maximum(union, 1e-12))


def _at_the_edge(found: Detections, index: int, thresholds: Thresholds) -> bool:
    score = found.scores[index]
    full = len(found.scores) >= thresholds.max_detections
    return bool(score - thresholds.score <= ROUNDING or (full and score - found.scores[-1] <= ROUNDING))
