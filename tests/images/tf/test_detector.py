"""TensorFlow's NMS, as the gate calls it."""

from __future__ import annotations

import numpy as np
from detector import nms

from isomer.contract import Thresholds


def test_one_class_suppresses_another_does_not():
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.52], [0.6, 0.6, 0.9, 0.9]], np.float32)
    scores = np.array([[0.9, 0.2], [0.8, 0.7], [0.1, 0.6]], np.float32)
    found = nms(boxes, scores, Thresholds(score=0.3))
    assert found.classes.tolist() == [1, 2, 2]
    np.testing.assert_allclose(found.scores, [0.9, 0.7, 0.6])
    np.testing.assert_allclose(found.boxes, boxes)


def test_none_above_and_at_most():
    corners = np.arange(5, dtype=np.float32)[:, None] * 0.2
    boxes = np.concatenate([corners, corners, corners + 0.1, corners + 0.1], axis=1)
    scores = np.linspace(0.5, 0.9, 5, dtype=np.float32)[:, None]
    assert len(nms(boxes, scores, Thresholds(score=0.95)).scores) == 0
    found = nms(boxes, scores, Thresholds(score=0.1, max_detections=2))
    np.testing.assert_array_equal(found.scores, scores[[4, 3], 0])
