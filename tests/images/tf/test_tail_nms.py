"""The tail, computed by ONNX's reference evaluator, against TensorFlow's own NMS on random inputs."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from onnx import helper
from onnx.reference import ReferenceEvaluator

from isomer import contract
from isomer.contract import Thresholds
from isomer.graph import tail


@pytest.mark.parametrize("classes", [1, 3, 20])
@pytest.mark.parametrize("thresholds", [Thresholds(), Thresholds().for_evaluation(), Thresholds(0.6, 0.3, 10)])
def test_same_detections(classes, thresholds):
    random = np.random.default_rng(classes)
    corners = random.uniform(-0.1, 0.9, (3, 150, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.05, 0.4, corners.shape)], axis=2).astype(np.float32)
    scores = random.random((3, 150, classes), dtype=np.float32)
    model = helper.make_model(tail.build(classes, thresholds), opset_imports=[helper.make_opsetid("", contract.OPSET)])
    found = ReferenceEvaluator(model).run(None, {contract.RAW_BOXES: boxes, contract.RAW_SCORES: scores})
    expected = tf.image.combined_non_max_suppression(
        boxes.clip(0, 1)[:, :, None],
        scores,
        max_output_size_per_class=thresholds.max_detections,
        max_total_size=thresholds.max_detections,
        iou_threshold=thresholds.iou,
        score_threshold=thresholds.score,
    )
    boxes_found, classes_found, scores_found, counts = found
    rows = scores_found.shape[1]
    np.testing.assert_array_equal(counts, expected.valid_detections)
    np.testing.assert_array_equal(scores_found, expected.nmsed_scores[:, :rows])
    np.testing.assert_array_equal(boxes_found, expected.nmsed_boxes[:, :rows])
    present = np.arange(rows) < counts[:, None]
    # TensorFlow counts classes from 0, and has 0 in empty rows too
    np.testing.assert_array_equal(classes_found[present], expected.nmsed_classes.numpy()[:, :rows][present] + 1)
