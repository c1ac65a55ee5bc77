"""The tail, computed by ONNX's reference evaluator, against torchvision's own NMS on random inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator
from torchvision.ops import batched_nms

from isomer import contract
from isomer.contract import Thresholds
from isomer.graph import tail


def torchvision_detections(boxes: np.ndarray, scores: np.ndarray, thresholds: Thresholds) -> list[tuple]:
    """(score, class, box) of one picture, best first: threshold, batched_nms, top k."""
    anchors, columns = np.nonzero(scores > thresholds.score)
    kept_boxes = torch.from_numpy(boxes[anchors].clip(0, 1))
    kept_scores = torch.from_numpy(scores[anchors, columns])
    kept = batched_nms(kept_boxes, kept_scores, torch.from_numpy(columns), thresholds.iou)[: thresholds.max_detections]
    return [(kept_scores[i].item(), columns[i] + 1, tuple(kept_boxes[i].tolist())) for i in kept]


@pytest.mark.parametrize("classes", [1, 3, 20])
@pytest.mark.parametrize("thresholds", [Thresholds(), Thresholds().for_evaluation(), Thresholds(0.6, 0.3, 10)])
def test_same_detections(classes, thresholds):
    random = np.random.default_rng(classes)
    corners = random.uniform(-0.1, 0.9, (3, 150, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.05, 0.4, corners.shape)], axis=2).astype(np.float32)
    scores = random.random((3, 150, classes), dtype=np.float32)
    model = helper.make_model(tail.build(classes, thresholds), opset_imports=[helper.make_opsetid("", contract.OPSET)])
    outputs = ReferenceEvaluator(model).run(None, {contract.RAW_BOXES: boxes, contract.RAW_SCORES: scores})
    for index in range(3):
        rows = int(outputs[3][index])
        found = zip(*(outputs[output][index, :rows].tolist() for output in (2, 1, 0)), strict=True)
        expected = torchvision_detections(boxes[index], scores[index], thresholds)
        assert [(score, category, tuple(box)) for score, category, box in found] == expected
