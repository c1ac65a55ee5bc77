"""The tail against greedy NMS written as its definition, in plain Python."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from isomer import contract
from isomer.contract import Thresholds
from isomer.graph import tail


def run_tail(boxes: np.ndarray, scores: np.ndarray, thresholds: Thresholds) -> list[np.ndarray]:
    model = helper.make_model(
        tail.build(scores.shape[2], thresholds),
        ir_version=contract.IR_VERSION,
        opset_imports=[helper.make_opsetid("", contract.OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert tuple(output.name for output in session.get_outputs()) == contract.OUTPUTS
    return session.run(None, {contract.RAW_BOXES: boxes, contract.RAW_SCORES: scores})


def random_raw(anchors: int, classes: int, batch: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Crowded boxes, some reaching out of the picture."""
    random = np.random.default_rng(seed)
    corners = random.uniform(-0.1, 0.9, (batch, anchors, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.05, 0.4, (batch, anchors, 2))], axis=2)
    return boxes.astype(np.float32), random.random((batch, anchors, classes), dtype=np.float32)


def greedy(boxes: np.ndarray, scores: np.ndarray, thresholds: Thresholds) -> list[tuple[float, int, tuple]]:
    """Score, class and box of what is left, best first; one picture."""
    boxes = boxes.clip(0, 1)
    best = np.argsort(-scores.max(axis=1), kind="stable")[: contract.NMS_CANDIDATES]
    left = []
    for column in range(scores.shape[1]):
        chosen = []
        for index in sorted(best, key=lambda index, column=column: -scores[index, column]):
            if scores[index, column] > thresholds.score and all(
                overlap(boxes[index], boxes[other]) <= thresholds.iou for other in chosen
            ):
                chosen.append(index)
        left += [(float(scores[index, column]), column + 1, tuple(boxes[index].tolist())) for index in chosen]
    return sorted(left, reverse=True)[: thresholds.max_detections]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    height = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    width = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - height * width
    return height * width / area if area else 0.0


@pytest.mark.parametrize(
    ("anchors", "classes", "thresholds"),
    [
        (200, 3, Thresholds()),
        (200, 1, Thresholds(score=0.9, iou=0.3)),
        (60, 7, Thresholds(score=0.0, iou=0.99, max_detections=1000)),
        (1500, 2, Thresholds(score=0.5, max_detections=20)),
        (1, 1, Thresholds()),
    ],
)
def test_same_detections_as_the_definition(anchors, classes, thresholds):
    boxes, scores = random_raw(anchors, classes)
    found_boxes, found_classes, found_scores, count = run_tail(boxes, scores, thresholds)
    expected = greedy(boxes[0], scores[0], thresholds)
    rows = int(count[0])
    found = zip(
        found_scores[0, :rows].tolist(), found_classes[0, :rows].tolist(), found_boxes[0, :rows].tolist(), strict=True
    )
    assert [(score, category, tuple(box)) for score, category, box in found] == expected
    assert not found_boxes[0, rows:].any()
    assert not found_classes[0, rows:].any()
    assert not found_scores[0, rows:].any()


def test_nothing_found_is_all_zero():
    boxes, scores = random_raw(50, 3, batch=2)
    found = run_tail(boxes, scores * 0.2, Thresholds(score=0.3))
    assert [output.shape for output in found] == [(2, 100, 4), (2, 100), (2, 100), (2,)]
    assert not any(output.any() for output in found)


def test_few_anchors_bound_the_rows():
    boxes, scores = random_raw(4, 2)
    found = run_tail(boxes, scores, Thresholds(max_detections=100))
    assert [output.shape for output in found] == [(1, 8, 4), (1, 8), (1, 8), (1,)]


def test_batch_gives_what_one_by_one_gives():
    boxes, scores = random_raw(700, 3, batch=5)
    together = run_tail(boxes, scores, Thresholds())
    for index in range(5):
        alone = run_tail(boxes[[index]], scores[[index]], Thresholds())
        for one, all_five in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_five[index])


def test_thresholds_are_strict():
    """A score at the threshold is not above it; an overlap at the threshold does not suppress."""
    boxes = np.array([[[0, 0, 1, 0.5], [0, 0, 1, 1]]], np.float32)  # IoU exactly 0.5
    scores = np.array([[[0.75], [0.5]]], np.float32)
    assert run_tail(boxes, scores, Thresholds(score=0.25, iou=0.5))[3] == 2
    assert run_tail(boxes, scores, Thresholds(score=0.25, iou=0.49))[3] == 1
    assert run_tail(boxes, scores, Thresholds(score=0.5, iou=0.5))[3] == 1


def test_classes_do_not_suppress_each_other():
    boxes = np.array([[[0.1, 0.1, 0.5, 0.5]] * 2], np.float32)
    scores = np.array([[[0.9, 0.0], [0.0, 0.8]]], np.float32)
    _, classes, _, count = run_tail(boxes, scores, Thresholds())
    assert count == 2
    assert classes[0, :2].tolist() == [1, 2]
