"""Non-maximum suppression in NumPy: the truth that the tail of a model made elsewhere is held against."""

from __future__ import annotations

import numpy as np

from isomer.contract import Thresholds
from isomer.native import Detections


def nms(boxes: np.ndarray, scores: np.ndarray, thresholds: Thresholds) -> Detections:
    """Greedy, class by class, as isomer.native.Nms."""
    boxes64 = boxes.astype(np.float64)
    areas = (boxes64[:, 2:] - boxes64[:, :2]).clip(0).prod(axis=1)
    anchors, columns = [], []
    for column in np.flatnonzero((scores > thresholds.score).any(axis=0)):
        left = np.flatnonzero(scores[:, column] > thresholds.score)
        left = left[np.argsort(-scores[left, column], kind="stable")]
        while len(left):
            best, left = left[0], left[1:]
            anchors.append(best)
            columns.append(column)
            sides = np.minimum(boxes64[best, 2:], boxes64[left, 2:]) - np.maximum(boxes64[best, :2], boxes64[left, :2])
            shared = sides.clip(0).prod(axis=1)
            union = areas[best] + areas[left] - shared
            left = left[shared <= thresholds.iou * np.maximum(union, 1e-12)]
    chosen, classes = np.array(anchors, int), np.array(columns, int)
    found = scores[chosen, classes]
    order = np.argsort(-found, kind="stable")[: thresholds.max_detections]
    return Detections(boxes[chosen[order]], classes[order] + 1, found[order])
