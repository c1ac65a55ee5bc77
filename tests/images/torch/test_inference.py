"""The framework's own NMS, as the gate calls it."""

from __future__ import annotations

import numpy as np
from inference import detections

from isomer.contract import Thresholds


def test_one_class_suppresses_another_does_not():
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.52], [0.6, 0.6, 0.9, 0.9]], np.float32)
    scores = np.array([[0.9, 0.2], [0.8, 0.7], [0.1, 0.6]], np.float32)
    found = detections(boxes, scores, Thresholds(score=0.3))
    assert found.classes.tolist() == [1, 2, 2]
    np.testing.assert_allclose(found.scores, [0.9, 0.7, 0.6])
    np.testing.assert_allclose(found.boxes, boxes[[0, 1, 2]])


def test_none_above_and_at_most():
    boxes = np.tile(np.array([[0, 0, 0.1, 0.1]], np.float32), (5, 1)) + np.arange(5, dtype=np.float32)[:, None] * 0.2
    scores = np.linspace(0.5, 0.9, 5, dtype=np.float32)[:, None]
    assert len(detections(boxes, scores, Thresholds(score=0.95)).scores) == 0
    assert (
        detections(boxes, scores, Thresholds(score=0.1, max_detections=2)).scores.tolist() == scores[[4, 3], 0].tolist()
    )
