"""TensorFlow's own NMS, as the gate and predictions ask for it; it needs no Model Garden."""

from __future__ import annotations

import numpy as np
import quiet  # noqa: F401 (before tensorflow)
import tensorflow as tf

from isomer.contract import Thresholds
from isomer.native import Detections


def nms(boxes: np.ndarray, scores: np.ndarray, thresholds: Thresholds) -> Detections:
    """TensorFlow's NMS class by class, as isomer.native.Nms."""
    kept = []
    for column in np.flatnonzero((scores > thresholds.score).any(axis=0)):
        chosen = tf.image.non_max_suppression(
            boxes, scores[:, column], thresholds.max_detections, thresholds.iou, thresholds.score
        )
        kept += [(anchor, column) for anchor in chosen.numpy()]
    anchors, columns = np.array(kept, int).reshape(-1, 2).T
    found = scores[anchors, columns]
    best = np.argsort(-found, kind="stable")[: thresholds.max_detections]
    return Detections(boxes[anchors[best]], columns[best] + 1, found[best])
