"""One-to-one matching of detections, and what rounding may excuse."""

from __future__ import annotations

import numpy as np
from matching import match

from isomer.contract import Thresholds
from isomer.native import Detections

BOXES = [[0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.9, 0.8], [0.2, 0.6, 0.4, 0.9]]


def found(boxes=BOXES, classes=(1, 2, 1), scores=(0.9, 0.8, 0.7)) -> Detections:
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, int), np.array(scores, np.float32))


def test_same_detections_in_another_order():
    result = match(found(), found(BOXES[::-1], (1, 2, 1), (0.7, 0.8, 0.9)), Thresholds())
    assert result.complete
    assert result.pairs == 3
    assert result.score_gap == 0


def test_another_class_box_or_number():
    assert not match(found(), found(classes=(1, 1, 1)), Thresholds()).complete
    assert not match(found(), found([[0.1, 0.1, 0.3, 0.31], *BOXES[1:]]), Thresholds()).complete
    missing = match(found(), found(BOXES[:2], (1, 2), (0.9, 0.8)), Thresholds())
    assert missing.left == (2,)
    assert missing.right == ()


def test_a_detection_is_matched_once():
    twice = found([BOXES[0]] * 2, (1, 1), (0.9, 0.6))
    assert match(found(BOXES[:1], (1,), (0.9,)), twice, Thresholds()).right == (1,)


def test_score_gap_is_of_the_nearest():
    result = match(found(), found(scores=(0.9, 0.75, 0.7)), Thresholds())
    assert result.complete
    np.testing.assert_allclose(result.score_gap, 0.05, atol=1e-6)


def test_rounding_at_the_threshold_and_in_the_last_row_is_excused():
    lowest = found(BOXES, (1, 2, 1), (0.9, 0.8, 0.3 + 2e-7))
    assert match(lowest, found(BOXES[:2], (1, 2), (0.9, 0.8)), Thresholds(score=0.3)).complete
    full = Thresholds(max_detections=2)
    tie = match(found(BOXES[:2], (1, 2), (0.9, 0.8)), found([BOXES[0], BOXES[2]], (1, 1), (0.9, 0.8)), full)
    assert tie.complete


def test_nothing_and_nothing():
    assert match(found([], (), ()), found([], (), ()), Thresholds()).complete
